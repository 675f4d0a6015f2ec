using System.Globalization;
using System.Text;
using System.Text.Unicode;
using CsvHelper;
using CsvHelper.Configuration;
using Edge.Inference;

namespace Edge.Sensors.Replay;

/// <summary>The rows of a CSV file with a header, in the order of the file or reversed.</summary>
internal sealed class CsvRows : IDisposable
{
    /// <summary>What may stand between two cells.</summary>
    internal static readonly string[] Separators = [",", ";", "\t", "|"];

    /// <summary>Most characters of a cell.</summary>
    internal const int CellMax = 4096;

    // A header is looked for in so many characters.
    private const int HeaderMax = 1 << 18;

    // A reversed file is held in memory.
    private const long ReversedMaxBytes = 256L << 20;

    // What Excel writes above the header, such as sep=; .
    private const string SeparatorLine = "sep=";

    private readonly string _path;
    private readonly StreamReader _text;
    private readonly int _linesAbove;
    private readonly CsvReader _csv;
    private readonly Stack<(string[] Cells, int Line)>? _reversed;
    private readonly Queue<(string[] Cells, int Line)> _ahead = new();
    private (string[] Cells, int Line)? _row;

    /// <param name="path">The file.</param>
    /// <param name="columns">Columns that it must have; they tell the separator, if there are any.</param>
    /// <param name="order">Order of the rows.</param>
    /// <exception cref="InputException">The file cannot be read, or has no header.</exception>
    internal CsvRows(string path, IReadOnlyList<string> columns, RowOrder order)
    {
        _path = path;
        try
        {
            IsWindows1252 = !IsUtf(path);
            _text = Text(path, IsWindows1252);
            if (order == RowOrder.NewestFirst && _text.BaseStream.Length > ReversedMaxBytes)
            {
                throw new InputException(
                    $"Readings '{path}' have {_text.BaseStream.Length} bytes; a file with the newest row first may have "
                        + $"{ReversedMaxBytes}. Sort it.");
            }

            (string? named, string header) = Begin(path, IsWindows1252);
            RequireText(path, header);
            Separator = named ?? FindSeparator(header, columns);
            if (named is not null)
            {
                _text.ReadLine();
                _linesAbove = 1;
            }

            _csv = new CsvReader(_text, new CsvConfiguration(CultureInfo.InvariantCulture)
            {
                Delimiter = Separator,
                BadDataFound = null,
                MissingFieldFound = null,
                MaxFieldSize = CellMax,
            });
            if (!_csv.Read() || !_csv.ReadHeader())
            {
                throw new InputException($"Readings '{path}' are empty: the first line must be a header with the column names.");
            }

            Header = _csv.HeaderRecord!.Select(name => name.Trim()).ToArray();
        }
        catch (Exception e)
        {
            _csv?.Dispose();
            _text?.Dispose();
            throw e is CsvHelperException ? Wrong(path, e, _linesAbove)
                : FileFault.Is(e) ? new InputException($"Readings '{path}' cannot be read: {e.Message}", e)
                : e;
        }

        if (order == RowOrder.NewestFirst)
        {
            var rows = new Stack<(string[], int)>();
            while (ReadNext())
            {
                rows.Push((_csv.Parser.Record!, LineRead));
            }

            _reversed = rows;
        }
    }

    /// <summary>The names of the columns.</summary>
    internal string[] Header { get; }

    /// <summary>What stands between two cells.</summary>
    internal string Separator { get; }

    /// <summary>Whether the header is not UTF-8, so that the file is read as Windows-1252.</summary>
    internal bool IsWindows1252 { get; }

    /// <summary>Line of the current row.</summary>
    internal int Line => _row?.Line ?? LineRead;

    /// <summary>Cells of the current row.</summary>
    internal int Count => _row?.Cells.Length ?? _csv.Parser.Count;

    /// <summary>A cell of the current row; null if the row is too short.</summary>
    internal string? this[int column] => _row is { } row ? (column < row.Cells.Length ? row.Cells[column] : null) : _csv.GetField(column);

