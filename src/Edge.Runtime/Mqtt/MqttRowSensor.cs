using System.Text.Json;
using System.Threading.Channels;
using Edge.Inference;
using Edge.Sensors;
using Edge.Sensors.Timing;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Rows from the messages of one topic, each a row or a list of rows, in its own session: a message is acknowledged when its rows are
/// committed. The broker keeps messages while this process does not run. If messages carry their time, a repeated message is detected by
/// it, so that each is processed exactly once, and rows from the future are doubted (<see cref="RowTimeGuard"/>).
/// </summary>
internal sealed class MqttRowSensor : ISensor
{
    // Rows of one message; more do not fit into a message of the largest size.
    private const int RowsMax = 10_000;

    private readonly MqttRowOptions _config;
    private readonly JsonValues _values;
    private readonly JsonPath? _time;
    private readonly JsonPath? _list;
    private readonly TimeReader _times;
    private readonly ZoneHint _zone;
    private readonly RowTimeGuard _guard;
    private readonly TimeSpan _period;
    private readonly TimeProvider _clock;
    private readonly SystemClock _system;
    private readonly ILogger _log;
    private readonly LogLimit _skipLimit;
    private readonly Func<MqttSubscriber> _connect;
    private readonly Channel<Arrival> _arrivals = System.Threading.Channels.Channel.CreateBounded<Arrival>(1);
    private readonly Func<JsonElement, string?> _readRow;
    private readonly LinkedList<RowPart> _ready = new();
    private readonly List<RowPart> _doubted = [];
    private MqttSubscriber? _input;
    private Arrival? _taken;
    private Reading? _row;
    private RowPart _part;
    private RowTimeVerdict _verdict;
    private DateTime _lastTime;
    private long _skipped;

    /// <param name="config">Topic, and where in its messages the values and the time are.</param>
    /// <param name="columns">The model's columns.</param>
    /// <param name="period">Time from row to row, by which a gap is known.</param>
    /// <param name="clock">Time of rows that carry none.</param>
    /// <param name="system">Whether the clock is set.</param>
    /// <param name="connect">Connects, at the first read.</param>
    /// <param name="log">Logs messages that are not a row.</param>
    /// <exception cref="InputException">The configuration names a column that the model does not have.</exception>
    internal MqttRowSensor(
        MqttRowOptions config,
        IReadOnlyList<string> columns,
        TimeSpan period,
        TimeProvider clock,
        SystemClock system,
        Func<MqttSubscriber> connect,
        ILogger log)
    {
        _config = config;
        _values = new JsonValues(config.Values, columns, config.Numbers);
        _time = config.TimePath is { } timePath ? JsonPath.Parse(timePath) : null;
        _list = config.RowsPath is { } rowsPath ? JsonPath.Parse(rowsPath) : null;
        _times = new TimeReader(config.Times);
        _zone = new ZoneHint(config.Topic, log);
        _guard = new RowTimeGuard(clock, period);
        _period = period;
        _clock = clock;
        _system = system;
        _connect = connect;
        _log = log;
        _skipLimit = new LogLimit(clock);
        _readRow = ReadRow;
    }

    public SourceKind Kind => SourceKind.Queued;

    public long SkippedRows => Interlocked.Read(ref _skipped) + (_input?.Dropped ?? 0);

    public string? LastSkip { get; private set; }

    public void Resume(long rows, DateTime lastTime)
    {
        _lastTime = lastTime;
        _guard.Resume(lastTime);
    }

    public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        if (_input is null)
        {
            _input = _connect();
            _input.Subscribe(_config.Topic, TakeAsync);
        }

