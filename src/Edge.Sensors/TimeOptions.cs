using Edge.Inference;
using TimeZoneConverter;

namespace Edge.Sensors;

/// <summary>How a source writes its times.</summary>
internal sealed record TimeOptions
{
    /// <summary>
    /// A format of date and time in the letters of Unicode (dd.MM.yyyy HH:mm), or iso8601, s, ms, us, ns, excel; null to tell ISO 8601 and
    /// counts since 1970 apart by their look.
    /// </summary>
    public string? Format { get; init; }

    /// <summary>What the user writes to set <see cref="Format"/>, for advice.</summary>
    internal string FormatSetting { get; init; } = "time_format";

    /// <summary>What the user writes to set <see cref="Zone"/>, for advice.</summary>
    internal string ZoneSetting { get; init; } = "'timezone'";

    /// <summary>Zone of times that name none; null for UTC.</summary>
    public TimeZoneInfo? Zone { get; init; }

    /// <summary>Names of formats that are not made of letters.</summary>
    internal static IReadOnlyList<string> KnownFormats { get; } = ["iso8601", "s", "ms", "us", "ns", Excel];

    /// <summary>Days of a spreadsheet, since 1899-12-30: 45000.5 is noon of 2023-03-15.</summary>
    internal const string Excel = "excel";

    /// <summary>These options with what a command line says: <c>--time-format</c> and <c>--timezone</c>, null for nothing.</summary>
    /// <exception cref="InputException">There is no such format or zone.</exception>
    internal TimeOptions With(string? format, string? zone)
    {
        if (format is not null && !IsFormat(format))
        {
            throw new InputException(
                $"--time-format is '{format}'; use a format of date and time such as dd.MM.yyyy HH:mm, or s, ms, us, ns, excel.");
        }

        try
        {
            return this with
            {
                Format = format ?? Format,
                FormatSetting = "--time-format",
                ZoneSetting = "--timezone",
                Zone = zone is null ? Zone : FindZone(zone),
            };
        }
        catch (Exception e) when (e is TimeZoneNotFoundException or InvalidTimeZoneException || FileFault.Is(e))
        {
            throw new InputException($"--timezone is '{zone}', which this system does not know; names are as in Europe/Berlin.", e);
        }
    }

    /// <summary>The zone of a name as in Europe/Berlin.</summary>
    /// <exception cref="TimeZoneNotFoundException">This system knows no such zone.</exception>
    /// <exception cref="InvalidTimeZoneException">What it knows of the zone is damaged.</exception>
    /// <exception cref="IOException">What it knows of the zone cannot be read.</exception>
    internal static TimeZoneInfo FindZone(string name) =>
        TimeZoneInfo.FindSystemTimeZoneById(OperatingSystem.IsWindows() ? WindowsName(name) : name);

    /// <summary>
    /// What Windows calls a zone; the same name if that is none of IANA's. .NET does this itself with ICU alone, which
    /// <c>InvariantGlobalization</c> leaves out.
    /// </summary>
    internal static string WindowsName(string name) => TZConvert.TryIanaToWindows(name, out string? windows) ? windows : name;

    /// <summary>Whether a format gives back the date and time that it writes.</summary>
    internal static bool IsFormat(string format)
    {
        if (KnownFormats.Contains(format))
        {
            return true;
        }

        var time = new DateTimeOffset(2026, 11, 23, 17, 48, 0, TimeSpan.Zero);
        try
        {
            string text = time.ToString(format, System.Globalization.CultureInfo.InvariantCulture);
            return format.Length > 2
                && DateTimeOffset.TryParseExact(
                    text,
                    format,
                    System.Globalization.CultureInfo.InvariantCulture,
                    System.Globalization.DateTimeStyles.AssumeUniversal,
                    out DateTimeOffset back)
                && back.Date == time.Date;
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
