using Edge.Streams;

namespace Edge.Runtime.Delivery;

/// <summary>One stored row as the sensor gave it, before missing values are filled in.</summary>
/// <param name="Seq">Number of its tick.</param>
/// <param name="Time">Time of the values, UTC.</param>
/// <param name="Values">One value per channel, in the channel's unit; NaN where none was measured.</param>
/// <param name="Quality">Quality of each value.</param>
/// <param name="Score">Anomaly score of the tick, abnormal from 1 on; rounded to three digits.</param>
/// <param name="SkippedTicks">Ticks without a row since the row before.</param>
/// <param name="ClockJump">Step of the wall clock since the row before; zero if it was not set.</param>
/// <param name="ClockIsUnset">Whether the time comes from a clock that was never synchronized.</param>
internal sealed record HistoryRow(
    long Seq,
    DateTime Time,
    double[] Values,
    Quality[] Quality,
    float Score,
    long SkippedTicks,
    TimeSpan ClockJump,
    bool ClockIsUnset);

/// <summary>The readings of a stream between two times, as points for a curve. All lists have one entry per point.</summary>
/// <param name="Columns">Names of the channels.</param>
/// <param name="Times">Time of each point, UTC, ascending: of its row, or of the first row of its span.</param>
/// <param name="Channels">One entry per channel.</param>
/// <param name="Score">Largest anomaly score of each point.</param>
/// <param name="IsThinned">Whether a point may stand for more than one row.</param>
internal sealed record HistoryCurve(
    IReadOnlyList<string> Columns, DateTime[] Times, HistoryChannel[] Channels, float[] Score, bool IsThinned);

/// <summary>One channel of a curve: the range of the measured values of each point; NaN where none was measured.</summary>
internal sealed record HistoryChannel(double[] Min, double[] Mean, double[] Max);

/// <summary>An event of a stream: an anomaly or a limit that opened, changed or closed.</summary>
/// <param name="Seq">Number of the tick.</param>
/// <param name="Time">Time of the row, UTC.</param>
/// <param name="Id">Id of the anomaly or the limit; the same from its opening to its closing.</param>
/// <param name="IsLimit">Whether it is of a limit, not an anomaly.</param>
/// <param name="Change">What happened, in lower case: <c>opened</c>, <c>closed</c>, <c>accepted</c>, <c>silenced</c>.</param>
/// <param name="Score">Score of the anomaly; NaN for a limit.</param>
/// <param name="Sentence">What happened, for a person.</param>
internal sealed record HistoryEvent(long Seq, DateTime Time, string Id, bool IsLimit, string Change, double Score, string Sentence);

/// <summary>What a person said about a span of a stream, such as "this was a fault".</summary>
/// <param name="Id">Number of the label.</param>
/// <param name="From">Begin of the span, UTC.</param>
/// <param name="To">End of the span, UTC.</param>
/// <param name="Text">The text.</param>
internal sealed record HistoryLabel(long Id, DateTime From, DateTime To, string Text);

/// <summary>
/// Reads the stored rows of the streams, while the service runs or after it. Any thread may call it, also of another process; nothing
/// that a tick does waits for it.
/// </summary>
/// <param name="folder">The state folder.</param>
internal sealed class History(string folder)
{
    private bool Exists => Directory.Exists(folder);

    /// <summary>Names of the streams that have rows, sorted.</summary>
    internal IReadOnlyList<string> Streams() => Exists ? [] : [];

    /// <summary>Names of the channels of a stream's newest rows; empty if it has none.</summary>
    internal IReadOnlyList<string> Columns(string stream) => Exists ? [] : [];

    /// <summary>All rows of a stream that are still stored one by one, oldest first.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="from">First time, UTC, inclusive.</param>
    /// <param name="to">Last time, UTC, exclusive.</param>
    internal IEnumerable<HistoryRow> Rows(string stream, DateTime from, DateTime to) => Exists ? [] : [];

    /// <summary>The readings of a stream as at most <paramref name="pointsMax"/> points, thinned where there are more rows.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="from">First time, UTC, inclusive.</param>
    /// <param name="to">Last time, UTC, exclusive.</param>
    /// <param name="pointsMax">Most points, 1 or more.</param>
    internal HistoryCurve Curve(string stream, DateTime from, DateTime to, int pointsMax) =>
        new([], [], [], [], IsThinned: !Exists);

    /// <summary>Events of a stream between two times, oldest first, at most the newest 1,000.</summary>
    internal IReadOnlyList<HistoryEvent> Events(string stream, DateTime from, DateTime to) => Exists ? [] : [];

    /// <summary>Labels whose span touches these times, by begin.</summary>
    internal IReadOnlyList<HistoryLabel> Labels(string stream, DateTime from, DateTime to) => Exists ? [] : [];
}
