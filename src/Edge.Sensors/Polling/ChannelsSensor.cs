using Edge.Sensors.Timing;
using Edge.Streams;

namespace Edge.Sensors.Polling;

/// <summary>
/// Live channels as rows: at every tick the devices are read, each bus on its own thread. The row closes when the devices
/// that usually answer have answered, or after half a period. Values that arrived by themselves since the last tick are included.
/// A device that fails or hangs affects its own channels only.
/// </summary>
internal sealed class ChannelsSensor : ISensor
{
    private static readonly TimeSpan AnswerWaitMax = TimeSpan.FromSeconds(2);

    // Ticks count from one.
    private const long NoTick = 0;

    // A smaller difference is a slewed clock or a busy machine, not a clock that was set.
    private static readonly TimeSpan JumpMin = TimeSpan.FromSeconds(1);
    private const double JumpMinShare = 0.001;

    // Suspended time is the difference of two clocks that are read one after the other.
    private static readonly TimeSpan SleepMin = TimeSpan.FromMilliseconds(100);

    private readonly Channel[] _channels;
    private readonly Ticker _ticker;
    private readonly TimeSpan _period;
    private readonly TimeProvider _clock;
    private readonly SystemClock _system;
    private readonly List<DevicePoller> _onTick = [];
    private readonly List<(DevicePoller Device, ITimer Timer)> _onTimer = [];
    private readonly List<IDisposable> _feeds = [];
    private readonly Lock _gate = new();
    private TaskCompletionSource _answered = new();
    private ITimer? _patience;
    private int _unanswered;
    private long _tick;
    private long _lastTimestamp;
    private DateTime _lastTime;
    private TimeSpan _suspended;
    private RestartGap _gap;

    internal ChannelsSensor(Channel[] channels, Ticker ticker, TimeSpan period, TimeProvider clock, SystemClock system)
    {
        _channels = channels;
        _ticker = ticker;
        _period = period;
        _clock = clock;
        _system = system;
        _suspended = system.Suspended();
    }

    public SourceKind Kind => _ticker.HasPeriod ? SourceKind.Live : SourceKind.Triggered;

    /// <summary>Adds a device that is read at every tick, or at its own interval.</summary>
    internal void Add(PolledDevice device, Channel[] channels, TimeSpan? every, BusThread bus)
    {
        var poller = new DevicePoller(device, channels, bus, _clock, Answered);
        if (every is not { } interval)
        {
            _onTick.Add(poller);
            return;
        }

        ITimer timer = _clock.CreateTimer(_ => PollAlone(poller), null, interval, interval);
        _onTimer.Add((poller, timer));
    }

    /// <summary>Adds a feed that fills channels by itself; it is disposed with this object.</summary>
    internal void Add(IDisposable feed) => _feeds.Add(feed);

    /// <summary>A live source cannot repeat readings: it reports the gap.</summary>
    public void Resume(long rows, DateTime lastTime) => _gap.Note(lastTime);

    public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        long lost = await _ticker.NextAsync(cancel).ConfigureAwait(false);
        Stamp(into, lost);

        // From here on the tick is committed: its devices answer or are late within two seconds.
        await AskAsync().ConfigureAwait(false);
        for (int i = 0; i < _channels.Length; i++)
        {
            _channels[i].Take(into, i);
        }

        return true;
    }

    public void Dispose()
    {
        _feeds.ForEach(feed => feed.Dispose());
        _onTimer.ForEach(timed =>
        {
            timed.Timer.Dispose();
            timed.Device.Dispose();
        });
        _onTick.ForEach(device => device.Dispose());
        _patience?.Dispose();
        _ticker.Dispose();
    }

    // Wall time is only the timestamp of rows. If it differs from monotonic time, it was set, or the machine slept.
    private void Stamp(Reading into, long lost)
    {
        long timestamp = _clock.GetTimestamp();
        DateTime time = _clock.GetUtcNow().UtcDateTime;
        into.Time = time;
        into.ClockIsUnset = !_system.IsSet();
        into.ClockJump = TimeSpan.Zero;
        into.SkippedTicks = lost;
        if (_lastTime != default)
        {
            TimeSpan slept = _system.Suspended() - _suspended;
            slept = slept < SleepMin ? TimeSpan.Zero : slept;
            _suspended += slept;
            into.SkippedTicks += (long)Math.Round(slept / _period);
            TimeSpan elapsed = _clock.GetElapsedTime(_lastTimestamp, timestamp) + slept;
            TimeSpan jump = time - _lastTime - elapsed;
            TimeSpan jumpMin = JumpMin > elapsed * JumpMinShare ? JumpMin : elapsed * JumpMinShare;
            into.ClockJump = jump.Duration() >= jumpMin ? jump : TimeSpan.Zero;
        }

        into.SkippedTicks = _gap.Take(time, _period) ?? into.SkippedTicks;
        _lastTimestamp = timestamp;
        _lastTime = time;
    }

    private async ValueTask AskAsync()
    {
        BeginTick();
        _onTick.ForEach(Ask);
        if (_tick == 1)
        {
            // The first row also has values of devices that are read at their own interval.
            _onTimer.ForEach(timed => Ask(timed.Device));
        }

        await AnsweredOrLate().ConfigureAwait(false);
        foreach (DevicePoller device in _onTick)
        {
            device.CheckHang();
        }
    }

    private void Ask(DevicePoller device)
    {
        if (!device.TryStart(_tick))
        {
            Answered(_tick);
        }
    }

    private void BeginTick()
    {
        lock (_gate)
        {
            _tick++;
            _unanswered = _onTick.Count + (_tick == 1 ? _onTimer.Count : 0);
            _answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    // A device that has not answered by then is late: its value goes into the next row.
    private Task AnsweredOrLate()
    {
        lock (_gate)
        {
            if (_unanswered == 0)
            {
                return Task.CompletedTask;
            }

            TimeSpan wait = _period / 2 < AnswerWaitMax ? _period / 2 : AnswerWaitMax;
            _patience = _clock.CreateTimer(
                static answered => ((TaskCompletionSource)answered!).TrySetResult(), _answered, wait, Timeout.InfiniteTimeSpan);
            return _answered.Task;
        }
    }

    private void Answered(long tick)
    {
        lock (_gate)
        {
            if (tick == _tick && --_unanswered == 0)
            {
                _patience?.Dispose();
                _answered.TrySetResult();
            }
        }
    }

    private static void PollAlone(DevicePoller poller)
    {
        poller.CheckHang();
        poller.TryStart(NoTick);
    }
}
