using System.Text;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>What the tests kill.</summary>
public sealed partial class RowReplayTests
{
    /// <summary>A stream with its store, as the service has them, beside one that is never killed.</summary>
    private sealed class Run : IDisposable
    {
        private readonly string _root;
        private readonly Random _random;
        private readonly StillClock _clock = new();
        private readonly Greenhouse _plant = new(3);
        private readonly double[] _values = new double[4];
        private readonly byte[] _model = File.ReadAllBytes(
            RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        private readonly List<byte[]> _models = [];
        private readonly TickRows _rows;
        private readonly Reading _reading = new(4);
        private readonly Reading _same = new(4);
        private readonly List<long> _waiting = [];
        private HashSet<long> _mayComeAgain = [];
        private HashSet<long> _mayComeAgainIfTorn = [];
        private readonly Dictionary<long, byte[]> _states = [];
        private readonly StringBuilder _trace = new();
        private SensorStream _unbroken;
        private SensorStream _stream;
        private StateStore _store;
        private Outbox _outbox = null!;
        private TickCommitter _committer;
        private int _folders;
        private bool _isLastRow;

        internal Run(string root, int seed)
        {
            _root = root;
            _random = new Random(seed);
            _models.Add(_model);
            _unbroken = New();
            _stream = New();
            _rows = new TickRows(_stream.Manifest.Columns);
            (_store, _committer) = Open();
            CommitAsync(isStateChanged: true).GetAwaiter().GetResult();
        }

        internal string Folder => Path.Combine(_root, $"{_folders}");

        internal bool NeedsSnapshot => _store.NeedsSnapshot("s");

        public void Dispose()
        {
            _committer.Dispose();
            _store.Dispose();
            _unbroken.Dispose();
            _stream.Dispose();
            Directory.Delete(_root, recursive: true);
        }

        internal async Task ToEndAsync(int actions)
        {
            for (int i = 0; i < actions; i++)
            {
                int action = _random.Next(40);
                _isLastRow &= action is 6 or 7;
                switch (action)
                {
                    case 0:
                        var time = TimeSpan.FromSeconds(_random.Next(1, 60));
                        await ActAsync(stream => stream.Silence(time));
                        break;
                    case 1:
                        double rate = _random.Next(2) == 0 ? 10_000 : 0.001;
                        await ActAsync(stream => stream.SetSensitivity(rate));
                        break;
                    case 2:
                        await SwapAsync();
                        break;
                    case 3:
                        await ResetAsync();
                        break;
                    case 4:
                        await ActAsync(stream => stream.BeginCanary(Engine(), 10));
                        break;
                    case 5:
                        // Messages that belong to no row.
                        await CommitAsync();
                        break;
                    case 6 or 7:
                        KillAndContinue(isTorn: _random.Next(3) == 0);
                        await CommitAsync(isStateChanged: true);
                        break;
                    case 8:
                        _store.Retire();
                        break;
                    case 9 or 10 when _waiting.Count > 0:
                        Deliver(_random.Next(1, _waiting.Count + 1));
                        break;
                    case 11:
                        _clock.Elapsed += TimeSpan.FromMinutes(_random.Next(1, 12));
                        break;
                    default:
                        await TickAsync();
                        break;
                }

                _trace.Append($" {action}@{_stream.Seq}");
                Assert.True(_unbroken.Save().AsSpan().SequenceEqual(_stream.Save()), _trace.ToString());
            }
        }

        internal async Task TickAsync()
        {
            NextRow();
            Step();
            await CommitAsync();
        }

        internal async Task TickRefusedAsync()
        {
            // A folder stands where the next file of the log is to be.
            _clock.Elapsed += TimeSpan.FromMinutes(11);
            await TickAsync();
            _store.Retire();
            string next = Path.Combine(Folder, $"edge.rows-{RowLog.Files(Folder)[^1].Number + 1:00000000}");
            Directory.CreateDirectory(next);
            NextRow();
            Step();
            await CommitAsync();
            Directory.Delete(next);
        }

        internal SavedStream Kill(Action<Span<byte>>? change = null, bool isLogGone = false) => Kill(isTorn: false, change, isLogGone);

        internal async Task<SavedStream> StopAsync()
        {
            await _committer.CompleteAsync();
            _committer.StoreState(_stream);
            _store.Dispose();
            (_store, _committer) = Open();
            return _store.Load("s")!;
        }

        private void KillAndContinue(bool isTorn)
        {
            long last = _stream.Seq;
            SavedStream saved = Kill(isTorn, null, isLogGone: false);
            _stream.Dispose();
            _stream = New();
            Assert.True(_stream.Resume(saved.Stepped, saved.Snapshot));
            _stream.Replay(StoredRows.Fill(saved.Rows, 4), saved.Seq);

            // A restart ends what a command has set until then.
            _unbroken.EndSensitivity();
            long stepped = saved.Stepped + saved.Rows.Count;
            Assert.InRange(stepped, last - (isTorn ? 1 : 0), last);
            Assert.True(isTorn || saved.Seq == last);
            _stream.Replay([], stepped);
            if (stepped < last)
            {
                // The last write was not complete: its tick comes again.
                _unbroken.Dispose();
                _unbroken = New();
                Assert.True(_unbroken.Resume(last - 1, _states[last - 1]));
                _waiting.RemoveAll(seq => seq == last);
                _mayComeAgain.UnionWith(_mayComeAgainIfTorn);
            }

            // A canary would continue once its model is offered again; here none is.
            foreach (SensorStream stream in new[] { _stream, _unbroken })
            {
                stream.BeginCanary(Engine(), 10);
                stream.EndCanary()!.Dispose();
            }

            long[] again = [.. _store.Read(0, 10_000).Messages.Select(message => message.Seq)];
            Assert.Equal(again.Distinct(), again);
            Assert.Equal(_waiting, again.Except(_mayComeAgain));
            _waiting.Clear();
            _waiting.AddRange(again);
        }

        // What a kill leaves: the files as they are; torn, if it was in the middle of the last write.
        private SavedStream Kill(bool isTorn, Action<Span<byte>>? change, bool isLogGone)
        {
            string from = Folder;
            _folders++;
            Directory.CreateDirectory(Folder);
            IEnumerable<string> files = new[] { "edge.db", "edge.db-wal", "edge.numbers" }
                .Concat(isLogGone ? [] : RowLog.Files(from).Select(file => Path.GetFileName(file.Path)));
            foreach (string file in files)
            {
                File.Copy(Path.Combine(from, file), Path.Combine(Folder, file));
            }

            if (RowLog.Files(Folder) is [.., var (_, path)])
            {
                byte[] log = File.ReadAllBytes(path);
                Span<byte> records = log.AsSpan(0, log.AsSpan().LastIndexOfAnyExcept((byte)0) + 1);
                change?.Invoke(records);
                int torn = isTorn && _isLastRow ? _random.Next(1, 20) : 0;
                records[^torn..].Clear();
                File.WriteAllBytes(path, torn > 0 && _random.Next(2) == 0 ? records[..^torn] : log);
            }

            _committer.Dispose();
            _store.Dispose();
            (_store, _committer) = Open();
            return _store.Load("s")!;
        }

        private void NextRow()
        {
            _plant.Step(_values);
            _reading.Time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(0.2 * _stream.Seq);
            _reading.SkippedTicks = _random.Next(20) == 0 ? _random.Next(1, 2000) : 0;
            _reading.ClockJump = _random.Next(30) == 0 ? TimeSpan.FromSeconds(_random.Next(-5000, 5000)) : TimeSpan.Zero;
            _reading.ClockIsUnset = _random.Next(10) == 0;
            bool isOff = _random.Next(4) == 0;
            for (int i = 0; i < 4; i++)
            {
                _reading.Values[i] = _random.Next(3) switch
                {
                    0 => Math.Round(_values[i], 2),
                    1 => (float)_values[i],
                    _ => _values[i],
                } + (isOff ? 50 : 0);
                _reading.Quality[i] = _random.Next(15) == 0 ? (Quality)_random.Next(6) : Quality.Good;
                if (_random.Next(100) == 0)
                {
                    _reading.Values[i] = double.NaN;
                }
            }
        }

        private void Step()
        {
            _same.Time = _reading.Time;
            (_same.SkippedTicks, _same.ClockJump, _same.ClockIsUnset) =
                (_reading.SkippedTicks, _reading.ClockJump, _reading.ClockIsUnset);
            _reading.Values.CopyTo(_same.Values, 0);
            _reading.Quality.CopyTo(_same.Quality, 0);
            _rows.Add(_reading);
            _rows.Complete(_stream.Step(_reading), _stream.AnomalyScore);
            _unbroken.Step(_same);
        }

        private async Task ActAsync(Action<SensorStream> action)
        {
            action(_stream);
            action(_unbroken);
            await CommitAsync(isStateChanged: true);
        }

        private async Task SwapAsync()
        {
            _models.Add(ModelVariant.Of(_model, _models.Count));
            _stream = _stream.WithEngine(Engine());
            _unbroken = _unbroken.WithEngine(Engine());
            await CommitAsync(isStateChanged: true);
        }

        private async Task ResetAsync()
        {
            long seq = _stream.Seq;
            _stream.Dispose();
            _unbroken.Dispose();
            (_stream, _unbroken) = (New(), New());
            Assert.False(_stream.Resume(seq, []));
            Assert.False(_unbroken.Resume(seq, []));
            await CommitAsync(isStateChanged: true);
        }

        private async Task CommitAsync(bool isStateChanged = false)
        {
            _rows.IsStateChanged = isStateChanged;
            long before = _states.Count;
            bool hasRow = _rows.Count > 0;
            MqttMessage[] messages = _rows.Count == 0 ? [] : [Message(_stream.Seq)];
            while (_outbox.TryDequeue(out _))
            {
                // In flight: the broker has not acknowledged it.
            }

            await _committer.CommitAsync(_stream, _rows, messages, canWait: true, default);
            (_mayComeAgainIfTorn, _mayComeAgain) = (_mayComeAgain, []);
            _isLastRow = hasRow && !_store.IsLogOnDisk;
            if (messages.Length > 0)
            {
                _waiting.Add(_stream.Seq);
            }

            _rows.Clear();
            _states[_stream.Seq] = _unbroken.Save();
            Assert.True(_states.Count >= before);
        }

        // The broker acknowledges the oldest messages. What the next record says is what a kill leaves.
        private void Deliver(int count)
        {
            List<MqttMessage> messages = _store.Read(0, count).Messages;
            _store.Delivered(messages[^1].Id);
            foreach (MqttMessage message in messages)
            {
                Assert.Equal(_waiting[0], message.Seq);
                _mayComeAgain.Add(_waiting[0]);
                _waiting.RemoveAt(0);
            }
        }

        private Int8Engine Engine() => new(Edge.Inference.Models.EdgeModel.Parse(_models[^1]));

        private SensorStream New() => new(Engine(), new StreamOptions { Name = "s" });

        private (StateStore Store, TickCommitter Committer) Open()
        {
            var store = StateStore.Open(
                Folder, TimeSpan.FromHours(1), TimeSpan.FromDays(7), _clock, "boot", NullLogger.Instance);
            _outbox = new Outbox(1 << 30, store);
            var committer = new TickCommitter(
                store, _outbox, new Dictionary<string, string> { ["s"] = "source" }, _clock, NullLogger.Instance);
            return (store, committer);
        }

        /// <summary>A clock that moves only when it is told to, and fires no timer: nothing happens beside the test.</summary>
        private sealed class StillClock : TimeProvider
        {
            internal TimeSpan Elapsed { get; set; } = TimeSpan.FromDays(1);

            public override long TimestampFrequency => TimeSpan.TicksPerSecond;

            public override long GetTimestamp() => Elapsed.Ticks;

            public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddYears(56) + Elapsed;

            public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
                System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        private static MqttMessage Message(long seq) => new()
        {
            Topic = "edge/d/s/reading",
            Payload = Encoding.UTF8.GetBytes($"tick {seq}"),
            Class = MessageClass.Event,
            Seq = seq,
        };
    }
}
