using System.Diagnostics;
using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;
using Edge.Inference;
using Edge.Sensors;
using Edge.Streams;

namespace Edge.Runtime.Commands;

/// <summary>
/// A CSV file of ticks that can be continued: a time column, then the channels. A cell without a measured value is empty.
/// </summary>
internal sealed class RecordingFile : IDisposable
{
    private static readonly TimeSpan FlushEvery = TimeSpan.FromSeconds(1);

    private readonly StreamWriter _text;
    private readonly CsvWriter _csv;
    private readonly bool _hasFaults;
    private long _flushedAt = Stopwatch.GetTimestamp();

    private RecordingFile(string path, FileStream file, bool hasFaults)
    {
        _hasFaults = hasFaults;
        _text = new StreamWriter(new OutputFile(file, path));
        _csv = new CsvWriter(_text, new CsvConfiguration(CultureInfo.InvariantCulture) { NewLine = "\n" });
    }

    /// <summary>Rows written by this process.</summary>
    internal long Rows { get; private set; }

    /// <summary>Creates a file, or continues one with the same header. Removes a last line that a power cut left incomplete.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="channels">Names of the channels.</param>
    /// <param name="faultColumn">Name of a last column that is 1 where a row is a fault, or null for none.</param>
    /// <param name="named">The file that errors name: the one whose place it takes; null for itself.</param>
    /// <exception cref="InputException">The file cannot be written, or has other columns.</exception>
    internal static RecordingFile Open(
        string path, IReadOnlyList<string> channels, string? faultColumn = null, string? named = null)
    {
        string[] columns = faultColumn is null ? [.. channels] : [.. channels, faultColumn];
        try
        {
            // Without a buffer of its own, so that closing it has nothing left to write when the disk is full.
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            try
            {
                bool isNew = !HasHeader(file, path, columns);
                var recording = new RecordingFile(named ?? path, file, faultColumn is not null);
                if (isNew)
                {
                    recording.WriteHeader(columns);
                }

                return recording;
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw FileFault.Unwritable(named ?? path, e);
        }
    }

    /// <exception cref="InputException">The disk does not accept the row.</exception>
    internal void Write(Reading reading, bool isFault = false)
    {
        _csv.WriteField(reading.Time.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
        for (int i = 0; i < reading.Values.Length; i++)
        {
            _csv.WriteField(reading.Quality[i].IsMeasured() ? reading.Values[i].ToString("G9", CultureInfo.InvariantCulture) : "");
        }

        if (_hasFaults)
        {
            _csv.WriteField(isFault ? "1" : "0");
        }

        _csv.NextRecord();
        Rows++;
        if (Stopwatch.GetElapsedTime(_flushedAt) >= FlushEvery)
        {
            Flush();
        }
    }

    /// <summary>Writes what is still in memory.</summary>
    /// <exception cref="InputException">The disk does not accept it.</exception>
    internal void Flush()
    {
        _csv.Flush();
        _text.Flush();
        _flushedAt = Stopwatch.GetTimestamp();
    }

    public void Dispose()
    {
        _csv.Dispose();
        _text.Dispose();
    }

    private void WriteHeader(IReadOnlyList<string> columns)
    {
        _csv.WriteField("time");
        foreach (string column in columns)
        {
            _csv.WriteField(column);
        }

        _csv.NextRecord();
    }

    private static bool HasHeader(FileStream file, string path, IReadOnlyList<string> columns)
    {
        if (file.Length == 0)
        {
            return false;
        }

        using var reader = new CsvReader(new StreamReader(file, leaveOpen: true), CultureInfo.InvariantCulture);
        string[] header = reader.Read() && reader.ReadHeader() ? reader.HeaderRecord! : [];
        string[] expected = ["time", .. columns];
        if (!header.SequenceEqual(expected))
        {
            throw new InputException(
                $"'{path}' exists with the columns {string.Join(", ", header)}. This stream has {string.Join(", ", expected)}. "
                    + $"Choose another file, or remove this one.");
        }

        CutUnfinishedLine(file);
        return true;
    }

    private static void CutUnfinishedLine(FileStream file)
    {
        long end = file.Length;
        for (; end > 0; end--)
        {
            file.Position = end - 1;
            if (file.ReadByte() == '\n')
            {
                break;
            }
        }

        file.SetLength(end);
        file.Position = end;
    }
}
