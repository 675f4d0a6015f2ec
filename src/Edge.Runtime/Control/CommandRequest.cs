using System.Text.Json;
using Edge.Inference;
using Edge.Sensors;
using Edge.Streams.Detection;

namespace Edge.Runtime.Control;

/// <summary>Commands over MQTT, each only if edge.yaml allows it.</summary>
internal enum CommandName
{
    /// <summary>Reset the state of a stream.</summary>
    Reset,

    /// <summary>Flush all ticks to disk (fsync) now.</summary>
    Snapshot,

    /// <summary>Close the open anomaly of a stream and open none for a given time.</summary>
    Silence,

    /// <summary>Change the expected rate of false alarms until the next start.</summary>
    Sensitivity,

    /// <summary>Read edge.yaml again.</summary>
    Reload,

    /// <summary>A part of a new model.</summary>
    Update,

    /// <summary>Restore the previous model.</summary>
    Rollback,

    /// <summary>Take what the open anomaly shows for normal.</summary>
    Accept,

    /// <summary>Keep what a person says about a span of a stream, such as "this was a fault".</summary>
    Label,
}

/// <summary>One validated request: its stream exists, and it has no unknown keys.</summary>
/// <param name="Name">The command.</param>
/// <param name="Stream">Name of the stream; empty for a command without a stream.</param>
/// <param name="Time"><c>silence</c>: the duration.</param>
/// <param name="FalseAlarmsAWeek"><c>sensitivity</c>: expected false alarms per week.</param>
/// <param name="Part"><c>update</c>: the part of the model.</param>
/// <param name="From"><c>label</c>: begin of the span, UTC.</param>
/// <param name="To"><c>label</c>: end of the span, UTC.</param>
/// <param name="Text"><c>label</c>: the text.</param>
internal sealed record CommandRequest(
    CommandName Name,
    string Stream,
    TimeSpan Time = default,
    double FalseAlarmsAWeek = 0,
    ModelPart? Part = null,
    DateTime From = default,
    DateTime To = default,
    string Text = "")
{
    /// <summary>Largest request, in bytes.</summary>
    internal const int PayloadMaxBytes = 4096;

    private static readonly TimeSpan SilenceMax = TimeSpan.FromDays(7);
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 4 };

    /// <summary>Reads a request.</summary>
    /// <param name="name">The command.</param>
    /// <param name="payload">A JSON object; empty for one without keys.</param>
    /// <param name="streams">Names of the streams there are.</param>
    /// <exception cref="InputException">It is not a valid request; the sentence is sent back as the answer.</exception>
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
            // The second: a string that is not valid Unicode, which is found when it is read.
            throw new InputException("The request is not JSON.", e);
        }
    }

    private static CommandRequest Read(CommandName name, JsonElement root, IReadOnlyCollection<string> streams)
    {
        string[] keys = name switch
        {
            CommandName.Reset or CommandName.Rollback or CommandName.Accept => ["stream"],
            CommandName.Silence => ["stream", "for"],
            CommandName.Sensitivity => ["stream", "value"],
            CommandName.Label => ["stream", "from", "to", "text"],
            _ => [],
        };
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new InputException("The request is not a JSON object.");
        }

        string[] given = [.. root.EnumerateObject().Select(property => property.Name)];
        if (given.Except(keys).Any() || given.Distinct().Count() != keys.Length || given.Length != keys.Length)
        {
            throw new InputException(
                keys.Length == 0
                    ? "The request takes no keys."
                    : $"The request takes the keys {string.Join(" and ", keys)}, each once, and no other keys.");
        }

        string stream = keys.Length > 0 ? ReadText(root, "stream") : "";
        if (keys.Length > 0 && !streams.Contains(stream))
        {
            throw new InputException($"There is no such stream. Streams: {string.Join(", ", streams)}.");
        }

        return name switch
        {
            CommandName.Silence => new CommandRequest(name, stream, Time: ReadTime(ReadText(root, "for"))),
            CommandName.Sensitivity => new CommandRequest(name, stream, FalseAlarmsAWeek: ReadRate(root.GetProperty("value"))),
            CommandName.Label => new CommandRequest(
                name, stream, From: ReadMoment(root, "from"), To: ReadMoment(root, "to"), Text: ReadText(root, "text")),
            _ => new CommandRequest(name, stream),
        };
    }

    private static DateTime ReadMoment(JsonElement root, string key) =>
        Timestamp.TryParseIso(ReadText(root, key), out DateTime time, out TimeSpan? offset)
            ? DateTime.SpecifyKind(time - (offset ?? TimeSpan.Zero), DateTimeKind.Utc)
            : throw new InputException($"'{key}' must be a time such as 2026-05-01T06:00:00Z.");

    private static TimeSpan ReadTime(string text) =>
        Duration.TryParse(text, out TimeSpan time) && time > TimeSpan.Zero && time <= SilenceMax
        ? time : throw new InputException("'for' must be a time such as 30m or 2h, at most 7d.");

    private static double ReadRate(JsonElement value)
    {
        string text = value.ValueKind is JsonValueKind.String or JsonValueKind.Number ? value.ToString() : "";
        return AnomalyOptions.TryParseSensitivity(text, out double rate)
            ? rate
            : throw new InputException("'value' must be low, normal, high or a number of false alarms per week from 0.001 to 10000.");
    }

    private static string ReadText(JsonElement root, string key) =>
        root.GetProperty(key) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : "";
}
