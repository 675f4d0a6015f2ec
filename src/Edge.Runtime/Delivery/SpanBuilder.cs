namespace Edge.Runtime.Delivery;

/// <summary>
/// Gathers rows into spans, such as minutes, and spans into groups, such as hours. A span ends with the first row of another one, so that
/// a clock that is set back begins a new span and changes no earlier one. A group that is less than half full continues, so that rare rows
/// are not a group each.
/// </summary>
/// <param name="groupTicks">Length of a group, in ticks of <see cref="DateTime"/>.</param>
/// <param name="spanTicks">Length of a span.</param>
internal sealed class SpanBuilder(long groupTicks, long spanTicks)
{
    private readonly long _fewSpans = groupTicks / spanTicks / 2;
    private readonly List<HistorySpan> _spans = [];
    private readonly List<Group> _groups = [];
    private string _columns = "";
    private long _group = -1;
    private long _span = -1;
    private long _firstSeq;
    private long _lastSeq;
    private HistorySpan _open;

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
    /// <param name="columns">Names of the channels.</param>
    /// <param name="seq">Number of the row, or of the first and last rows of the block that the span is from: a group ends with it.</param>
    /// <param name="span">The row or the span.</param>
    internal void Add(string columns, (long First, long Last) seq, HistorySpan span)
    {
        bool isNewSpan = span.Time / spanTicks != _span;
        bool isFull = span.Time / groupTicks != _group && _spans.Count >= _fewSpans;
        if (columns != _columns || (isFull && isNewSpan && seq.Last != _lastSeq))
        {
            End();
        }

        if (_span < 0)
        {
            (_columns, _group, _firstSeq) = (columns, span.Time / groupTicks, seq.First);
        }

        _lastSeq = seq.Last;
        if (_span >= 0 && !isNewSpan)
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
            _groups.Add(new Group(_columns, _firstSeq, _lastSeq, [.. _spans]));
            _spans.Clear();
        }
    }

    /// <summary>Takes out the groups that are complete.</summary>
    internal List<Group> TakeGroups()
    {
        List<Group> groups = [.. _groups];
        _groups.Clear();
        return groups;
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
