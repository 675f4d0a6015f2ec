using System.Text.Json;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;

namespace Edge.Runtime.Web;

/// <summary>What the service gives to the page.</summary>
internal sealed record PageSource
{
    /// <summary>Name of the device.</summary>
    public required string Device { get; init; }

    public required IReadOnlyList<StreamView> Streams { get; init; }

    /// <summary>Whether a stream ticks as it should, by its name.</summary>
    public required Func<string, bool> IsOnline { get; init; }

    /// <summary>Writes members of an object: broker, outbox, disk, clock and versions.</summary>
    public required Action<Utf8JsonWriter> WriteService { get; init; }

    /// <summary>The stored rows, or null.</summary>
    public History? History { get; init; }

    /// <summary>Executes a command.</summary>
    public required Func<CommandRequest, Task<CommandResult>> Execute { get; init; }

    /// <summary>Offers a model to a stream: the stream, the file and its signature. Null if models are not updated.</summary>
    public Func<string, byte[], string?, Task<string>>? Offer { get; init; }

    /// <summary>Whether a model must be signed.</summary>
    public bool NeedsSignature { get; init; }

    internal StreamView? Find(string? name) => Streams.FirstOrDefault(view => view.Stream.Name == name);
}
