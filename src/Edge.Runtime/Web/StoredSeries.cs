using Edge.Runtime.Delivery;

namespace Edge.Runtime.Web;

/// <summary>What the page draws of a span of time: stored rows, and after them the points in memory.</summary>
internal static class StoredSeries
{
    /// <summary>The points of a stream between two times.</summary>
    /// <param name="history">The stored rows, or null.</param>
    /// <param name="view">The stream.</param>
    /// <param name="fromMs">First time, in ms since 1970.</param>
    /// <param name="toMs">Last time, in ms since 1970.</param>
    /// <param name="pointsMax">About how many points.</param>
    internal static Series Read(History? history, StreamView view, long fromMs, long toMs, int pointsMax)
    {
        Series recent = view.Points.Read(0, fromMs, toMs).Points;
        long recentFrom = recent.Count > 0 ? recent.FirstTime : toMs;
        if (history is null || !IsTime(fromMs) || !IsTime(toMs) || recentFrom <= fromMs + (2 * view.Stream.Period.TotalMilliseconds))
        {
            return recent.Thinned(pointsMax);
        }

        HistoryCurve curve = history.Curve(view.Stream.Name, Time(fromMs), Time(recentFrom), pointsMax);
        var rows = new Series(view.Points.Columns);
        Add(rows, curve, view);
        rows.Append(recent);
        return rows.Thinned(pointsMax);
    }

    /// <summary>The events of a stream between two times, the oldest first: stored ones, and those in memory.</summary>
    internal static IEnumerable<PageEvent> Events(History? history, StreamView view, long fromMs, long toMs)
    {
        PageEvent[] recent = view.Events().Events;
        if (history is null || !IsTime(fromMs) || !IsTime(toMs))
        {
            return recent;
        }

        // A stored event has no severity of its own: a score of 3 is critical, as in the detector's events.
        IEnumerable<PageEvent> stored = history.Events(view.Stream.Name, Time(fromMs), Time(toMs))
            .Where(each => !recent.Any(known => known.Id == each.Id))
            .Select(each => new PageEvent(
                each.Id,
                each.IsLimit ? "limit" : "anomaly",
                each.Change,
                PageEvent.Milliseconds(each.Time),
                PageEvent.Milliseconds(each.Time),
                each.Score >= 3 ? "critical" : "warning",
                each.Score,
                -1,
                each.Sentence));
        // What a person said about a span has neither a score nor a channel.
        IEnumerable<PageEvent> labels = history.Labels(view.Stream.Name, Time(fromMs), Time(toMs)).Select(label => new PageEvent(
            $"label-{label.Id}",
            "label",
            "labeled",
            PageEvent.Milliseconds(label.To),
            PageEvent.Milliseconds(label.From),
            "note",
            double.NaN,
            -1,
            $"Label: {label.Text}"));
        return [.. stored.Concat(recent).Concat(labels).OrderBy(each => each.TimeMs)];
    }

    private static void Add(Series rows, HistoryCurve curve, StreamView view)
    {
        // A stream may have had other channels before.
        int[] places = [.. view.Stream.Manifest.Columns.Select(column => curve.Columns.ToList().IndexOf(column))];
        int columns = places.Length;
        Span<float> row = new float[5 * columns];
        row.Fill(float.NaN);
        Span<byte> quality = new byte[columns];
        for (int at = 0; at < curve.Times.Length; at++)
        {
            for (int column = 0; column < columns; column++)
            {
                if (places[column] >= 0)
                {
                    HistoryChannel channel = curve.Channels[places[column]];
                    row[column] = (float)channel.Mean[at];
                    row[columns + column] = (float)channel.Min[at];
                    row[(2 * columns) + column] = (float)channel.Max[at];
                }
            }

            rows.Add(
                PageEvent.Milliseconds(curve.Times[at]), row[..columns], row.Slice(columns, columns), row.Slice(2 * columns, columns),
                row.Slice(3 * columns, columns), row.Slice(4 * columns, columns), quality, curve.Score[at]);
        }
    }

    // Times that a date can have.
    private static bool IsTime(long ms) =>
        ms >= DateTimeOffset.MinValue.ToUnixTimeMilliseconds() && ms <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private static DateTime Time(long ms) => DateTimeOffset.FromUnixTimeMilliseconds(ms).UtcDateTime;
}
