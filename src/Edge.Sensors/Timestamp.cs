using System.Globalization;
using System.Text.RegularExpressions;

namespace Edge.Sensors;

/// <summary>The unit of a time that counts from 1970, UTC.</summary>
internal enum EpochUnit
{
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// <summary>
/// Times as text: ISO 8601, or a count since 1970. What is neither needs a format that says how it is written: 03.04.2026 is two days.
/// Years 1900 to 2999.
/// </summary>
internal static partial class Timestamp
{
    /// <summary>As this program writes them, to the millisecond, UTC.</summary>
    internal const string Format = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    // Counts up to these are of the unit before: a day of 1973 in the smaller unit, past the year 5000 in the larger one.
    private const double SecondsMax = 1e11;
    private const double MillisecondsMax = 1e14;
    private const double MicrosecondsMax = 1e17;
    private const int TickDigits = 7;

    private static readonly DateTime Min = new(1900, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly DateTime Max = new(3000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>The unit that a count since 1970 must be in, from its size.</summary>
    internal static EpochUnit UnitOf(double count) => Math.Abs(count) switch
    {
        <= SecondsMax => EpochUnit.Seconds,
        <= MillisecondsMax => EpochUnit.Milliseconds,
        <= MicrosecondsMax => EpochUnit.Microseconds,
        _ => EpochUnit.Nanoseconds,
    };

    /// <summary>A count since 1970.</summary>
    internal static bool TryFromUnix(double count, EpochUnit unit, out DateTime utc)
    {
        utc = default;
        double seconds = count / unit switch
        {
            EpochUnit.Seconds => 1,
            EpochUnit.Milliseconds => 1e3,
            EpochUnit.Microseconds => 1e6,
            _ => 1e9,
        };
        if (!(seconds >= (Min - DateTime.UnixEpoch).TotalSeconds && seconds < (Max - DateTime.UnixEpoch).TotalSeconds))
        {
            return false;
        }

        // Whole microseconds, which a double holds: a count in seconds with a fraction has no more.
        utc = DateTime.UnixEpoch.AddTicks((long)Math.Round(seconds * 1e6) * TimeSpan.TicksPerMicrosecond);
        return true;
    }

    /// <summary>ISO 8601: a date, or date and time, with or without a zone; also with a space for the T.</summary>
    /// <param name="text">The text.</param>
    /// <param name="time">As written.</param>
    /// <param name="offset">Its distance from UTC; null if the text names none.</param>
    internal static bool TryParseIso(string text, out DateTime time, out TimeSpan? offset)
    {
        (time, offset) = (default, null);
        Match match = IsoPattern().Match(text.Trim());
        if (!match.Success)
        {
            return false;
        }

        int Part(string name) =>
            match.Groups[name].Success ? int.Parse(match.Groups[name].ValueSpan, CultureInfo.InvariantCulture) : 0;

        (int year, int month, int day) = (Part("year"), Part("month"), Part("day"));
        (int hour, int minute, int second) = (Part("hour"), Part("minute"), Part("second"));
        bool isDate = month is >= 1 and <= 12 && year is >= 1900 and <= 2999 && day >= 1 && day <= DateTime.DaysInMonth(year, month);
        if (!isDate || hour > 23 || minute > 59 || second > 60)
        {
            return false;
        }

        // A leap second is the last moment of its minute.
        string fraction = match.Groups["fraction"].Value.PadRight(TickDigits, '0')[..TickDigits];
        long ticks = second == 60 ? (60 * TimeSpan.TicksPerSecond) - 1
            : (second * TimeSpan.TicksPerSecond) + long.Parse(fraction, CultureInfo.InvariantCulture);
        time = new DateTime(year, month, day, hour, minute, 0).AddTicks(ticks);
        if (match.Groups["utc"].Success)
        {
            offset = TimeSpan.Zero;
        }
        else if (match.Groups["sign"].Success)
        {
            (int hours, int minutes) = (Part("zoneHour"), Part("zoneMinute"));
            if (hours > 14 || minutes > 59)
            {
                return false;
            }

            var distance = new TimeSpan(hours, minutes, 0);
            offset = match.Groups["sign"].Value == "-" ? -distance : distance;
        }

        return true;
    }

    /// <summary>Whether a time is one of the years 1900 to 2999.</summary>
    internal static bool IsInRange(DateTime utc) => utc >= Min && utc < Max;

    [GeneratedRegex(
        @"^(?<year>\d{4})(?<dash>-?)(?<month>\d{2})\k<dash>(?<day>\d{2})"
            + @"(?:[Tt ]\s*(?<hour>\d{2})(?<colon>:?)(?<minute>\d{2})(?:\k<colon>(?<second>\d{2})(?:[.,](?<fraction>\d{1,12}))?)?"
            + @"\s?(?:(?<utc>[Zz]|UTC|GMT)|(?<sign>[+-])(?<zoneHour>\d{2})(?::?(?<zoneMinute>\d{2}))?)?)?\z",
        RegexOptions.CultureInvariant)]
    private static partial Regex IsoPattern();
}
