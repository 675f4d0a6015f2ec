using System.Text.RegularExpressions;

namespace Edge.Sensors.Replay;

/// <summary>How people and programs write a cell of a recording.</summary>
internal static partial class CellText
{
    /// <summary>A cell of a column that marks rows: 1 for yes or true, 0 for no or false, in any case; null for another text.</summary>
    internal static double? Flag(string? cell) => cell?.Trim().ToLowerInvariant() switch
    {
        "yes" or "true" => 1,
        "no" or "false" => 0,
        _ => null,
    };

    /// <summary>Whether a cell says that there is no value.</summary>
    internal static bool IsMissing(string cell) => cell.Trim() is "" or "nan" or "NaN" or "NAN" or "null" or "NULL" or "NA" or "N/A";

    /// <summary>Whether a cell says that its sensor has no value, also in the words of Home Assistant.</summary>
    internal static bool HasNoValue(string cell) =>
        IsMissing(cell) || cell.Trim().ToLowerInvariant() is "unavailable" or "unknown" or "none";

    /// <summary>
    /// The number of a cell as it is written, and the unit behind it or "". Both are "" for a cell that is not a number with or without a
    /// unit.
    /// </summary>
    internal static (string Number, string Unit) Split(string cell)
    {
        Match match = UnitPattern().Match(cell);
        return match.Success ? (match.Groups["number"].Value, match.Groups["unit"].Value) : ("", "");
    }

    /// <summary>
    /// Whether a number has thousands separators: spaces or apostrophes, the same point or comma twice, or both a point and a comma.
    /// </summary>
    internal static bool HasThousands(string number) => ThousandsPattern().IsMatch(number);

    /// <summary>Whether the comma of a number may separate thousands or decimals, as in 1,234.</summary>
    internal static bool IsAmbiguous(string number) => AmbiguousPattern().IsMatch(number);

    /// <summary>The same number without thousands separators and with a decimal point.</summary>
    internal static string Plain(string number)
    {
        int last = number.LastIndexOfAny(['.', ',']);
        bool isDecimal = last >= 0 && number.Count(letter => letter == number[last]) == 1;
        string whole = isDecimal ? number[..last] : number;
        return string.Concat(whole.Where(letter => char.IsAsciiDigit(letter) || letter is '+' or '-'))
            + (isDecimal ? "." + number[(last + 1)..] : "");
    }

    [GeneratedRegex(
        @"^(?<number>[+-]?(?:[0-9]{1,3}(?:[ \u00A0\u202F'\u2019][0-9]{3})+|[0-9][0-9.,]*|[.,][0-9]+)(?:[.,][0-9]+)?"
            + @"(?:[eE][+-]?[0-9]+)?)"
            + @"\s*(?<unit>(?:[\p{L}°%‰][^\s,;]{0,11})?)$",
        RegexOptions.CultureInvariant)]
    private static partial Regex UnitPattern();

    [GeneratedRegex(
        @"^[+-]?[0-9]{1,3}(?:(?:[ \u00A0\u202F'\u2019][0-9]{3})+(?:[.,][0-9]*)?|(?:,[0-9]{3})+\.[0-9]*|(?:\.[0-9]{3})+,[0-9]*"
            + @"|(?:,[0-9]{3}){2,}|(?:\.[0-9]{3}){2,})$",
        RegexOptions.CultureInvariant)]
    private static partial Regex ThousandsPattern();

    [GeneratedRegex("^[+-]?[1-9][0-9]{0,2},[0-9]{3}$", RegexOptions.CultureInvariant)]
    private static partial Regex AmbiguousPattern();
}
