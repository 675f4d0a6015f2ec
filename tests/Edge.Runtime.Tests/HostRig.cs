using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>
/// A host over streams of the bundled model, whose source or commit throws at given rows; commits are kept as a store would.
/// </summary>
internal sealed class HostRig : IDisposable
{
    private readonly Queue<int> _failAt;
    private readonly Queue<int> _failCommitAt;
    private readonly bool _isLive;
    private byte[] _snapshot = [];
    private long _seq;

    internal HostRig(TimeProvider clock, bool isLive, int[] failAt, params int[] failCommitAt)
    {
        _failAt = new Queue<int>(failAt);
        _failCommitAt = new Queue<int>(failCommitAt);
        _isLive = isLive;
        Host = new StreamHost((_, reset) => Open(clock, reset), () => { }, clock, NullLogger.Instance);
    }

    internal StreamHost Host { get; }

    internal CancellationTokenSource Stop { get; } = new();

    internal List<long> Seqs { get; } = [];

    /// <summary>Events that were committed.</summary>
    internal List<HistoryEvent> Events { get; } = [];

    internal int Resets { get; private set; }

    public void Dispose()
    {
        Host.Dispose();
        Stop.Dispose();
    }

    internal async Task RunAsync(FakeTimeProvider clock, Func<bool> until)
    {
        Task<bool> running = Task.Run(() => Host.RunAsync(Stop.Token));
        await Eventually.Async(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            return until();
        });
        await Stop.CancelAsync();
        Assert.True(await running);
    }

    private StreamLoop Open(TimeProvider clock, bool reset)
    {
        Resets += reset ? 1 : 0;
        var config = new StreamConfig { Name = "climate", Model = "demo", Source = new SimulatedOptions() };
        var stream = new SensorStream(EngineFactory.LoadInt8("demo"), config);
        Assert.Equal(!reset && _snapshot.Length > 0, stream.Resume(_seq, reset ? [] : _snapshot));
        var sensor = new FaultySensor(_isLive, () => _seq, _failAt);
        return new StreamLoop("house", stream, sensor, config.Publish, TimeSpan.FromDays(1), Commit, clock, NullLogger.Instance);
    }

    private ValueTask Commit(
        SensorStream stream, TickRows rows, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel)
    {
        if (_failCommitAt.TryPeek(out int at) && stream.Seq >= at)
        {
            _failCommitAt.Dequeue();
            throw new InvalidOperationException("a store's bug");
        }

        _snapshot = stream.Save();
        Events.AddRange(new LogRecord("climate", rows.ToCommitted(), [], 0, 0).UnpackEvents());
        if (stream.Seq > _seq)
        {
            Seqs.Add(stream.Seq);
        }

        _seq = stream.Seq;
        return ValueTask.CompletedTask;
    }

    private sealed class FaultySensor(bool isLive, Func<long> seq, Queue<int> failAt) : ISensor
    {
        public SourceKind Kind => isLive ? SourceKind.Live : SourceKind.Recorded;

        public void Resume(long rows, DateTime lastTime)
        {
        }

        public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
        {
            await Task.Delay(1, cancel);
            if (failAt.TryPeek(out int at) && seq() >= at - 1)
            {
                failAt.Dequeue();
                throw new InvalidOperationException("a driver's bug");
            }

            into.Time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(0.2 * seq());
            for (int i = 0; i < into.Values.Length; i++)
            {
                into.Values[i] = 20 + (0.1 * i);
                into.Quality[i] = Quality.Good;
            }

            return true;
        }

        public void Dispose()
        {
        }
    }
}
