namespace Edge.Runtime.Delivery;

/// <summary>Gathers rows and spans into the points of a curve, each of the same length of time.</summary>
internal sealed class CurveBuilder
{
    private readonly HistorySpan?[] _points;
    private bool _isThinned;

    /// <param name="fromTicks">Begin, in ticks of <see cref="DateTime"/>.</param>
    /// <param name="toTicks">End, later than the begin.</param>
    /// <param name="pointsMax">Most points, 1 or more.</param>
    internal CurveBuilder(long fromTicks, long toTicks, int pointsMax)
    {
        (FromTicks, ToTicks) = (fromTicks, toTicks);
        PointTicks = Math.Max(1, (long)Math.Ceiling((toTicks - fromTicks) / (double)pointsMax));
        _points = new HistorySpan?[pointsMax];
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
                Add(SpanBuilder.Of(rows, i));
            }
        }
    }

    internal void Add(HistorySpan[] spans)
    {
        _isThinned = true;
        foreach (HistorySpan span in spans)
        {
            if (span.Time >= FromTicks && span.Time < ToTicks)
            {
                Add(span);
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
                    row.Score));
        }
    }

    internal HistoryCurve ToCurve(IReadOnlyList<string> columns)
    {
        HistorySpan[] points = [.. _points.Where(point => point is not null).Select(point => point!.Value).OrderBy(point => point.Time)];
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
            _isThinned);
    }

    private static double Value(SpanChannel channel, Func<SpanChannel, double> part) => channel.Count > 0 ? part(channel) : double.NaN;

    private void Add(HistorySpan span)
    {
        ref HistorySpan? point = ref _points[(span.Time - FromTicks) / PointTicks];
        _isThinned |= point is not null;
        point = point is { } before ? SpanBuilder.Merge(before, span) : span;
    }
}
