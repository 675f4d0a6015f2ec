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
        if (curve.Times.Length > 0 && recent.Count > 0)
        {
            AddBreak(rows, curve, view, curve.Times.Length - 1, recentFrom);
        }

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

        IReadOnlyList<string> columns = view.Stream.Manifest.Columns;
        IEnumerable<PageEvent> stored = history.Events(view.Stream.Name, Time(fromMs), Time(toMs))
            .Select(each => PageEvent.Of(each, columns))
            .Where(each => !recent.Any(known => known.Id == each.Id));

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
            if (at + 1 < curve.Times.Length)
            {
                AddBreak(rows, curve, view, at, PageEvent.Milliseconds(curve.Times[at + 1]));
            }
        }
    }

    // The next point follows the end of this one closely, or rows are missing between the two.
    private static void AddBreak(Series rows, HistoryCurve curve, StreamView view, int at, long nextMs)
    {
        long endMs = PageEvent.Milliseconds(curve.Ends[at]);
        if (nextMs - endMs > view.Points.GapMs)
        {
            rows.AddBreak(endMs + ((nextMs - endMs) / 2));
        }
    }

    // Times that a date can have.
    private static bool IsTime(long ms) =>
        ms >= DateTimeOffset.MinValue.ToUnixTimeMilliseconds() && ms <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private static DateTime Time(long ms) => DateTimeOffset.FromUnixTimeMilliseconds(ms).UtcDateTime;
}
