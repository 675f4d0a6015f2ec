using System.Globalization;

namespace Edge.Streams.Detection;

/// <summary>When readings count as abnormal.</summary>
public sealed record AnomalyOptions
{
    /// <summary>Lower limit of <see cref="FalseAlarmsAWeek"/>.</summary>
    public const double FalseAlarmsAWeekMin = 0.001;

    /// <summary>Upper limit of <see cref="FalseAlarmsAWeek"/>.</summary>
    public const double FalseAlarmsAWeekMax = 10_000;

    /// <summary>Upper limit of <see cref="MinDurationTicks"/>.</summary>
    public const int MinDurationTicksMax = 1000;

    /// <summary>
    /// Expected false alarms per week, <see cref="FalseAlarmsAWeekMin"/>..<see cref="FalseAlarmsAWeekMax"/>; higher is more sensitive.
    /// </summary>
    public double FalseAlarmsAWeek { get; init; } = 0.1;

    /// <summary>
    /// Ticks in a row that must be abnormal before an anomaly opens, and normal before it closes (at least ten),
    /// 1..<see cref="MinDurationTicksMax"/>.
    /// </summary>
    public int MinDurationTicks { get; init; } = 3;

    /// <summary>
    /// A change that lasts longer than this becomes the new normal; null for a day or a thousand ticks, whichever is longer.
    /// </summary>
    public TimeSpan? Adapt { get; init; }

    /// <summary>Time after an anomaly during which no other opens; null for sixty ticks.</summary>
    public TimeSpan? CoolDown { get; init; }

    /// <summary>
    /// Reads a sensitivity: <c>low</c>, <c>normal</c> or <c>high</c> (one false alarm in 100 weeks, 10 weeks or 1 week), or a number per
    /// week.
    /// </summary>
    /// <param name="text">The word or number.</param>
    /// <param name="falseAlarmsAWeek">Expected false alarms per week.</param>
    public static bool TryParseSensitivity(string text, out double falseAlarmsAWeek)
    {
        falseAlarmsAWeek = text switch { "low" => 0.01, "normal" => 0.1, "high" => 1, _ => 0 };
        return falseAlarmsAWeek > 0
            || (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out falseAlarmsAWeek)
                && falseAlarmsAWeek is >= FalseAlarmsAWeekMin and <= FalseAlarmsAWeekMax);
    }
}
