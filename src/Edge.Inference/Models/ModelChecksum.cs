using System.Text;

namespace Edge.Inference.Models;

/// <summary>
/// The checksum of a model file, in its metadata: <c>sha256</c>, 64 hexadecimal digits over all bytes of the file, with these digits as
/// zeros, and <c>checksum</c>, which says that there is one. Of two entries, one flipped bit can hide only one. Files of earlier versions
/// have neither, and earlier versions ignore both. It is no signature: who changes a file can write another one.
/// </summary>
internal static class ModelChecksum
{
    private const string Name = "checksum";
    private const string Digits = "sha256";
    private const int DigitCount = 64;

    private static readonly byte[] Before = Encoding.ASCII.GetBytes($"\"{Digits}\":\"");

    /// <summary>What the metadata of a file has before <see cref="Fill"/>.</summary>
    internal static IReadOnlyDictionary<string, string> Blank { get; } =
        new Dictionary<string, string> { [Name] = Digits, [Digits] = new string('0', DigitCount) };

    /// <summary>Writes the checksum into a file whose metadata has <see cref="Blank"/>.</summary>
    internal static byte[] Fill(byte[] file)
    {
        Encoding.ASCII.GetBytes(Sha256.Hex(file)).CopyTo(DigitsOf(file));
        return file;
    }

    /// <summary>Compares a file with its checksum, if it has one.</summary>
    /// <exception cref="ModelFormatException">The file is not as it was written.</exception>
    internal static void Verify(IReadOnlyDictionary<string, string> metadata, ReadOnlySpan<byte> file)
    {
        if (!metadata.ContainsKey(Name) && !metadata.ContainsKey(Digits))
        {
            return;
        }

        byte[] blank = file.ToArray();
        Span<byte> digits = DigitsOf(blank);
        digits.Fill((byte)'0');
        if (digits.Length < DigitCount || Sha256.Hex(blank) != metadata.GetValueOrDefault(Digits))
        {
            throw new ModelFormatException(
                "The file is damaged: its SHA-256 is not the one that was written into it. Copy it again from where it was made.");
        }
    }

    // In text, a quote is escaped: this is the entry itself, wherever it stands. Empty if the file has none.
    private static Span<byte> DigitsOf(Span<byte> file)
    {
        int at = file.IndexOf(Before);
        return at < 0 || at + Before.Length + DigitCount > file.Length ? [] : file.Slice(at + Before.Length, DigitCount);
    }
}
