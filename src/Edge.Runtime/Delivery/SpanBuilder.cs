namespace Edge.Runtime.Delivery;

/// <summary>
/// Gathers rows into spans, such as minutes, and spans into groups, such as hours. A span ends with the first row of another one, so that
/// a clock that is set back begins a new span and changes no earlier one.
/// </summary>
/// <param name="groupTicks">Length of a group, in ticks of <see cref="DateTime"/>.</param>
/// <param name="spanTicks">Length of a span.</param>
internal sealed class SpanBuilder(long groupTicks, long spanTicks)
{
    private readonly List<HistorySpan> _spans = [];
    private string _columns = "";
    private long _group = -1;
    private long _span = -1;
    private long _firstSeq;
    private long _lastSeq;
    private HistorySpan _open;

    /// <summary>The groups that are complete.</summary>
    internal List<Group> Groups { get; } = [];

    /// <summary>A row as a span of its own.</summary>
    internal static HistorySpan Of(RowBlock rows, int at)
    {
        var channels = new SpanChannel[rows.Values.Length];
        for (int channel = 0; channel < channels.Length; channel++)
        {
            double value = rows.Values[channel][at];
            channels[channel] = double.IsFinite(value) ? new SpanChannel((float)value, value, (float)value, 1) : SpanChannel.Empty;
        }

        return new HistorySpan(rows.Times[at], channels, rows.Scores[at]);
    }

    /// <summary>One span out of two that follow one another.</summary>
    internal static HistorySpan Merge(HistorySpan first, HistorySpan second)
    {
        var channels = new SpanChannel[first.Channels.Length];
        for (int channel = 0; channel < channels.Length; channel++)
        {
            channels[channel] = first.Channels[channel].With(second.Channels[channel]);
        }

        return new HistorySpan(first.Time, channels, Math.Max(first.Score, second.Score));
    }

    /// <summary>Adds a row, or a shorter span.</summary>
    internal void Add(string columns, long seq, HistorySpan span)
    {
        if (span.Time / groupTicks != _group || columns != _columns)
        {
            End();
            (_group, _columns, _firstSeq) = (span.Time / groupTicks, columns, seq);
        }

        _lastSeq = seq;
        if (span.Time / spanTicks == _span)
        {
            _open = Merge(_open, span);
            return;
        }

        EndSpan();
        (_span, _open) = (span.Time / spanTicks, span);
    }

    /// <summary>Ends the group that is open.</summary>
    internal void End()
    {
        EndSpan();
        if (_spans.Count > 0)
        {
            Groups.Add(new Group(_columns, _firstSeq, _lastSeq, [.. _spans]));
            _spans.Clear();
        }

        _group = -1;
    }

    private void EndSpan()
    {
        if (_span >= 0)
        {
            _spans.Add(_open);
            _span = -1;
        }
    }

    /// <summary>The spans of an hour or a day.</summary>
    internal sealed record Group(string Columns, long FirstSeq, long LastSeq, IReadOnlyList<HistorySpan> Spans);
}
