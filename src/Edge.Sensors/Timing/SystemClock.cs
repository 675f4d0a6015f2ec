using System.Runtime.InteropServices;

namespace Edge.Sensors.Timing;

/// <summary>What the operating system knows about its clocks beyond the time.</summary>
/// <param name="Suspended">How long the machine has slept since it started: monotonic time leaves that out.</param>
/// <param name="IsSet">Whether the wall clock has been set, by time synchronisation or by hand.</param>
internal sealed partial record SystemClock(Func<TimeSpan> Suspended, Func<bool> IsSet)
{
    private const int ClockMonotonic = 1;
    private const int ClockBootTime = 7;

    // What adjtimex returns while nothing has synchronised the clock: TIME_ERROR.
    private const int TimeError = 5;

    /// <summary>Linux's clocks. Elsewhere nothing ever sleeps, and the clock counts as set.</summary>
    internal static SystemClock Linux { get; } = new(() => Read(ClockBootTime) - Read(ClockMonotonic), IsSynchronised);

    /// <summary>Blocks for so long, to the tenth of a millisecond, where a timer counts milliseconds.</summary>
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
            return ClockGetTime(clock, out TimeSpec time) == 0 ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromTicks(time.Nanoseconds / 100) : TimeSpan.Zero;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return TimeSpan.Zero;
        }
    }

    private static bool IsSynchronised()
    {
        try
        {
            // All zero asks without setting; larger than any struct timex.
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
