using Edge.Inference;
using Edge.Sensors.Timing;
using Edge.Streams;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Sensors.Replay;

/// <summary>
/// Recorded rows from a CSV file with a header; the separator , ; tab or | is detected. A cell that is empty or not a finite number is a
/// channel without a value, and does not end the stream. A time that cannot be read does. Rows that are missing are a gap, as those of
/// a live source; a row that is not newer than the one before is left out, and so are rows with a wrong time (<see cref="WrongTimes"/>).
/// </summary>
internal sealed class ReplaySensor : ISensor
{
    private readonly ReplayOptions _config;
    private readonly IReadOnlyList<string> _columns;
    private readonly TimeSpan _period;
    private readonly Pacer _pacer;
    private readonly ILogger _log;
    private readonly RecordingShape _shape;
    private CsvRows _csv;
    private long _rows;
    private long _rowsHere;
    private long _usableHere;
    private long _gaps;
    private string? _firstUnusable;
    private DateTime _first;
    private DateTime _lastInFile;
    private string _lastText = "";
    private int _lastLine;
    private bool _isBehind;
    private TimeSpan _loopOffset;
    private TimeSpan _offset;
    private DateTime _time;
    private long _skippedTicks;
    private bool _isDue;
    private bool _isEndSaid;

    /// <summary>Opens the file, finds the columns and decides how times and numbers are written.</summary>
    /// <exception cref="InputException">
    /// The file cannot be read, lacks a column, or is written in a way that cannot be told; or one of its first times cannot be read.
    /// </exception>
    internal ReplaySensor(
        ReplayOptions config,
        IReadOnlyList<string> columns,
        TimeSpan period,
        TimeProvider clock,
        ILogger? log = null)
    {
        _config = config;
        _columns = columns;
        _period = period;
        _pacer = new Pacer(config.Speed, clock);
        _log = log ?? NullLogger.Instance;
        _shape = RecordingShape.Of(config, columns);
        if (_shape.UnreadTime is { } problem)
        {
            throw new InputException($"Readings '{config.File}', {problem}.");
        }

        _csv = _shape.Open();
        SayWhatWasGuessed();
    }

    public SourceKind Kind => _pacer.IsUnpaced ? SourceKind.Unpaced : SourceKind.Recorded;

    /// <summary>Whether the file is read as Windows-1252.</summary>
    internal bool IsWindows1252 => _shape.IsWindows1252;

    public long SkippedRows { get; private set; }

    public string? LastSkip { get; private set; }

    private TimeSpan RowSpacing => _config.Spacing ?? _shape.Spacing ?? _period;

    /// <summary>The first row that was left out, as "line 7: 2026-01-01 00:05 after 2026-01-01 00:10 in line 6", or null.</summary>
    internal string? FirstSkip { get; private set; }

    /// <summary>
    /// Where the time goes back by an hour, as "line 7: 2026-10-25 02:00 after 2026-10-25 02:55 in line 6", if times without a zone are
    /// read as UTC and a clock that was set back may be why; or null.
    /// </summary>
    internal string? HourBack { get; private set; }

    /// <summary>Rows with more cells than the header has names.</summary>
    internal long TooLongRows { get; private set; }

    /// <summary>Line of the first of them.</summary>
    internal int FirstTooLongLine { get; private set; }

    /// <summary>Whether times without a zone are read as UTC, because no zone is configured.</summary>
    internal bool IsZoneGuessed => _shape.Times.IsZoneGuessed;

    /// <summary>Line of the row that was read last.</summary>
    internal int Line => _csv.Line;

    /// <summary>Rows that are left out because their time does not fit those of the rows after them.</summary>
    internal long RowsOfWrongTime { get; private set; }

    /// <summary>The first of them, as "line 7: 2099-01-01 00:00", or null.</summary>
    internal string? FirstWrongTime { get; private set; }

    public void Resume(long rows, DateTime lastTime)
    {
        while (_rows < rows && NextRow())
        {
            // Read only for its time, from which the loop offset and the pace continue.
        }

        _pacer.StartFrom(_offset);
    }

