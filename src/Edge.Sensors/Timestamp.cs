using System.Globalization;

namespace Edge.Sensors;

/// <summary>
/// Parses times: RFC 3339 and similar formats, or seconds or milliseconds since 1970. Years 1900 to 2999; other years are not accepted.
/// </summary>
internal static class Timestamp
{
    /// <summary>As this program writes them, to the millisecond, UTC.</summary>
    internal const string Format = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    // Seconds beyond this would lie past the year 5000: they are milliseconds.
    private const double SecondsMax = 1e11;

    private static readonly DateTime Min = new(1900, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly DateTime Max = new(3000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    internal static bool TryParse(string? text, out DateTime time)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
        {
            return TryFromUnix(number, out time);
        }

        return DateTime.TryParse(
            text,
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
            out time)
            && time >= Min
            && time < Max;
    }

    /// <param name="number">Seconds or milliseconds since 1970, UTC.</param>
    /// <param name="time">UTC.</param>
    internal static bool TryFromUnix(double number, out DateTime time)
    {
        time = default;
        double seconds = Math.Abs(number) > SecondsMax ? number / 1000 : number;
        if (!(seconds >= (Min - DateTime.UnixEpoch).TotalSeconds && seconds < (Max - DateTime.UnixEpoch).TotalSeconds))
        {
            return false;
        }

        time = DateTime.UnixEpoch.AddSeconds(seconds);
        return true;
    }
}
