using System.Globalization;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Seconds that have surely passed since the state file was made: while a process ran, and between two processes of one boot. The wall
/// clock has no part in it, so a clock that is set late, forward or back makes nothing older. Time without power does not count.
/// </summary>
internal sealed class AgeClock
{
    private readonly TimeProvider _clock;
    private readonly string _bootId;
    private readonly long _openedAt;
    private readonly double _base;

    /// <param name="clock">Monotonic time, which continues from process to process until the machine starts again.</param>
    /// <param name="bootId">Identifies the boot of the machine.</param>
    /// <param name="saved">What <see cref="Save"/> returned last; null for a new file.</param>
    internal AgeClock(TimeProvider clock, string bootId, string? saved)
    {
        _clock = clock;
        _bootId = bootId;
        _openedAt = clock.GetTimestamp();
        string[] parts = saved?.Split(' ') ?? [];
        if (parts.Length == 3
            && TryNumber(parts[0], out double seconds)
            && TryNumber(parts[1], out double then))
        {
            double since = Monotonic - then;
            _base = seconds + (parts[2] == bootId.Replace(' ', '_') && since > 0 ? since : 0);
        }
    }

    /// <summary>Seconds that have surely passed.</summary>
    internal long Seconds => (long)(_base + _clock.GetElapsedTime(_openedAt).TotalSeconds);

    private double Monotonic => (double)_clock.GetTimestamp() / _clock.TimestampFrequency;

    /// <summary>The age as text, from which a later process continues.</summary>
    internal string Save() => string.Create(CultureInfo.InvariantCulture, $"{Seconds} {Monotonic:0.###} {_bootId.Replace(' ', '_')}");

    private static bool TryNumber(string text, out double number) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out number) && number >= 0 && number < 1e12;
}
