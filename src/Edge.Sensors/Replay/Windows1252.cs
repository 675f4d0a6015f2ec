using System.Text;

namespace Edge.Sensors.Replay;

/// <summary>
/// Reads the encoding in which programs of Windows write Western European text, such as the CSV files of an Excel in German. It is Latin-1
/// with printable characters in place of 32 control characters.
/// </summary>
internal sealed class Windows1252 : Encoding
{
    private const int First = 0x80;

    // Bytes 0x80 to 0x9F, after index-windows-1252 of the WHATWG encoding standard.
    private const string Printable =
        "\u20AC\u0081\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\u008D\u017D\u008F"
            + "\u0090\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\u009D\u017E\u0178";

    public override int GetCharCount(byte[] bytes, int index, int count) => count;

    public override int GetMaxCharCount(int byteCount) => byteCount;

    public override int GetChars(byte[] bytes, int byteIndex, int byteCount, char[] chars, int charIndex)
    {
        for (int i = 0; i < byteCount; i++)
        {
            byte letter = bytes[byteIndex + i];
            chars[charIndex + i] = letter >= First && letter < First + Printable.Length ? Printable[letter - First] : (char)letter;
        }

        return byteCount;
    }

    public override int GetByteCount(char[] chars, int index, int count) => count;

    public override int GetMaxByteCount(int charCount) => charCount;

    public override int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex) =>
        throw new NotSupportedException("Windows-1252 is only read.");
}
