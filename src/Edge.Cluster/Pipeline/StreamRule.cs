using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors;
using Edge.Streams;

namespace Edge.Cluster.Pipeline;

/// <summary>Streams of one kind: those of all topics of a pattern. Each begins with its first row.</summary>
internal sealed record StreamRule
{
    public required TopicPattern Topics { get; init; }

    /// <summary>Name of the streams; null if topics name them.</summary>
    public string? Name { get; init; }

    /// <summary>Path of the model file, or <c>demo</c>.</summary>
    public required string Model { get; init; }

    /// <summary>How readings are treated; the name is a placeholder.</summary>
    public required StreamOptions Options { get; init; }

    /// <summary>Which messages are published.</summary>
    public PublishOptions Publish { get; init; } = new();

    /// <summary>JSON path of a row's time.</summary>
    public string TimePath { get; init; } = "$.time";

    /// <summary>JSON path of a row's number, or null: it tells rows of the same time apart.</summary>
    public string? NumberPath { get; init; }

    /// <summary>JSON paths of columns; a column without a path is the member of its name.</summary>
    public IReadOnlyDictionary<string, string> Values { get; init; } = new Dictionary<string, string>();

    /// <summary>How numbers in text are written.</summary>
    public NumberOptions Numbers { get; init; } = new();

    /// <summary>How times are written.</summary>
    public TimeOptions Times { get; init; } = new();
}
