using System.Globalization;
using System.Text.RegularExpressions;

namespace Edge.Runtime;

/// <summary>Times with a unit: 500ms, 1s, 5m, 2h, 7d.</summary>
internal static partial class Duration
{
    /// <summary>Shortest and longest time that is read.</summary>
    internal static (TimeSpan Min, TimeSpan Max) Range { get; } = (TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(3660));

    /// <summary>Whether a text is written as a time, whatever its length.</summary>
    internal static bool IsWritten(string text) => Pattern().IsMatch(text);

    /// <summary>Reads a time within <see cref="Range"/>.</summary>
    internal static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        Match match = Pattern().Match(text);
        if (!match.Success)
        {
            return false;
        }

        double value = double.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        double seconds = value * match.Groups[2].Value switch { "ms" => 0.001, "s" => 1, "m" => 60, "h" => 3600, _ => 86400 };
        if (seconds < Range.Min.TotalSeconds || seconds > Range.Max.TotalSeconds)
        {
            return false;
        }

        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }

    /// <summary>A time as this class reads it, in the largest unit that leaves no fraction.</summary>
    internal static string Text(TimeSpan time) => time switch
    {
        _ when time.Ticks % TimeSpan.TicksPerDay == 0 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalDays:0}d"),
        _ when time.Ticks % TimeSpan.TicksPerHour == 0 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0}h"),
        _ when time.Ticks % TimeSpan.TicksPerMinute == 0 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0}m"),
        _ when time.Ticks % TimeSpan.TicksPerSecond == 0 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0}s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.###}ms"),
    };

    [GeneratedRegex(@"^([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)$")]
    private static partial Regex Pattern();
}
