using System.Runtime.InteropServices;
using Edge.Cluster.Storage;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Limits;

namespace Edge.Cluster.Pipeline;

/// <summary>One stream in the memory of a worker: the pipeline of a device, its payloads, and what was stored of it last.</summary>
internal sealed class ClusterStream : IDisposable
{
    // Readings and forecasts expire as those of a device do.
    private static readonly TimeSpan Expiry = new Edge.Runtime.Delivery.OutboxOptions().AgeMax;

    // The state is stored when it has had this many rows since, and up to as many more: not all streams in the same batch.
    private const int RowsPerStateMin = 24;

    private readonly StreamRule _rule;
    private readonly BatchedEngine _engine;
    private readonly StreamPayloads _payloads;
    private readonly RowTail _tail;
    private int _rowsPerState;
    private long _storedSeq;

    /// <param name="key">Device and stream.</param>
    /// <param name="device">The device.</param>
    /// <param name="name">The stream.</param>
    /// <param name="model">The model of its rule.</param>
    /// <param name="stored">What is stored of it; null for a new one.</param>
    internal ClusterStream(string key, string device, string name, PartitionModel model, StoredState? stored)
    {
        Key = key;
        Model = model;
        _rule = model.Rule;
        _engine = model.Batch.NewEngine();

        // Without a log: thousands of streams would fill it, and health and events say the same.
        Stream = new SensorStream(_engine, _rule.Options with { Name = name });
        _payloads = new StreamPayloads(device, Stream, _rule.Publish, Expiry);
        _tail = new RowTail(Stream.Manifest.Columns.Count);
        if (stored is not null)
        {
            Restore(stored);
        }
    }

    internal string Key { get; }

    internal PartitionModel Model { get; }

    internal SensorStream Stream { get; }

    /// <summary>Time of the last row that was accepted; the default before the first.</summary>
    internal DateTime LastTime { get; private set; }

    /// <summary>Number of that row; 0 if rows have none.</summary>
    internal long LastNumber { get; private set; }

    /// <summary>Batch in which it had its last row.</summary>
    internal long UsedIn { get; set; }

    /// <summary>When it had its last row, by the clock of the worker.</summary>
    internal long UsedAt { get; set; }

    /// <summary>Rows of the current batch that have a round already.</summary>
    internal int RowsInBatch { get; set; }

    /// <summary>Whether a row is the last accepted one again, or an older one.</summary>
    internal bool Knows(DateTime time, long number) =>
        LastTime != default && (time < LastTime || (time == LastTime && number <= LastNumber));

    /// <summary>Accepts a row: later ones must be newer.</summary>
    internal void Accept(Reading row, long number)
    {
        row.SkippedTicks = LastTime == default
            ? 0
            : Math.Max(0, (long)Math.Round((row.Time - LastTime) / Stream.Period) - 1);
        LastTime = row.Time;
        LastNumber = number;
        _tail.Add(row);
    }

    /// <summary>What a device publishes when the stream begins.</summary>
    internal void RenderBegin(List<MqttMessage> into)
    {
        into.Add(_payloads.AnomalyState(Stream.IsAnomalyOpen));
        if (Stream.Limits.Count > 0)
        {
            into.Add(_payloads.LimitStates(Stream.Limits));
        }
    }

    /// <summary>
    /// What a device publishes of a tick. Health comes with the first tick and when a quality changes, not every minute: the same rows
    /// give the same messages, whatever the clock says.
    /// </summary>
    internal void Render(StreamTick tick, List<MqttMessage> into)
    {
        _payloads.Render(tick, into);
        if (_rule.Publish.Scores)
        {
            into.Add(_payloads.Score(tick.Seq, tick.Reading.Time, Stream));
        }

        if (tick.Limits.Count > 0)
        {
            into.Add(_payloads.LimitStates(Stream.Limits));
        }

        if (tick.QualityChanged || tick.Seq == 1)
        {
            into.Add(_payloads.Health(tick.Seq, tick.Reading, Stream.Health, 0, null));
        }
    }

    /// <summary>The stream as it is to be stored: now and then with its state, else with the rows since then.</summary>
    internal StoredState Save()
    {
        bool isDue = _tail.Count >= _rowsPerState;
        if (isDue)
        {
            _tail.Clear();
            _rowsPerState = RowsPerStateMin + Random.Shared.Next(RowsPerStateMin);
        }

        return new StoredState(Key, _storedSeq, Stream.Seq, LastTime, LastNumber, isDue ? SaveState() : [], _tail.ToArray());
    }

    /// <summary>Notes that what <see cref="Save"/> gave is stored.</summary>
    internal void Stored() => _storedSeq = Stream.Seq;

    public void Dispose()
    {
        _payloads.Dispose();
        Stream.Dispose();
    }

    private byte[] SaveState()
    {
        long[] counts = _engine.Counts;
        byte[] state = Stream.Save();
        byte[] bytes = new byte[(counts.Length * sizeof(long)) + state.Length];
        MemoryMarshal.AsBytes<long>(counts).CopyTo(bytes);
        state.CopyTo(bytes, counts.Length * sizeof(long));
        return bytes;
    }

    private void Restore(StoredState stored)
    {
        long[] counts = _engine.Counts;
        int countBytes = counts.Length * sizeof(long);
        ReadOnlySpan<byte> state = stored.State.Length >= countBytes ? stored.State.AsSpan(countBytes) : default;
        if (_tail.TryLoad(stored.Tail) && Stream.Resume(stored.Seq - _tail.Count, state))
        {
            MemoryMarshal.Cast<byte, long>(stored.State.AsSpan(0, countBytes)).CopyTo(counts);
            _engine.Counts = counts;
            _rowsPerState = RowsPerStateMin + Random.Shared.Next(RowsPerStateMin);
            if (_tail.Count > 0)
            {
                Stream.Replay(_tail.Rows(), stored.Seq);
            }
        }
        else
        {
            // Another model: the stream begins again with it, keeps its numbers, and is stored at once.
            _tail.Clear();
            _rowsPerState = 0;
            Stream.Resume(stored.Seq, default);
        }

        _storedSeq = stored.Seq;
        LastTime = stored.Time;
        LastNumber = stored.Number;
    }
}
