using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Edge.Testing;

/// <summary>
/// Waits for a condition, not for a time. The bound is for a test that will never pass: a busy machine must not reach it.
/// </summary>
internal static class Eventually
{
    /// <summary>Longest wait for anything that is bound to happen.</summary>
    internal static readonly TimeSpan Bound = TimeSpan.FromMinutes(2);

    // What another thread is about to do takes a millisecond; what another process does takes longer.
    private const int QuickLooks = 20;
    private const int QuickMs = 1;
    private const int SlowMs = 15;

    /// <param name="condition">What must become true; asked again and again.</param>
    /// <param name="because">What the failure says; by default the condition as written.</param>
    internal static async Task Async(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string because = "")
    {
        long started = Stopwatch.GetTimestamp();
        for (int look = 0; !condition(); look++)
        {
            if (Stopwatch.GetElapsedTime(started) > Bound)
            {
                throw new TimeoutException($"It did not happen within {Bound.TotalSeconds:0} s: {because}");
            }

            await Task.Delay(look < QuickLooks ? QuickMs : SlowMs).ConfigureAwait(false);
        }
    }

    /// <param name="condition">What must become true, where the question itself takes a while.</param>
    /// <param name="because">What the failure says.</param>
    internal static async Task Async(Func<Task<bool>> condition, string because)
    {
        for (long started = Stopwatch.GetTimestamp(); !await condition().ConfigureAwait(false);)
        {
            if (Stopwatch.GetElapsedTime(started) > Bound)
            {
                throw new TimeoutException($"It did not happen within {Bound.TotalSeconds:0} s: {because}");
            }

            await Task.Delay(SlowMs).ConfigureAwait(false);
        }
    }
}
