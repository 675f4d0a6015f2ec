namespace Edge.Testing;

/// <summary>
/// Time that moves only when the test says so. For tests that move in step with threads, FakeTimeProvider will not do: it fires timers at
/// the end of a move instead of on the way, moves its timestamps along when the wall clock is set, and does not tell whether anybody
/// waits.
/// </summary>
internal sealed class ManualClock : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private TimeSpan _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    internal DateTimeOffset Start { get; init; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Monotonic time since the start.</summary>
    internal TimeSpan Elapsed => _now;

    /// <summary>How far the wall clock was set since the start.</summary>
    internal TimeSpan WallOffset { get; set; }

    public override DateTimeOffset GetUtcNow() => Start + _now + WallOffset;

    public override long GetTimestamp() => _now.Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Whether somebody waits for this very instant; what recurs does not count.</summary>
    internal bool IsAwaited(TimeSpan instant)
    {
        lock (_gate)
        {
            return _timers.Exists(timer => timer.Due == instant && !timer.Recurs);
        }
    }

    /// <summary>Moves on, stopping at each timer that falls due.</summary>
    internal void Advance(TimeSpan by)
    {
        TimeSpan until = _now + by;
        while (true)
        {
            ManualTimer? next;
            lock (_gate)
            {
                next = _timers.Where(timer => timer.Due <= until).MinBy(timer => timer.Due);
                _now = next?.Due is { } due && due > _now ? due : next is null ? until : _now;
                next?.Rearm();
            }

            if (next is null)
            {
                return;
            }

            next.Fire();
        }
    }

    private sealed class ManualTimer(ManualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period;

        internal TimeSpan? Due { get; private set; }

        internal bool Recurs => _period > TimeSpan.Zero;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._gate)
            {
                clock._timers.Remove(this);
                Due = dueTime < TimeSpan.Zero ? null : clock._now + dueTime;
                _period = period;
                if (Due is not null)
                {
                    clock._timers.Add(this);
                }
            }

            return true;
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        internal void Rearm()
        {
            clock._timers.Remove(this);
            Due = _period > TimeSpan.Zero ? Due + _period : null;
            if (Due is not null)
            {
                clock._timers.Add(this);
            }
        }

        internal void Fire() => callback(state);
    }
}
