using System.Globalization;
using Edge.Inference;

namespace Edge.Sensors;

/// <summary>
/// Reads the times of one source as UTC. In the hour that a zone has twice in autumn, the order of the times tells which one is meant.
/// </summary>
/// <param name="options">Format and zone.</param>
internal sealed class TimeReader(TimeOptions options)
{
    // What a format looks like that a text without a format may be in, for advice.
    private static readonly string[] Usual =
    [
        "dd.MM.yyyy HH:mm:ss", "dd.MM.yyyy HH:mm", "dd/MM/yyyy HH:mm:ss", "dd/MM/yyyy HH:mm", "MM/dd/yyyy HH:mm:ss", "MM/dd/yyyy HH:mm",
        "yyyy/MM/dd HH:mm:ss", "yyyy/MM/dd HH:mm", "dd-MM-yyyy HH:mm:ss", "dd-MM-yyyy HH:mm", "dd.MM.yyyy", "dd/MM/yyyy", "MM/dd/yyyy",
        "M/d/yyyy h:mm:ss tt", "M/d/yyyy h:mm tt", "d/M/yyyy h:mm:ss tt", "d/M/yyyy h:mm tt",
    ];

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
        foreach (string text in texts)
        {
            if (TryCount(text, out double count))
            {
                (largest, counts) = (Math.Max(largest, Math.Abs(count)), counts + 1);
            }
        }

        // A few texts that are something else are mistakes, not the format.
        _isCount = counts > texts.Count / 2;
        _unit = _isCount == true ? Timestamp.UnitOf(largest) : null;
    }

    /// <summary>Reads a time.</summary>
    /// <param name="text">The text.</param>
    /// <param name="after">The time before it, UTC; the default for none.</param>
    /// <param name="utc">The time.</param>
    /// <returns>Why it cannot be read, as the clause of a sentence, or null.</returns>
    internal string? Read(string? text, DateTime after, out DateTime utc)
    {
        utc = default;
        if (string.IsNullOrWhiteSpace(text))
        {
            return "the time is empty";
        }

        if (_isCount != false && TryCount(text, out double count))
        {
            return Read(count, text, out utc);
        }

        if (_isCount == true)
        {
            return $"{PrintableText.Quoted(text)} is not a count since 1970, as the times before it";
        }

        if (!TryParse(text, out DateTime time, out TimeSpan? offset))
        {
            string wanted = options.Format is null or "iso8601" ? "ISO 8601 or a count since 1970" : options.Format;
            return $"{PrintableText.Quoted(text)} is not {wanted}" + (options.Format is null ? $": set time_format{Advice(text)}" : "");
        }

        if (offset is { } distance)
        {
            utc = DateTime.SpecifyKind(time - distance, DateTimeKind.Utc);
            return Check(text, utc);
        }

        return ToUtc(time, after, out utc) ?? Check(text, utc);
    }

    /// <summary>Reads a number as a count since 1970.</summary>
    internal string? Read(double count, string text, out DateTime utc)
    {
        utc = default;
        if (_isCount == false)
        {
            return $"{PrintableText.Quoted(text)} is not {options.Format ?? "ISO 8601, as the times before it"}";
        }

        if (options.Format is null && _unit is { } unit && Timestamp.UnitOf(count) != unit)
        {
            return $"{PrintableText.Quoted(text)} counts in another unit than the times before it ({unit.ToString().ToLowerInvariant()})";
        }

        return Timestamp.TryFromUnix(count, _unit ?? Timestamp.UnitOf(count), out utc) ? null : OutOfRange(text);
    }

    /// <summary>Whether a text is written in a format that names its zone, or needs none.</summary>
    internal bool NamesZone(string text) =>
        TryCount(text, out _) || (TryParse(text, out _, out TimeSpan? offset) && offset is not null);

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
        bool hasZone = options.Format.Contains('z') || options.Format.Contains('K');
        bool isTime = DateTimeOffset.TryParseExact(
            text.Trim(),
            options.Format,
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal,
            out DateTimeOffset parsed);
        (time, offset) = (parsed.DateTime, hasZone ? parsed.Offset : null);
        return isTime;
    }

    // Local time to UTC. Where a clock shows a time twice, the earlier one is meant, unless that is not after the time before.
    private string? ToUtc(DateTime local, DateTime after, out DateTime utc)
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
            utc = utc > after ? utc : DateTime.SpecifyKind(local - offsets[^1], DateTimeKind.Utc);
            return null;
        }

        utc = DateTime.SpecifyKind(local - zone.GetUtcOffset(local), DateTimeKind.Utc);
        return null;
    }

    private static string? Check(string text, DateTime utc) => Timestamp.IsInRange(utc) ? null : OutOfRange(text);

    private static string OutOfRange(string text) => $"{PrintableText.Quoted(text)} is no time from 1900 to 2999";

    private static string Advice(string text)
    {
        string[] fits =
        [
            .. Usual.Where(
                format => DateTime.TryParseExact(text.Trim(), format, CultureInfo.InvariantCulture, DateTimeStyles.None, out _)),
        ];
        return fits.Length == 0 ? ", such as 'dd.MM.yyyy HH:mm'" : $", such as '{string.Join("' or '", fits)}'";
    }
}
