namespace Edge.Runtime;

/// <summary>
/// Limits the log lines of one cause: a few at once, then one a minute, which says how many were left out. For any thread.
/// </summary>
/// <param name="clock">Time.</param>
/// <param name="burst">Lines that may follow each other without a wait.</param>
internal sealed class LogLimit(TimeProvider clock, int burst = 1)
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private double _left = burst;
    private long _filledAt = clock.GetTimestamp();
    private long _omitted;

    /// <summary>Whether a line may be logged now.</summary>
    /// <param name="more">What to add to it: how many lines were left out before it, or nothing.</param>
    internal bool Allows(out string more)
    {
        lock (_gate)
        {
            long now = clock.GetTimestamp();
            _left = Math.Min(burst, _left + (clock.GetElapsedTime(_filledAt, now) / Every));
            _filledAt = now;
            more = "";
            if (_left < 1)
            {
                _omitted++;
                return false;
            }

            _left--;
            more = _omitted == 0 ? "" : $" ({_omitted} more like this since the last line)";
            _omitted = 0;
            return true;
        }
    }
}
