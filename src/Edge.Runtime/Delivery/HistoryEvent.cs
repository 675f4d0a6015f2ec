using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Limits;

namespace Edge.Runtime.Delivery;

/// <summary>What an event is of. The values are stored: do not change them.</summary>
internal enum HistoryEventKind
{
    /// <summary>An anomaly.</summary>
    Anomaly = 0,

    /// <summary>A limit of a channel.</summary>
    Limit = 1,

    /// <summary>A new model, or the learning of one.</summary>
    Model = 2,
}

/// <summary>An event of a stream: an anomaly or a limit that opened, changed or closed, or what became of a model.</summary>
/// <param name="Seq">Number of the tick.</param>
/// <param name="Time">Time of the row, UTC.</param>
/// <param name="Id">Id of the anomaly or the limit, the same from its opening to its closing; an id of its own for another event.</param>
/// <param name="Kind">What it is of.</param>
/// <param name="Change">
/// What happened, in lower case: <c>opened</c>, <c>closed</c>, <c>accepted</c>, <c>silenced</c>; of a model as in docs/mqtt.md.
/// </param>
/// <param name="Score">Score of the anomaly; NaN for anything else.</param>
/// <param name="Sentence">What happened, for a person.</param>
internal sealed record HistoryEvent(
    long Seq, DateTime Time, string Id, HistoryEventKind Kind, string Change, double Score, string Sentence)
{
    // Of events that earlier versions stored without a severity; AnomalyEvent.Severity has the same.
    private const double CriticalScore = 3;

    /// <summary>When it began, UTC.</summary>
    public DateTime Started { get; init; } = Time;

    /// <summary>The channel that contributes most; empty for none, null where an earlier version has stored the event.</summary>
    public string? Channel { get; init; }

    /// <summary><c>warning</c>, <c>critical</c> or <c>note</c>.</summary>
    public string Severity { get; init; } = Score >= CriticalScore ? "critical" : "warning";

    internal static HistoryEvent Of(StreamTick tick, AnomalyEvent anomaly, IReadOnlyList<string> columns) => new(
        tick.Seq, tick.Reading.Time, anomaly.Id, HistoryEventKind.Anomaly, Text(anomaly.Change), anomaly.Score, anomaly.Message)
    {
        Started = anomaly.Started,
        Channel = anomaly.Channels.Count > 0 ? columns[anomaly.Channels[0].Column] : "",
        Severity = anomaly.Severity,
    };

    internal static HistoryEvent Of(StreamTick tick, LimitEvent limit, IReadOnlyList<string> columns) => new(
        tick.Seq, tick.Reading.Time, limit.Id, HistoryEventKind.Limit, Text(limit.Change), double.NaN, limit.Message)
    {
        Started = limit.Started,
        Channel = columns[limit.Column],
        Severity = limit.Stage == LimitStage.Exceeded ? "critical" : "warning",
    };

    private static string Text<T>(T change)
        where T : struct, Enum => change.ToString().ToLowerInvariant();
}
