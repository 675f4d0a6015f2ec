using System.Text.RegularExpressions;

namespace Edge.Sensors;

/// <summary>AM and PM of a clock of twelve hours, as other programs and languages write them.</summary>
internal static partial class AmPmDesignator
{
    /// <summary>
    /// The text with AM and PM as .NET reads them: Latin letters of any case with or without points, Japanese, Chinese, Korean or Greek
    /// ones; and with a plain space where there is a no-break, narrow or thin one, as Excel and ICU put before them.
    /// </summary>
    internal static string Normalize(string text) =>
        AfterNoon().Replace(BeforeNoon().Replace(Spaces().Replace(text.Trim(), " "), "AM"), "PM");

    [GeneratedRegex(@"[\u00a0\u2009\u202f]")]
    private static partial Regex Spaces();

    [GeneratedRegex(@"(?<!\p{L})(?:a\.? ?m\.?|午前|上午|오전|π\.? ?μ\.?)(?!\p{L})", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex BeforeNoon();

    [GeneratedRegex(@"(?<!\p{L})(?:p\.? ?m\.?|午後|下午|오후|μ\.? ?μ\.?)(?!\p{L})", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex AfterNoon();
}
