namespace Edge.Sensors.Timing;

/// <summary>Waits for an instant of monotonic time with one wake-up.</summary>
internal static class Due
{
    // Timers use a coarse clock and may fire one kernel tick early, 4 ms or 1 ms. The rest is slept exactly, which costs one wake-up
    // where a timer may need three.
    private static readonly TimeSpan SleptMax = TimeSpan.FromMilliseconds(6);

    // A timer is set this much early if a millisecond matters, because it may be late by as much.
    private static readonly TimeSpan Early = TimeSpan.FromMilliseconds(2);

    // Task.Delay bounds what it can wait.
    private static readonly TimeSpan DelayMax = TimeSpan.FromDays(1);

    /// <summary>Returns at once if the instant has passed; never before it.</summary>
    /// <param name="clock">Time.</param>
    /// <param name="from">A timestamp of that clock.</param>
    /// <param name="due">The instant, counted from there.</param>
    /// <param name="exact">Whether a millisecond matters; else it may be late by one or two.</param>
    /// <param name="cancel">Cancels the wait.</param>
    internal static async ValueTask WaitAsync(TimeProvider clock, long from, TimeSpan due, bool exact, CancellationToken cancel)
    {
        bool canSleep = clock == TimeProvider.System;
        for (TimeSpan left = due - clock.GetElapsedTime(from); left > TimeSpan.Zero; left = due - clock.GetElapsedTime(from))
        {
            if (canSleep && left <= SleptMax)
            {
                SystemClock.SleepExactly(left);
                continue;
            }

            TimeSpan wait = exact && canSleep ? left - Early : TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds));
            await Task.Delay(wait < DelayMax ? wait : DelayMax, clock, cancel).ConfigureAwait(false);
        }

        cancel.ThrowIfCancellationRequested();
    }
}
