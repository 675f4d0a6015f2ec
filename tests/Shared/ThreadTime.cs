using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Edge.Testing;

/// <summary>
/// How long the calling thread has been running, without the time it waited for a processor: what a piece of work costs, however busy the
/// machine is.
/// </summary>
internal static partial class ThreadTime
{
    // CLOCK_THREAD_CPUTIME_ID of Linux: clock_gettime(2).
    private const int ThreadProcessorTime = 3;

    /// <summary>Elsewhere than on Linux it is the time of day that passes.</summary>
    internal static TimeSpan Now =>
        OperatingSystem.IsLinux() && ClockGetTime(ThreadProcessorTime, out TimeSpec time) == 0
            ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromMicroseconds(time.Nanoseconds / 1000)
            : Stopwatch.GetElapsedTime(0);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out TimeSpec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        internal nint Seconds;
        internal nint Nanoseconds;
    }
}
