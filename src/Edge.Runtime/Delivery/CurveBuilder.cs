namespace Edge.Runtime.Delivery;

/// <summary>The readings of a stream between two times, as points for a curve. All lists have one entry per point.</summary>
/// <param name="Columns">Names of the channels.</param>
/// <param name="Times">Time of each point, UTC, ascending: of its row, or of the first row of its span.</param>
/// <param name="Channels">One entry per channel.</param>
/// <param name="Score">Largest anomaly score of each point.</param>
/// <param name="Ends">Time of the last row that each point stands for; of minutes and hours, where they end.</param>
/// <param name="IsThinned">Whether a point may stand for more than one row.</param>
internal sealed record HistoryCurve(
    IReadOnlyList<string> Columns, DateTime[] Times, HistoryChannel[] Channels, float[] Score, DateTime[] Ends, bool IsThinned);

/// <summary>One channel of a curve: the range of the measured values of each point; NaN where none was measured.</summary>
internal sealed record HistoryChannel(double[] Min, double[] Mean, double[] Max);

/// <summary>Gathers rows and spans into the points of a curve, each of the same length of time.</summary>
internal sealed class CurveBuilder
{
    private readonly HistorySpan?[] _points;
    private readonly long[] _ends;
    private bool _isThinned;

    /// <param name="fromTicks">Begin, in ticks of <see cref="DateTime"/>.</param>
    /// <param name="toTicks">End, later than the begin.</param>
    /// <param name="pointsMax">Most points, 1 or more.</param>
    internal CurveBuilder(long fromTicks, long toTicks, int pointsMax)
    {
        (FromTicks, ToTicks) = (fromTicks, toTicks);
        PointTicks = Math.Max(1, (long)Math.Ceiling((toTicks - fromTicks) / (double)pointsMax));
        _points = new HistorySpan?[pointsMax];
        _ends = new long[pointsMax];
    }

    internal long FromTicks { get; }

    internal long ToTicks { get; }

    /// <summary>Length of a point.</summary>
    internal long PointTicks { get; }

    /// <summary>Adds the rows of a block after a tick.</summary>
    internal void Add(RowBlock rows, long afterSeq)
    {
        for (int i = 0; i < rows.Count; i++)
        {
            if (rows.Seqs[i] > afterSeq && rows.Times[i] >= FromTicks && rows.Times[i] < ToTicks)
            {
                Add(SpanBuilder.Of(rows, i), length: 0);
            }
        }
    }

    /// <summary>Adds spans.</summary>
    /// <param name="spans">The spans.</param>
    /// <param name="length">Length of each, in ticks of <see cref="DateTime"/>.</param>
    /// <param name="beforeTicks">Those from this time on are left out.</param>
    internal void Add(HistorySpan[] spans, long length, long beforeTicks)
    {
        _isThinned = true;
        foreach (HistorySpan span in spans)
        {
            if (span.Time >= FromTicks && span.Time < Math.Min(ToTicks, beforeTicks))
            {
                Add(span, length);
            }
        }
    }

    internal void Add(HistoryRow row)
    {
        if (row.Time.Ticks >= FromTicks && row.Time.Ticks < ToTicks)
        {
            Add(
                new HistorySpan(
                    row.Time.Ticks,
                    [
                        .. row.Values.Select(
                            value => double.IsFinite(value) ? new SpanChannel((float)value, value, (float)value, 1) : SpanChannel.Empty),
                    ],
                    row.Score),
                length: 0);
        }
    }

    internal HistoryCurve ToCurve(IReadOnlyList<string> columns)
    {
        int[] at = [.. Enumerable.Range(0, _points.Length).Where(i => _points[i] is not null).OrderBy(i => _points[i]!.Value.Time)];
        HistorySpan[] points = [.. at.Select(i => _points[i]!.Value)];
        return new HistoryCurve(
            columns,
            [.. points.Select(point => new DateTime(point.Time, DateTimeKind.Utc))],
            [
                .. columns.Select(
                    (_, channel) => new HistoryChannel(
                        [.. points.Select(point => Value(point.Channels[channel], each => each.Min))],
                        [.. points.Select(point => Value(point.Channels[channel], each => each.Mean))],
                        [.. points.Select(point => Value(point.Channels[channel], each => each.Max))])),
            ],
            [.. points.Select(point => point.Score)],
            [.. at.Select(i => new DateTime(_ends[i], DateTimeKind.Utc))],
            _isThinned);
    }

    private static double Value(SpanChannel channel, Func<SpanChannel, double> part) => channel.Count > 0 ? part(channel) : double.NaN;

    private void Add(HistorySpan span, long length)
    {
        long at = (span.Time - FromTicks) / PointTicks;
        ref HistorySpan? point = ref _points[at];
        _isThinned |= point is not null;
        _ends[at] = Math.Max(_ends[at], span.Time + length);
        point = point is { } before ? SpanBuilder.Merge(before, span) : span;
    }
}
