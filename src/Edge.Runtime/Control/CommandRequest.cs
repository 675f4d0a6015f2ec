using System.Text.Json;
using Edge.Inference;
using Edge.Streams.Detection;

namespace Edge.Runtime.Control;

/// <summary>What may be asked for over MQTT, where edge.yaml allows it.</summary>
internal enum CommandName
{
    /// <summary>Forget a stream's state.</summary>
    Reset,

    /// <summary>Have everything on the card now.</summary>
    Snapshot,

    /// <summary>Close a stream's anomaly and open none for a while.</summary>
    Silence,

    /// <summary>Put up with another rate of false alarms until the next start.</summary>
    Sensitivity,

    /// <summary>Read edge.yaml again.</summary>
    Reload,

    /// <summary>A part of a new model.</summary>
    Update,

    /// <summary>Put the model before this one back.</summary>
    Rollback,
}

/// <summary>One request, checked: it names what is there and holds nothing else.</summary>
/// <param name="Name">What is asked for.</param>
/// <param name="Stream">Of which stream; empty where it concerns none.</param>
/// <param name="Time">Silence: for how long.</param>
/// <param name="FalseAlarmsAWeek">Sensitivity: the rate.</param>
/// <param name="Part">Update: the part.</param>
internal sealed record CommandRequest(CommandName Name, string Stream, TimeSpan Time = default, double FalseAlarmsAWeek = 0, ModelPart? Part = null)
{
    /// <summary>Most bytes of a request.</summary>
    internal const int PayloadMaxBytes = 4096;

    private static readonly TimeSpan SilenceMax = TimeSpan.FromDays(7);
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 4 };

    /// <summary>Reads a request.</summary>
    /// <param name="name">What is asked for.</param>
    /// <param name="payload">A JSON object; empty for one without keys.</param>
    /// <param name="streams">Names of the streams there are.</param>
    /// <exception cref="InputException">It is not one; the sentence goes back to whoever asked.</exception>
    internal static CommandRequest Parse(CommandName name, ReadOnlyMemory<byte> payload, IReadOnlyCollection<string> streams)
    {
        if (name == CommandName.Update)
        {
            ModelPart part = ModelPart.Parse(payload, streams);
            return new CommandRequest(name, part.Stream, Part: part);
        }

        if (payload.Length > PayloadMaxBytes)
        {
            throw new InputException($"The request has {payload.Length} bytes; {PayloadMaxBytes} is the limit.");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(payload.IsEmpty ? "{}"u8.ToArray() : payload, Options);
            return Read(name, document.RootElement, streams);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second: a string that is no Unicode, which is noticed when it is read.
            throw new InputException("The request is not JSON.", e);
        }
    }

    private static CommandRequest Read(CommandName name, JsonElement root, IReadOnlyCollection<string> streams)
    {
        string[] keys = name switch
        {
            CommandName.Reset or CommandName.Rollback => ["stream"],
            CommandName.Silence => ["stream", "for"],
            CommandName.Sensitivity => ["stream", "value"],
            _ => [],
        };
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new InputException("The request is not a JSON object.");
        }

        string[] given = [.. root.EnumerateObject().Select(property => property.Name)];
        if (given.Except(keys).Any() || given.Distinct().Count() != keys.Length || given.Length != keys.Length)
        {
            throw new InputException(keys.Length == 0 ? "The request takes no keys." : $"The request takes the keys {string.Join(" and ", keys)}, each once, and no other.");
        }

        string stream = keys.Length > 0 ? Text(root, "stream") : "";
        if (keys.Length > 0 && !streams.Contains(stream))
        {
            throw new InputException($"There is no such stream; there are {string.Join(", ", streams)}.");
        }

        return name switch
        {
            CommandName.Silence => new CommandRequest(name, stream, Time: ReadTime(Text(root, "for"))),
            CommandName.Sensitivity => new CommandRequest(name, stream, FalseAlarmsAWeek: ReadRate(root.GetProperty("value"))),
            _ => new CommandRequest(name, stream),
        };
    }

    private static TimeSpan ReadTime(string text) => Duration.TryParse(text, out TimeSpan time) && time > TimeSpan.Zero && time <= SilenceMax
        ? time : throw new InputException("'for' must be a time such as 30m or 2h, at most 7d.");

    private static double ReadRate(JsonElement value)
    {
        string text = value.ValueKind is JsonValueKind.String or JsonValueKind.Number ? value.ToString() : "";
        return AnomalyOptions.TryParseSensitivity(text, out double rate)
            ? rate : throw new InputException("'value' must be low, normal, high or a number of false alarms a week from 0.001 to 10000.");
    }

    private static string Text(JsonElement root, string key) => root.GetProperty(key) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : "";
}
