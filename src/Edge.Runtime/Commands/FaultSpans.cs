using Edge.Inference;
using Edge.Runtime.Delivery;

namespace Edge.Runtime.Commands;

/// <summary>When a stream was not well: what has a label, and anomalies that no one took for normal.</summary>
internal sealed class FaultSpans
{
    // Faults are rare: anomalies that take more of the time than this show a plant that the model does not know, which is to be learned.
    private const double ShareMax = 0.05;

    private static readonly string[] Names = ["fault", "anomaly", "label"];

    private readonly List<(DateTime From, DateTime To)> _spans;
    private int _at;

    private FaultSpans(List<(DateTime From, DateTime To)> spans) => _spans = spans;

    /// <param name="labels">What has a label.</param>
    /// <param name="events">
    /// Events of the stream, oldest first; only anomalies count, and none does if anomalies take more than a twentieth of the time.
    /// </param>
    /// <param name="first">Time of the first row.</param>
    /// <param name="last">Time of the last row.</param>
    internal static FaultSpans Of(IEnumerable<HistoryLabel> labels, IEnumerable<HistoryEvent> events, DateTime first, DateTime last)
    {
        List<(DateTime From, DateTime To)> anomalies = [.. Anomalies(events, last).Where(each => each.To >= first)];
        double share = anomalies.Sum(each => (each.To - each.From).TotalSeconds) / Math.Max(1, (last - first).TotalSeconds);
        List<(DateTime From, DateTime To)> spans =
            [.. labels.Select(label => (label.From, label.To)), .. share > ShareMax ? [] : anomalies];
        spans.Sort();
        return new FaultSpans(spans);
    }

    private static IEnumerable<(DateTime From, DateTime To)> Anomalies(IEnumerable<HistoryEvent> events, DateTime last)
    {
        HistoryEvent? open = null;
        foreach (HistoryEvent each in events.Where(each => each.Kind == HistoryEventKind.Anomaly))
        {
            if (open is not null && each.Id == open.Id && each.Change is "closed" or "silenced")
            {
                yield return (open.Time, each.Time);
            }
            else if (open is not null && each.Change == "opened")
            {
                yield return Unended(open, each.Time);
            }

            open = each.Change == "opened" ? each : each.Change is "closed" or "silenced" or "accepted" ? null : open;
        }

        if (open is not null)
        {
            yield return Unended(open, last);
        }
    }

    // After a reset, or a change of the model on command, the end of an anomaly is not said. It is over when the next one opens; and an
    // anomaly that lasts for a day is taken for normal.
    private static (DateTime From, DateTime To) Unended(HistoryEvent opened, DateTime next) =>
        (opened.Time, opened.Time.AddDays(1) < next ? opened.Time.AddDays(1) : next);

    /// <summary>A name of the column that says so, which no channel has.</summary>
    /// <exception cref="InputException">Channels have all of them.</exception>
    internal static string Column(IReadOnlyList<string> channels) => Names.FirstOrDefault(name => !channels.Contains(name))
        ?? throw new InputException($"--faults needs a column, and channels are named {string.Join(", ", Names)} already.");

    /// <summary>Whether a time lies in a span; to be asked in ascending order.</summary>
    internal bool Contains(DateTime time)
    {
        while (_at < _spans.Count && _spans[_at].To < time)
        {
            _at++;
        }

        // A span that is over may hide behind one that is not.
        for (int i = _at; i < _spans.Count && _spans[i].From <= time; i++)
        {
            if (time <= _spans[i].To)
            {
                return true;
            }
        }

        return false;
    }
}
