using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Edge.Inference;

/// <summary>Text from outside (a broker, a message, a file) as part of a sentence: escaped, and of limited length.</summary>
internal static class PrintableText
{
    /// <summary>Most characters of a foreign text in a sentence.</summary>
    internal const int LengthMax = 120;

    private const int QuotedMax = 60;

    /// <summary>
    /// Replaces control characters, line separators, text direction marks and broken surrogates by <c>\uXXXX</c>, so that the text can
    /// neither begin a line nor steer a terminal.
    /// </summary>
    /// <param name="text">The text; null for an empty one.</param>
    /// <param name="lengthMax">Characters after which it is cut.</param>
    internal static string Of(string? text, int lengthMax = LengthMax)
    {
        if (string.IsNullOrEmpty(text))
        {
            return "";
        }

        var plain = new StringBuilder(Math.Min(text.Length, lengthMax) + 8);
        for (int i = 0; i < text.Length && i < lengthMax; i++)
        {
            bool isPair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
            if (isPair)
            {
                plain.Append(text[i]).Append(text[++i]);
            }
            else if (IsPrintable(text[i]))
            {
                plain.Append(text[i]);
            }
            else
            {
                plain.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[i]:x4}");
            }
        }

        return text.Length > lengthMax ? plain.Append('…').ToString() : plain.ToString();
    }

    /// <summary>The begin of a cell or a name, in quotation marks.</summary>
    internal static string Quoted(string? text) => $"'{Of(text, QuotedMax)}'";

    /// <summary>The begin of a payload as text.</summary>
    internal static string Of(ReadOnlySpan<byte> utf8, int lengthMax = 60) =>
        Of(Encoding.UTF8.GetString(utf8[..Math.Min(utf8.Length, 4 * lengthMax)]), lengthMax);

    /// <summary>One line of what the parser of a command line says, in a user's words where it names a type.</summary>
    internal static string OfParser(string message)
    {
        string line = string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return Regex.Replace(
            line,
            @"^Cannot parse argument '(.*)' for option '(.*)' as expected type '.*(Int32|Single|Double).*'\.$",
            "'$1' is no number, and $2 needs one.");
    }

    private static bool IsPrintable(char letter) => char.GetUnicodeCategory(letter) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.Surrogate);
}
