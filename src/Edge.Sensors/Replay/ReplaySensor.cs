using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;
using Edge.Inference;
using Edge.Sensors.Timing;
using Edge.Streams;

namespace Edge.Sensors.Replay;

/// <summary>
/// Recorded rows from a CSV file with a header; the separator , ; tab or | is detected. A cell that is empty or
/// not a finite number is a channel without a value, and does not end the stream.
/// </summary>
internal sealed class ReplaySensor : ISensor
{
    /// <summary>What may stand between two cells.</summary>
    internal static readonly string[] Separators = [",", ";", "\t", "|"];

    private readonly ReplayOptions _config;
    private readonly IReadOnlyList<string> _columns;
    private readonly TimeSpan _period;
    private readonly Pacer _pacer;
    private int[] _at = [];
    private int _timeAt;
    private StreamReader? _text;
    private CsvReader? _csv;
    private long _rows;
    private DateTime _first;
    private TimeSpan _loopOffset;
    private TimeSpan _offset;

    /// <summary>Opens the file and finds the columns.</summary>
    /// <exception cref="InputException">The file cannot be read or lacks a column.</exception>
    internal ReplaySensor(ReplayOptions config, IReadOnlyList<string> columns, TimeSpan period, TimeProvider clock)
    {
        _config = config;
        _columns = columns;
        _period = period;
        _pacer = new Pacer(config.Speed, clock);
        Open();
    }

    private DateTime _time;
    private bool _isDue;

    public SourceKind Kind => _pacer.IsUnpaced ? SourceKind.Unpaced : SourceKind.Recorded;

    /// <summary>Line of the file that the last row came from.</summary>
    internal int Line => _csv?.Parser.RawRow ?? 0;

    public void Resume(long rows, DateTime lastTime)
    {
        while (_rows < rows && NextRow(out _))
        {
            // Read only for its time, from which the loop offset and the pace continue.
        }

        _pacer.StartFrom(_offset);
    }

    public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        // A row whose wait was canceled is still the next one.
        if (!_isDue && !NextRow(out _time))
        {
            return false;
        }

        _isDue = true;
        into.Time = _time;
        for (int i = 0; i < _at.Length; i++)
        {
            ReadCell(_at[i], into, i);
        }

        await _pacer.WaitAsync(_offset, cancel).ConfigureAwait(false);
        _isDue = false;
        return true;
    }

    public void Dispose()
    {
        _csv?.Dispose();
        _text?.Dispose();
    }

    private bool NextRow(out DateTime time)
    {
        time = default;
        if (!Next())
        {
            if (!_config.Loop || _rows == 0)
            {
                return false;
            }

            _loopOffset = _offset + _period;
            Open();
            if (!Next())
            {
                return false;
            }
        }

        time = RowTime();
        _rows++;
        return true;
    }

    private bool Next()
    {
        try
        {
            return _csv!.Read();
        }
        catch (Exception e) when (e is CsvHelperException or IOException)
        {
            throw new InputException($"Readings '{_config.File}', line {Line}: the line is not valid CSV.", e);
        }
    }

    private void Open()
    {
        Dispose();
        try
        {
            _text = new StreamReader(_config.File);
            _csv = new CsvReader(_text, new CsvConfiguration(CultureInfo.InvariantCulture)
            {
                DetectDelimiter = true,
                DetectDelimiterValues = Separators,
                BadDataFound = null,
                MissingFieldFound = null,
                MaxFieldSize = 4096,
            });
            if (!_csv.Read() || !_csv.ReadHeader())
            {
                throw new InputException($"Readings '{_config.File}' are empty: the first line must be a header with the column names.");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or CsvHelperException)
        {
            throw new InputException($"Readings '{_config.File}' cannot be read: {e.Message}", e);
        }

        string[] header = _csv.HeaderRecord!.Select(name => name.Trim()).ToArray();
        _at = _columns.Select(column => Array.IndexOf(header, column)).ToArray();
        int missing = Array.IndexOf(_at, -1);
        if (missing >= 0)
        {
            throw new InputException(
                $"Readings '{_config.File}' have no column '{_columns[missing]}', which the model reads; "
                    + $"the header has {string.Join(", ", header.Select(name => $"'{name}'"))}.");
        }

        _timeAt = FindTimeColumn(header);
    }

    // The named column, else the first that is not of the model and named like a time, else none.
    private int FindTimeColumn(string[] header)
    {
        if (_config.TimeColumn is { } named)
        {
            int at = Array.IndexOf(header, named);
            return at >= 0
                ? at
                : throw new InputException(
                    $"Readings '{_config.File}' have no time column '{named}'; "
                        + $"the header has {string.Join(", ", header.Select(name => $"'{name}'"))}.");
        }

        return Array.FindIndex(header, name => !_columns.Contains(name)
            && name.ToLowerInvariant() is "time" or "date" or "datetime" or "timestamp" or "ts" or "date_time");
    }

    // Rows without a usable time follow the one before by a period; a file without times begins at the Unix epoch.
    private DateTime RowTime()
    {
        DateTime stamp = DateTime.UnixEpoch + (_rows * _period);
        if (_timeAt >= 0)
        {
            stamp = Timestamp.TryParse(_csv!.GetField(_timeAt), out DateTime time)
                ? time + _loopOffset
                : _first + _offset + (_rows == 0 ? TimeSpan.Zero : _period);
        }

        if (_rows == 0)
        {
            _first = stamp;
        }

        _offset = stamp - _first;
        return stamp;
    }

    private void ReadCell(int at, Reading into, int channel)
    {
        string? cell = _csv!.GetField(at);
        bool isNumber = double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value);
        into.Values[channel] = isNumber ? value : 0;
        into.Quality[channel] = isNumber ? Quality.Good : string.IsNullOrWhiteSpace(cell) ? Quality.Missing : Quality.Invalid;
    }
}
