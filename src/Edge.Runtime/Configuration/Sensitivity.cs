using System.Globalization;

namespace Edge.Runtime.Configuration;

/// <summary>How many false alarms a week are put up with: low, normal and high are one in a hundred weeks, in ten, and one a week.</summary>
internal static class Sensitivity
{
    internal static bool TryParse(string text, out double falseAlarmsAWeek)
    {
        falseAlarmsAWeek = text switch { "low" => 0.01, "normal" => 0.1, "high" => 1, _ => 0 };
        return falseAlarmsAWeek > 0
            || (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out falseAlarmsAWeek) && falseAlarmsAWeek is >= 0.001 and <= 10_000);
    }
}
