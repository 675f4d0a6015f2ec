using System.Globalization;
using Edge.Inference;

namespace Edge.Sensors;

/// <summary>
/// Reads the times of one source as UTC. In the hour that a zone has twice in autumn, the expected time tells which one is meant.
/// </summary>
/// <param name="options">Format and zone.</param>
internal sealed class TimeReader(TimeOptions options)
{
    // What a format looks like that a text without a format may be in, for advice.
    private static readonly string[] Usual =
    [
        "dd.MM.yyyy HH:mm:ss", "dd.MM.yyyy HH:mm", "dd/MM/yyyy HH:mm:ss", "dd/MM/yyyy HH:mm", "MM/dd/yyyy HH:mm:ss", "MM/dd/yyyy HH:mm",
        "yyyy/MM/dd HH:mm:ss", "yyyy/MM/dd HH:mm", "dd-MM-yyyy HH:mm:ss", "dd-MM-yyyy HH:mm", "dd.MM.yyyy", "dd/MM/yyyy", "MM/dd/yyyy",
        "M/d/yyyy h:mm:ss tt", "M/d/yyyy h:mm tt", "d/M/yyyy h:mm:ss tt", "d/M/yyyy h:mm tt", "yyyy-MM-dd h:mm:ss tt",
        "yyyy-MM-dd h:mm tt",
    ];

    // Days of Excel of the years 1954 to 2119. As seconds since 1970, all of them are of its first day.
    private const double ExcelDayMin = 20_000;
    private const double ExcelDayMax = 80_000;
    private static readonly DateTime ExcelDayZero = new(1899, 12, 30);

    private EpochUnit? _unit = options.Format switch
    {
        "s" => EpochUnit.Seconds,
        "ms" => EpochUnit.Milliseconds,
        "us" => EpochUnit.Microseconds,
        "ns" => EpochUnit.Nanoseconds,
        _ => null,
    };

    private bool? _isCount = options.Format switch
    {
        null => null,
        "s" or "ms" or "us" or "ns" => true,
        _ => false,
    };

    private bool _mayBeExcelDays;

    /// <summary>Whether a time without a zone was read as UTC, because no zone is configured.</summary>
    internal bool IsZoneGuessed { get; private set; }

    /// <summary>Decides over many texts of one column which format it has; from then on only that one is read.</summary>
    internal void Decide(IReadOnlyList<string> texts)
    {
        if (_isCount is not null || texts.Count == 0)
        {
            return;
        }

        (double largest, int counts) = (0, 0);
        _mayBeExcelDays = options.Format is null;
        foreach (string text in texts)
        {
            if (TryCount(text, out double count))
            {
                (largest, counts) = (Math.Max(largest, Math.Abs(count)), counts + 1);
            }

            _mayBeExcelDays &= TryExcelDay(text, out double day) && day is >= ExcelDayMin and < ExcelDayMax;
        }

        // A few texts that are something else are mistakes, not the format.
        _isCount = counts > texts.Count / 2;
        _unit = _isCount == true ? Timestamp.UnitOf(largest) : null;
    }

    /// <summary>Reads a time.</summary>
    /// <param name="text">The text.</param>
    /// <param name="expected">About when it should be, UTC, such as a period after the row before; the default for no idea.</param>
    /// <param name="utc">The time.</param>
    /// <returns>Why it cannot be read, as the clause of a sentence, or null.</returns>
    internal string? Read(string? text, DateTime expected, out DateTime utc)
    {
        utc = default;
        if (string.IsNullOrWhiteSpace(text))
        {
            return "the time is empty";
        }

        if (_mayBeExcelDays && TryParseExcel(text, out DateTime excel))
        {
            return $"'{text}' may be a day of Excel ({excel:yyyy-MM-dd HH:mm}) or seconds since 1970: "
                + $"set {options.FormatSetting} to excel or s";
        }

        if (_isCount != false && TryCount(text, out double count))
        {
            return Read(count, text, out utc);
        }

        if (_isCount == true && text.Any(char.IsDigit))
        {
            return $"{PrintableText.Quoted(text)} is not a count since 1970, as the times before it";
        }

        if (!TryParse(text, out DateTime time, out TimeSpan? offset))
        {
            if (!text.Any(char.IsDigit))
            {
                return $"{PrintableText.Quoted(text)} is no time but a word, as in a header, a row of units or totals: remove the row";
            }

            string wanted = options.Format is null or "iso8601" ? "ISO 8601 or a count since 1970" : options.Format;
            return $"{PrintableText.Quoted(text)} is not {wanted}" + (options.Format is null ? Advice(text) : "");
        }

        if (offset is { } distance)
        {
            utc = DateTime.SpecifyKind(time - distance, DateTimeKind.Utc);
            return Check(text, utc);
        }

        return ToUtc(time, expected, out utc) ?? Check(text, utc);
    }

