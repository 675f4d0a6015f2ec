using System.Runtime.InteropServices;

namespace Edge.Sensors.Timing;

/// <summary>State of the operating system's clocks beyond the time.</summary>
/// <param name="Suspended">How long the machine has slept since it started: monotonic time leaves that out.</param>
/// <param name="IsSet">Whether the wall clock has been set, by time synchronization or by hand.</param>
internal sealed partial record SystemClock(Func<TimeSpan> Suspended, Func<bool> IsSet)
{
    private const int ClockMonotonic = 1;
    private const int ClockBootTime = 7;

    // adjtimex returns TIME_ERROR while the clock is not synchronized.
    private const int TimeError = 5;

    /// <summary>The clocks of Linux. On other systems the machine counts as never suspended and the clock as set.</summary>
    internal static SystemClock Linux { get; } = new(() => Read(ClockBootTime) - Read(ClockMonotonic), IsSynchronized);

    /// <summary>Blocks for this time, exact to a tenth of a millisecond, where a timer counts milliseconds.</summary>
    internal static void SleepExactly(TimeSpan time)
    {
        try
        {
            var request = new TimeSpec { Nanoseconds = (nint)(time.Ticks * 100) };
            _ = ClockNanoSleep(ClockMonotonic, 0, in request, 0);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            Thread.Sleep(time);
        }
    }

    private static TimeSpan Read(int clock)
    {
        try
        {
            return ClockGetTime(clock, out TimeSpec time) == 0
                ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromTicks(time.Nanoseconds / 100)
                : TimeSpan.Zero;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return TimeSpan.Zero;
        }
    }

    private static bool IsSynchronized()
    {
        try
        {
            // All zero reads without setting; larger than any struct timex.
            Span<byte> timex = stackalloc byte[512];
            timex.Clear();
            return AdjustTime(ref MemoryMarshal.GetReference(timex)) != TimeError;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return true;
        }
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out TimeSpec time);

    [LibraryImport("libc", EntryPoint = "clock_nanosleep")]
    private static partial int ClockNanoSleep(int clock, int flags, in TimeSpec request, nint remain);

    [LibraryImport("libc", EntryPoint = "adjtimex")]
    private static partial int AdjustTime(ref byte timex);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        internal nint Seconds;
        internal nint Nanoseconds;
    }
}
