using System.Globalization;

namespace Edge.Streams;

/// <summary>Times in sentences for people: 0.4 s, 25 min, 3.5 h, 6.6 days.</summary>
internal static class TimeInWords
{
    /// <param name="time">The time, 0 or more.</param>
    internal static string Of(TimeSpan time) => time switch
    {
        { TotalSeconds: < 100 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#} s"),
        { TotalMinutes: < 100 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0.#} min"),
        { TotalHours: < 48 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalDays:0.#} days"),
    };
}