    /// <summary>Reads a number as a count since 1970, or as a day of Excel if that is the format.</summary>
    internal string? Read(double count, string text, out DateTime utc)
    {
        utc = default;
        if (options.Format == TimeOptions.Excel)
        {
            return Read(text, default, out utc);
        }

        if (_isCount == false)
        {
            return $"{PrintableText.Quoted(text)} is not {options.Format ?? "ISO 8601, as the times before it"}";
        }

        // 0 is a clock that was not set, in any unit.
        if (options.Format is null && count != 0 && _unit is { } unit && Timestamp.UnitOf(count) != unit)
        {
            return $"{PrintableText.Quoted(text)} counts in another unit than the times before it ({unit.ToString().ToLowerInvariant()})";
        }

        return Timestamp.TryFromUnix(count, _unit ?? Timestamp.UnitOf(count), out utc) ? null : OutOfRange(text);
    }

    /// <summary>Whether a text is written in a format that names its zone, or needs none.</summary>
    internal bool NamesZone(string text) => (options.Format != TimeOptions.Excel && TryCount(text, out _))
        || (TryParse(text, out _, out TimeSpan? offset) && offset is not null);

    private static bool TryCount(string text, out double count) => double.TryParse(
        text,
        NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent
            | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
        CultureInfo.InvariantCulture,
        out count) && double.IsFinite(count);

    private bool TryParse(string text, out DateTime time, out TimeSpan? offset)
    {
        if (options.Format is null or "iso8601")
        {
            return Timestamp.TryParseIso(text, out time, out offset);
        }

        (time, offset) = (default, null);
        if (options.Format == TimeOptions.Excel)
        {
            return TryParseExcel(text, out time);
        }

        bool hasZone = options.Format.Contains('z') || options.Format.Contains('K');
        bool isTime = DateTimeOffset.TryParseExact(
            AmPmDesignator.Normalize(text),
            AmPmDesignator.Normalize(options.Format),
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal,
            out DateTimeOffset parsed);
        (time, offset) = (parsed.DateTime, hasZone ? parsed.Offset : null);
        return isTime;
    }

    // Days since the last one but one of 1899, the time as a fraction, to the millisecond; also with the decimal comma of many countries.
    private static bool TryParseExcel(string text, out DateTime time)
    {
        bool isDay = TryExcelDay(text, out double day) && day is >= 1 and < 402_000;
        time = isDay ? ExcelDayZero.AddMilliseconds(Math.Round(day * TimeSpan.MillisecondsPerDay)) : default;
        return isDay;
    }

    private static bool TryExcelDay(string text, out double day) => TryCount(text.Replace(',', '.'), out day);

    // Local time to UTC. Where a clock shows a time twice, the one nearer to the expected time is meant: a row that comes twice, or a
    // little late, stays in its hour.
    private string? ToUtc(DateTime local, DateTime expected, out DateTime utc)
    {
        if (options.Zone is not { } zone)
        {
            IsZoneGuessed = true;
            utc = DateTime.SpecifyKind(local, DateTimeKind.Utc);
            return null;
        }

        utc = default;
        if (zone.IsInvalidTime(local))
        {
            return $"{local:yyyy-MM-dd HH:mm} does not exist in {zone.Id}: clocks go forward there";
        }

        if (zone.IsAmbiguousTime(local))
        {
            TimeSpan[] offsets = [.. zone.GetAmbiguousTimeOffsets(local).OrderDescending()];
            utc = DateTime.SpecifyKind(local - offsets[0], DateTimeKind.Utc);
            var later = DateTime.SpecifyKind(local - offsets[^1], DateTimeKind.Utc);
            utc = (later - expected).Duration() < (utc - expected).Duration() ? later : utc;
            return null;
        }

        utc = DateTime.SpecifyKind(local - zone.GetUtcOffset(local), DateTimeKind.Utc);
        return null;
    }

    private static string? Check(string text, DateTime utc) => Timestamp.IsInRange(utc) ? null : OutOfRange(text);

    private static string OutOfRange(string text) => $"{PrintableText.Quoted(text)} is no time from 1900 to 2999";

    private string Advice(string text)
    {
        string plain = AmPmDesignator.Normalize(text);
        string[] fits =
        [
            .. Usual.Where(format => DateTime.TryParseExact(plain, format, CultureInfo.InvariantCulture, DateTimeStyles.None, out _)),
        ];
        return $": set {options.FormatSetting}, such as '{(fits.Length == 0 ? "dd.MM.yyyy HH:mm" : string.Join("' or '", fits))}'";
    }
}