    public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        // A row whose wait was canceled is still the next one.
        if (!_isDue && !NextRow())
        {
            SayEnd();
            return false;
        }

        _isDue = true;
        into.Time = _time;
        into.SkippedTicks = _skippedTicks;
        bool isUsable = true;
        for (int i = 0; i < _columns.Count; i++)
        {
            isUsable &= ReadCell(into, i);
        }

        await _pacer.WaitAsync(_offset, cancel).ConfigureAwait(false);
        _isDue = false;
        _rowsHere++;
        _usableHere += isUsable ? 1 : 0;
        return true;
    }

    public void Dispose() => _csv.Dispose();

    // Moves to the next row that is newer than the one before.
    private bool NextRow()
    {
        while (true)
        {
            if (!_csv.Read() && !BeginAgain())
            {
                return false;
            }

            if (RowTime())
            {
                NoteTooLong();
                _rows++;
                return true;
            }
        }
    }

    private bool BeginAgain()
    {
        if (!_config.Loop || _rows == 0)
        {
            return false;
        }

        _loopOffset = _offset + _period;
        _lastInFile = default;
        _csv.Dispose();
        _csv = _shape.Open();
        return _csv.Read();
    }

    // A file without times begins at the Unix epoch. False for a row that is left out for its time.
    private bool RowTime()
    {
        DateTime time = DateTime.UnixEpoch + (_rows * _period);
        _skippedTicks = 0;
        if (_shape.TimesAt.Length > 0)
        {
            string text = _shape.TimeText(_csv);
            if (_shape.ReadTime(text, _lastInFile, out DateTime written) is { } problem)
            {
                throw new InputException($"Readings '{_config.File}', line {_csv.Line}: {problem}.");
            }

            if (_lastInFile != default && written <= _lastInFile)
            {
                NoteHourBack(text, written);
                Skip(text);
                return false;
            }

            if (IsWrong(written))
            {
                SkipWrongTime(text);
                return false;
            }

            NoteGap(written);
            (_lastInFile, _lastText, _lastLine, _isBehind) = (written, text, _csv.Line, false);
            time = _rows == 0 ? written : written + _loopOffset;
        }

        if (_rows == 0)
        {
            _first = time;
        }

        _offset = time - _first;
        _time = time;
        return true;
    }

    // Only the first row, or one before which rows seem to be missing, can have a wrong time that costs the rows after it.
    private bool IsWrong(DateTime written)
    {
        TimeSpan spacing = RowSpacing;
        return _lastInFile == default
            ? WrongTimes.IsFirstWrong(written, TimesAhead(WrongTimes.LookAheadOfFirst), spacing)
            : written - _lastInFile > spacing && WrongTimes.LiesAhead(_lastInFile, written, TimesAhead(WrongTimes.LookAhead));
    }

    // Times of the next rows; the default for one that cannot be read.
    private DateTime[] TimesAhead(int rows) =>
    [
        .. _csv.Peek(rows).Select(cells =>
            _shape.ReadTime(_shape.TimeText(cells), _lastInFile, out DateTime time) is null ? time : default),
    ];

    private void SkipWrongTime(string text)
    {
        text = PrintableText.Of(text);
        if (RowsOfWrongTime++ == 0)
        {
            FirstWrongTime = $"line {_csv.Line}: {text}";
            _log.LogWarning(
                "Readings '{File}', line {Line}: the time {Time} does not fit those of the rows after it. The row is left out, and so are "
                    + "later ones like it",
                _config.File,
                _csv.Line,
                text);
        }
    }

    private void NoteGap(DateTime written)
    {
        TimeSpan spacing = RowSpacing;
        if (_lastInFile == default || spacing <= TimeSpan.Zero)
        {
            return;
        }

        _skippedTicks = Math.Max(0, (long)Math.Round((written - _lastInFile) / spacing) - 1);
        if (_skippedTicks > 0 && _gaps++ == 0)
        {
            _log.LogWarning(
                "Readings '{File}', line {Line}: {Rows} missing before this one. It is marked as a gap, and so are later ones",
                _config.File,
                _csv.Line,
                Quantity.Of(_skippedTicks, "row is", "rows are"));
        }
    }

    private void Skip(string text)
    {
        FirstSkip ??= Place(text);
        LastSkip = $"line {_csv.Line}: the time {PrintableText.Of(text)} is not newer than the one before";
        if (SkippedRows++ == 0)
        {
            _log.LogWarning("Readings '{File}', {Why}. The row is left out, and so are later ones like it", _config.File, LastSkip);
        }
    }

    // A clock that is set back in autumn shows an hour twice, which begins as far behind the last row as the hour has rows after it.
    private void NoteHourBack(string text, DateTime written)
    {
        TimeSpan spacing = RowSpacing;
        double rows = (_lastInFile - written + spacing - TimeSpan.FromHours(1)) / spacing;
        if (HourBack is not null || !IsZoneGuessed || _isBehind || spacing >= TimeSpan.FromHours(1) || !(Math.Abs(rows) < 0.5))
        {
            _isBehind = true;
            return;
        }

        _isBehind = true;
        HourBack = Place(text);
        _log.LogWarning(
            "Readings '{File}', {Where}: the time goes back by an hour, as clocks do in autumn. Set {Setting}, such as Europe/Berlin, to "
                + "keep the rows of the hour that comes twice",
            _config.File,
            HourBack,
            _config.Times.ZoneSetting);
    }

    private string Place(string text) =>
        $"line {_csv.Line}: {PrintableText.Of(text)} after {PrintableText.Of(_lastText)} in line {_lastLine}";

    private void NoteTooLong()
    {
        if (_csv.IsTooLong && TooLongRows++ == 0)
        {
            FirstTooLongLine = _csv.Line;
            _log.LogWarning(
                "Readings '{File}', line {Line}: the row has {Cells} cells, and the header has {Names} names. What is behind them is not "
                    + "read, nor is it in later rows like this one",
                _config.File,
                _csv.Line,
                _csv.Count,
                _csv.Header.Length);
        }
    }

    private bool ReadCell(Reading into, int channel)
    {
        string? cell = _csv[_shape.ColumnsAt[channel]];
        double value = _shape.Number(_csv, channel);
        bool isNumber = double.IsFinite(value);
        into.Values[channel] = isNumber ? value : 0;
        into.Quality[channel] = isNumber ? Quality.Good : string.IsNullOrWhiteSpace(cell) ? Quality.Missing : Quality.Invalid;
        if (!isNumber)
        {
            _firstUnusable ??= $"line {_csv.Line}: '{_columns[channel]}' is {PrintableText.Quoted(cell)}";
        }

        return isNumber;
    }

    private void SayWhatWasGuessed()
    {
        if (IsWindows1252)
        {
            _log.LogInformation("Readings '{File}' are not UTF-8 and are read as Windows-1252", _config.File);
        }

        if (_shape.Times.IsZoneGuessed)
        {
            _log.LogInformation("Readings '{File}': the times name no zone and are read as UTC. 'timezone' sets another", _config.File);
        }

        if (_shape.IsFarFrom(_period))
        {
            _log.LogWarning(
                "Readings '{File}': the rows are {Spacing} s apart, and the stream's period is {Period} s",
                _config.File,
                (_shape.Spacing ?? default).TotalSeconds,
                _period.TotalSeconds);
        }
    }

    private void SayEnd()
    {
        if (_isEndSaid)
        {
            return;
        }

        _isEndSaid = true;
        if (_usableHere == 0 && _rowsHere == _rows)
        {
            throw new InputException(_rows == 0
                ? $"Readings '{_config.File}' have no row."
                : $"Readings '{_config.File}' have no row with a number in every column ({_firstUnusable}). "
                    + "Check the columns and the file.");
        }

        if (SkippedRows + RowsOfWrongTime + _gaps > 0)
        {
            _log.LogWarning(
                "Readings '{File}': gaps: {Gaps}; rows not newer than the one before: {Skipped}; rows with a wrong time: {Wrong}",
                _config.File,
                _gaps,
                SkippedRows,
                RowsOfWrongTime);
        }
    }
}
