using System.Globalization;
using System.Text.RegularExpressions;

namespace Edge.Runtime;

/// <summary>Times with a unit: 500ms, 1s, 5m, 2h, 7d.</summary>
internal static partial class Duration
{
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
        if (seconds is <= 0 or > 10 * 365 * 86400.0)
        {
            return false;
        }

        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }

    [GeneratedRegex(@"^([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)$")]
    private static partial Regex Pattern();
}
