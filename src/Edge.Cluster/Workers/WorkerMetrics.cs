using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Edge.Cluster.Workers;

/// <summary>The counters of a worker, for Prometheus and OpenTelemetry.</summary>
internal sealed class WorkerMetrics : IDisposable
{
    internal const string Name = "edge.cluster";

    private static readonly double[] Seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

    private readonly Counter<long> _rows;
    private readonly Counter<long> _duplicates;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _messages;
    private readonly Counter<long> _taken;
    private readonly Counter<long> _lost;
    private readonly Counter<long> _outages;
    private readonly Histogram<double> _step;
    private readonly Histogram<double> _commit;
    private readonly Histogram<double> _publish;

    /// <param name="held">Partitions held now.</param>
    /// <param name="streams">Streams in memory now.</param>
    /// <param name="lags">How far each held partition lags behind.</param>
    internal WorkerMetrics(Func<int> held, Func<int> streams, Func<IEnumerable<PartitionLag>> lags)
    {
        var histogram = new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds };
        _rows = Meter.CreateCounter<long>("edge.cluster.rows", null, "Rows that were used.");
        _duplicates = Meter.CreateCounter<long>("edge.cluster.duplicates", null, "Rows that had come before.");
        _refused = Meter.CreateCounter<long>("edge.cluster.refused", null, "Rows that could not be used.");
        _messages = Meter.CreateCounter<long>("edge.cluster.messages", null, "Messages that were published.");
        _taken = Meter.CreateCounter<long>("edge.cluster.taken", null, "Partitions that were taken.");
        _lost = Meter.CreateCounter<long>("edge.cluster.lost", null, "Commits that failed because another worker had the partition.");
        _outages = Meter.CreateCounter<long>("edge.cluster.outages", null, "Batches that were begun again after an outage.");
        _step = Meter.CreateHistogram("edge.cluster.batch.step", "s", "Loading, stepping and rendering a batch.", null, histogram);
        _commit = Meter.CreateHistogram("edge.cluster.batch.commit", "s", "Committing a batch.", null, histogram);
        _publish = Meter.CreateHistogram("edge.cluster.batch.publish", "s", "Publishing a batch.", null, histogram);
        Meter.CreateObservableGauge("edge.cluster.partitions", held, null, "Partitions held.");
        Meter.CreateObservableGauge("edge.cluster.streams", streams, null, "Streams in memory.");
        Meter.CreateObservableGauge(
            "edge.cluster.waiting",
            () => lags().Select(lag => new Measurement<long>(lag.Waiting, Tag(lag))),
            null,
            "Rows of a held partition that no worker has fetched yet.");
        Meter.CreateObservableGauge(
            "edge.cluster.row.age",
            () => lags().Where(lag => lag.RowAge is not null)
                .Select(lag => new Measurement<double>(lag.RowAge!.Value.TotalSeconds, Tag(lag))),
            "s",
            "Time since the newest committed row of a held partition was measured.");
    }

    /// <summary>One trace a batch: <c>batch</c>, and in it <c>step</c>, <c>commit</c> and <c>publish</c>.</summary>
    internal static ActivitySource Traces { get; } = new(Name);

    internal Meter Meter { get; } = new(Name);

    internal void Took() => _taken.Add(1);

    internal void Lost() => _lost.Add(1);

    internal void Outage() => _outages.Add(1);

    internal void Batch(int rows, int duplicates, int refused, int messages, TimeSpan step, TimeSpan commit, TimeSpan publish)
    {
        _rows.Add(rows);
        _duplicates.Add(duplicates);
        _refused.Add(refused);
        _messages.Add(messages);
        _step.Record(step.TotalSeconds);
        _commit.Record(commit.TotalSeconds);
        _publish.Record(publish.TotalSeconds);
    }

    public void Dispose() => Meter.Dispose();

    private static KeyValuePair<string, object?> Tag(PartitionLag lag) => new("partition", lag.Partition);
}