        while (true)
        {
            while (_ready.First is { } next)
            {
                _ready.RemoveFirst();
                if (TryRead(next.Value, into))
                {
                    return true;
                }
            }

            Acknowledge();
            _taken = await _arrivals.Reader.ReadAsync(cancel).ConfigureAwait(false);
            Unpack(_taken.Payload);
        }
    }

    public void Committed()
    {
        if (_ready.Count == 0)
        {
            Acknowledge();
        }
    }

    /// <summary>An uncommitted row is not acknowledged, so the broker sends it again.</summary>
    public void Dispose()
    {
        _arrivals.Writer.TryComplete();

        // Before the link learns that a message was not accepted, which it would report as a loss.
        _input?.Dispose();
        while (_arrivals.Reader.TryRead(out Arrival? waiting))
        {
            waiting.Done.SetResult(false);
        }

        _taken?.Done.SetResult(false);
        _taken = null;
    }

    private void Acknowledge()
    {
        _taken?.Done.SetResult(true);
        _taken = null;
    }

    // A retained message is a row from before this session.
    private async ValueTask<bool> TakeAsync(MqttReceived message)
    {
        if (message.Retain)
        {
            return true;
        }

        var arrival = new Arrival(message.Payload, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _arrivals.Writer.TryWrite(arrival) && await arrival.Done.Task.ConfigureAwait(false);
    }

    private void Unpack(ReadOnlyMemory<byte> payload)
    {
        if (_list is null)
        {
            _ready.AddLast(new RowPart(payload, 0));
            return;
        }

        string? problem = MqttPayload.Read(payload, root =>
        {
            if (!_list.TryFind(root, out JsonElement rows) || rows.ValueKind != JsonValueKind.Array)
            {
                return $"a message came without the list of rows ({_config.RowsPath})";
            }

            for (int i = 0; i < Math.Min(rows.GetArrayLength(), RowsMax); i++)
            {
                _ready.AddLast(new RowPart(payload, i));
            }

            return null;
        });
        if (problem is not null)
        {
            Skip(problem);
        }
    }

    private bool TryRead(RowPart part, Reading into)
    {
        (_row, _part, _verdict) = (into, part, RowTimeVerdict.Believed);
        string? why = MqttPayload.Read(part.Payload, _readRow);
        if (_verdict == RowTimeVerdict.Confirmed)
        {
            // The doubted rows first, then this one.
            Interlocked.Add(ref _skipped, -_doubted.Count);
            _ready.AddFirst(part);
            foreach (RowPart doubted in Enumerable.Reverse(_doubted))
            {
                _ready.AddFirst(doubted);
            }

            _doubted.Clear();
            _guard.BelieveDoubted();
            _log.LogWarning(
                "Topic '{Topic}': {Count} rows agree with each other and not with the clock here, and are used. Check both clocks",
                _config.Topic,
                RowTimeGuard.ConfirmingRows);
            return false;
        }

        if (why is null)
        {
            _doubted.Clear();
            return true;
        }

        Skip(why);
        return false;
    }

    // Why the message is not a usable row, or null.
    private string? ReadRow(JsonElement root)
    {
        if (_list is not null && _list.TryFind(root, out JsonElement rows))
        {
            root = rows[_part.Index];
        }

        DateTime now = _clock.GetUtcNow().UtcDateTime;
        DateTime time = now;
        if (_time is not null)
        {
            if (!_time.TryFind(root, out JsonElement stamp))
            {
                return MqttPayload.NoTime(_time);
            }

            DateTime expected = _guard.Last == default ? now : _guard.Last + _period;
            if (MqttPayload.Time(stamp, _times, expected, out time) is { } problem)
            {
                return $"a message came whose time cannot be read: {problem}";
            }

            _zone.Note(_times, time, now);
            if (Judge(time) is { } doubt)
            {
                return doubt;
            }
        }

        _values.Read(root, _row!);
        _row!.Time = time;
        _row.ClockIsUnset = _time is null && !_system.IsSet();
        _row.SkippedTicks = _lastTime == default ? 0 : Math.Max(0, (long)Math.Round((time - _lastTime) / _period) - 1);
        _lastTime = time;
        return null;
    }

    private string? Judge(DateTime time)
    {
        _verdict = _guard.Judge(time);
        if (_verdict is RowTimeVerdict.Believed)
        {
            return null;
        }

        if (_verdict == RowTimeVerdict.Doubted)
        {
            // Rows before it did not agree with it.
            if (!_guard.IsAgreeing)
            {
                _doubted.Clear();
            }

            _doubted.Add(_part);
        }

        return _guard.Reason(_verdict, time);
    }

    private void Skip(string why)
    {
        Interlocked.Increment(ref _skipped);
        LastSkip = why;
        if (_skipLimit.Allows(out string more))
        {
            _log.LogWarning("Topic '{Topic}': skipped: {Why}{More}", _config.Topic, why, more);
        }
    }

    private sealed record Arrival(ReadOnlyMemory<byte> Payload, TaskCompletionSource<bool> Done);

    // One row: a message, or an element of its list.
    private readonly record struct RowPart(ReadOnlyMemory<byte> Payload, int Index);
}
