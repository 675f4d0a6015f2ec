using Edge.Inference;
using Edge.Runtime.Delivery;

namespace Edge.Runtime.Commands;

/// <summary>When a stream was not well: what has a label, and anomalies that no one took for normal.</summary>
internal sealed class FaultSpans
{
    private static readonly string[] Names = ["fault", "anomaly", "label"];

    private readonly List<(DateTime From, DateTime To)> _spans;
    private int _at;

    private FaultSpans(List<(DateTime From, DateTime To)> spans) => _spans = spans;

    /// <param name="history">The stored events and labels.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="anomaliesFrom">Anomalies that opened before this time do not count, UTC.</param>
    /// <exception cref="InputException">The history cannot be read.</exception>
    internal static FaultSpans Of(History history, string stream, DateTime anomaliesFrom)
    {
        List<(DateTime From, DateTime To)> spans =
            [.. history.Labels(stream, DateTime.MinValue, DateTime.MaxValue).Select(label => (label.From, label.To))];
        var open = new Dictionary<string, DateTime>();
        foreach (HistoryEvent each in history.Events(stream, anomaliesFrom, DateTime.MaxValue).Where(each => !each.IsLimit))
        {
            if (each.Change == "opened")
            {
                open[each.Id] = each.Time;
            }
            else if (each.Change is "closed" or "silenced" or "accepted" && open.Remove(each.Id, out DateTime from)
                && each.Change != "accepted")
            {
                spans.Add((from, each.Time));
            }
        }

        spans.AddRange(open.Values.Select(from => (from, DateTime.MaxValue)));
        spans.Sort();
        return new FaultSpans(spans);
    }

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