    /// <summary>Whether the current row has a cell that is not empty behind those that the header names.</summary>
    internal bool IsTooLong
    {
        get
        {
            for (int at = Header.Length; at < Count; at++)
            {
                if (!string.IsNullOrWhiteSpace(this[at]))
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Moves to the next row.</summary>
    /// <exception cref="InputException">The line is not CSV.</exception>
    internal bool Read()
    {
        if (_ahead.TryDequeue(out (string[], int) next))
        {
            _row = next;
            return true;
        }

        if (_reversed is null)
        {
            _row = null;
            return ReadNext();
        }

        bool isThere = _reversed.TryPop(out next);
        _row = next;
        return isThere;
    }

    /// <summary>The cells of the rows after the current one, which stays the current one; fewer than asked for at the end.</summary>
    /// <exception cref="InputException">The line is not CSV.</exception>
    internal IEnumerable<string[]> Peek(int count)
    {
        if (_reversed is null)
        {
            _row ??= (_csv.Parser.Record!, LineRead);
        }

        while (_ahead.Count < count && Next() is { } next)
        {
            _ahead.Enqueue(next);
        }

        return _ahead.Take(count).Select(row => row.Cells);
    }

    public void Dispose()
    {
        _csv.Dispose();
        _text.Dispose();
    }

    private int LineRead => _linesAbove + _csv.Parser.RawRow;

    private (string[] Cells, int Line)? Next() => _reversed is null
        ? ReadNext() ? (_csv.Parser.Record!, LineRead) : null
        : _reversed.TryPop(out (string[], int) next) ? next : null;

    private bool ReadNext()
    {
        try
        {
            return _csv.Read();
        }
        catch (Exception e) when (e is CsvHelperException or IOException)
        {
            throw Wrong(_path, e, _linesAbove);
        }
    }

    private static InputException Wrong(string path, Exception e, int linesAbove)
    {
        int line = linesAbove + ((e as CsvHelperException)?.Context?.Parser?.RawRow ?? 1);
        string what = e is MaxFieldSizeException ? $"a cell has more than {CellMax} characters" : "the line is not valid CSV";
        return new InputException($"Readings '{path}', line {line}: {what}.", e);
    }

    /// <summary>Refuses a file that is no text, such as a model.</summary>
    /// <exception cref="InputException">Its header has control characters.</exception>
    internal static void RequireText(string path, string header)
    {
        if (header.Any(letter => char.IsControl(letter) && letter != '\t'))
        {
            throw new InputException($"Readings '{path}' are no text. Give a CSV file whose first line names the columns.");
        }
    }

    /// <summary>The place of a column in a header; -1 if it is not there.</summary>
    /// <exception cref="InputException">It is there twice.</exception>
    internal static int Find(string path, string[] header, string column)
    {
        int at = Array.IndexOf(header, column);
        return at < 0 || Array.IndexOf(header, column, at + 1) < 0
            ? at
            : throw new InputException($"Readings '{path}' have two columns named '{column}'. Rename or remove one of them.");
    }

    private static StreamReader Text(string path, bool isWindows1252)
    {
        FileStream file = RegularFile.OpenRead(path);
        return isWindows1252 ? new StreamReader(file, CodePagesEncodingProvider.Instance.GetEncoding(1252)!) : new StreamReader(file);
    }

    // The header decides: it has the names that are looked for. A damaged row further on is no other encoding.
    private static bool IsUtf(string path)
    {
        using FileStream file = RegularFile.OpenRead(path);
        var begin = new byte[HeaderMax];
        ReadOnlySpan<byte> read = begin.AsSpan(0, file.ReadAtLeast(begin, begin.Length, throwOnEndOfStream: false));
        if (read.StartsWith(Encoding.Unicode.Preamble) || read.StartsWith(Encoding.BigEndianUnicode.Preamble))
        {
            return true;
        }

        read = read.StartsWith(Encoding.UTF8.Preamble) ? read[Encoding.UTF8.Preamble.Length..] : read;
        read = read.Length > 3 && Ascii.EqualsIgnoreCase(read[..4], "sep="u8) ? read[(read.IndexOf((byte)'\n') + 1)..] : read;
        int end = read.IndexOfAny((byte)'\r', (byte)'\n');
        return Utf8.IsValid(end >= 0 ? read[..end] : read.Length < HeaderMax ? read : WithoutLast(read));
    }

    // Without the last character, which may be cut off: a first byte, and up to three that begin with the bits 10.
    private static ReadOnlySpan<byte> WithoutLast(ReadOnlySpan<byte> text)
    {
        int first = text.Length - 1;
        while (first > text.Length - 4 && (text[first] & 0xC0) == 0x80)
        {
            first--;
        }

        return text[..first];
    }

    // The separator that a line above the header names, or null; and the header, as far as one can reach.
    private static (string? Separator, string Header) Begin(string path, bool isWindows1252)
    {
        using StreamReader text = Text(path, isWindows1252);
        var begin = new char[HeaderMax];
        ReadOnlySpan<char> read = begin.AsSpan(0, text.ReadBlock(begin));
        string first = Line(read);
        if (first.Length != SeparatorLine.Length + 1 || !first.StartsWith(SeparatorLine, StringComparison.OrdinalIgnoreCase))
        {
            return (null, first);
        }

        int next = read.IndexOf('\n') + 1;
        return (first[^1..], Line(read[(next > 0 ? next : first.Length)..]));

        static string Line(ReadOnlySpan<char> text)
        {
            int end = text.IndexOfAny('\r', '\n');
            return (end < 0 ? text : text[..end]).ToString();
        }
    }

    // The separator that makes the wanted columns of the header, else the most frequent one.
    private static string FindSeparator(string header, IReadOnlyList<string> columns)
    {
        string? found = columns.Count == 0 ? null : Separators.FirstOrDefault(
            separator => !columns.Except(header.Split(separator).Select(name => name.Trim().Trim('"').Trim())).Any());
        return found ?? Separators.MaxBy(separator => header.Split(separator).Length)!;
    }
}
