using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Sensors;
using Edge.Sensors.Replay;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Streams.Forecasting;

namespace Edge.Quantize.Learning;

/// <summary>
/// Recorded rows to learn from, in the order of time, as a stream would see them: a missing cell is held, missing rows are a gap, rows that
/// are not newer than the one before are left out. Cells that are no number count as missing.
/// </summary>
internal sealed class TrainingRows
{
    // Blocks of the training rows, and how many fit for each one that chooses.
    private const int Blocks = 40;
    private const int BlocksPerChoice = 8;

    // Ticks between two files: no forecast reaches from one into the next.
    private const long BetweenFiles = 1_000_000_000;

    private readonly float[] _values;
    private readonly bool[] _isKnown;

    private TrainingRows(
        IReadOnlyList<NamedColumn> columns, TimeSpan period, CalendarInput[] calendar, LoadedRows loaded, double[] mean, double[] std,
        float[] values)
    {
        (Columns, Period, Calendar, Mean, Std, _values) = (columns, period, calendar, mean, std, values);
        (_isKnown, Ticks, IsFault) = ([.. loaded.IsKnown], [.. loaded.Ticks], [.. loaded.IsFault]);
        Times = [.. loaded.Times];
        (TrainEnd, ValidationEnd) = loaded.Ends;
    }

    // Rows that are there already.
    private TrainingRows(ModelManifest manifest, ReadingsFile readings, int scored)
    {
        int rows = readings.RowCount;
        Columns = [.. manifest.Columns.Zip(manifest.Units, (name, unit) => new NamedColumn(name, unit))];
        (Period, Calendar) = (TimeSpan.FromSeconds(manifest.PeriodSeconds), manifest.Calendar);
        (Mean, Std) = ([.. manifest.Mean], [.. manifest.Std]);
        _values = readings.Rows(rows).ToArray();
        _isKnown = [.. Enumerable.Repeat(true, rows * Columns.Count)];
        Ticks = [.. Enumerable.Range(0, rows)];
        IsFault = new bool[rows];
        Times = new DateTime[rows];
        (TrainEnd, ValidationEnd) = (scored * 7 / 8, scored);
    }

    /// <summary>The columns that are learned.</summary>
    internal IReadOnlyList<NamedColumn> Columns { get; }

    /// <summary>From one tick to the next.</summary>
    internal TimeSpan Period { get; }

    /// <summary>Mean of each column over the training rows.</summary>
    internal double[] Mean { get; }

    /// <summary>Standard deviation of each column over the training rows.</summary>
    internal double[] Std { get; }

    /// <summary>Number of the tick of each row; a jump is a gap.</summary>
    internal long[] Ticks { get; }

    /// <summary>Time of each row, UTC; the default where none is known.</summary>
    internal DateTime[] Times { get; }

    /// <summary>Whether a person marked a row as a fault: nothing is learned from it.</summary>
    internal bool[] IsFault { get; }

    /// <summary>What a person should know about the file, one sentence each.</summary>
    internal required IReadOnlyList<string> Notes { get; init; }

    internal int RowCount => Ticks.Length;

    /// <summary>Rows that are learned from: the first seven tenths.</summary>
    internal int TrainEnd { get; }

    /// <summary>Rows from <see cref="TrainEnd"/> to here choose; the rest is for the score.</summary>
    internal int ValidationEnd { get; }

    /// <summary>
    /// Whether a row before <see cref="ValidationEnd"/> chooses rather than fits: those after <see cref="TrainEnd"/>, and one block of
    /// eight before it, so that a choice is made over everything that the plant did and not only over its last days.
    /// </summary>
    internal bool Chooses(int row) => row >= TrainEnd || (long)row * Blocks / TrainEnd % BlocksPerChoice == BlocksPerChoice / 2;

    /// <summary>Parts of the rows that choose: the blocks, and as many of those after <see cref="TrainEnd"/>.</summary>
    internal const int ChoosingParts = 2 * Blocks / BlocksPerChoice;

    /// <summary>The part of a row that chooses.</summary>
    internal int ChoosingPart(int row) => row < TrainEnd
        ? (int)((long)row * Blocks / TrainEnd / BlocksPerChoice)
        : (int)(ChoosingParts / 2 * (1 + ((double)(row - TrainEnd) / (ValidationEnd - TrainEnd))));

    /// <summary>What of the time the rows tell, if they are long enough to learn from it.</summary>
    internal IReadOnlyList<CalendarInput> Calendar { get; }

    /// <summary>Values of a row: its columns and the calendar.</summary>
    internal int Width => Columns.Count + CalendarInputs.Count(Calendar);

    /// <summary>Rows of normalized readings, one after the other.</summary>
    internal float[] Values => _values;

    /// <summary>One row of normalized readings, and the calendar.</summary>
    internal ReadOnlySpan<float> Row(int row) => _values.AsSpan(row * Width, Width);

    /// <summary>Whether a value was measured, not held.</summary>
    internal bool IsKnown(int row, int column) => _isKnown[(row * Columns.Count) + column];

    /// <summary>The row so many ticks after each row; -1 where there is none.</summary>
    internal int[] RowsAhead(int ticks)
    {
        int[] ahead = new int[RowCount];
        int next = 0;
        for (int row = 0; row < ahead.Length; row++)
        {
            while (next < RowCount && Ticks[next] < Ticks[row] + ticks)
            {
                next++;
            }

            ahead[row] = next < RowCount && Ticks[next] == Ticks[row] + ticks ? next : -1;
        }

        return ahead;
    }

    /// <summary>The rows of a model that is there already, for the simple forecasts beside it.</summary>
    /// <param name="manifest">Of the model.</param>
    /// <param name="readings">The rows.</param>
    /// <param name="scored">First row that is scored.</param>
    internal static TrainingRows Of(ModelManifest manifest, ReadingsFile readings, int scored) =>
        new(manifest, readings, scored) { Notes = [] };

    /// <summary>Reads one or more recordings with the same columns.</summary>
    /// <param name="files">The files, one after the other with a gap between, and how their times are written.</param>
    /// <param name="wanted">Columns to take; empty for all that hold numbers.</param>
    /// <param name="period">From one row to the next; null for what the times say.</param>
    /// <param name="calendar">What of the time to learn from; null for what the rows are long enough for.</param>
    /// <param name="areTicks">Whether each row is a tick of a device, whatever the times say of their distance.</param>
    /// <exception cref="InputException">The file cannot be read, or has too little to learn from.</exception>
    internal static TrainingRows Load(
        IReadOnlyList<ReplayOptions> files, IReadOnlyList<NamedColumn> wanted, TimeSpan? period,
        IReadOnlyList<CalendarInput>? calendar = null, bool areTicks = false)
    {
        if (period <= TimeSpan.Zero)
        {
            throw new InputException("--period must be more than 0 seconds.");
        }

        var notes = new List<string>();
        ReplayOptions options = files[0];
        List<NamedColumn> columns = RecordingColumns.Choose(options, wanted, notes);
        string[] names = [.. columns.Select(column => column.Name)];
        RecordingPeriod chosen = RecordingPeriod.Of(options, names, period, areTicks, notes);
        TimeSpan spacing = chosen.Period;

        var loaded = new LoadedRows([], [], [], [], []);
        foreach (ReplayOptions file in files)
        {
            string where = files.Count == 1 ? "" : $"{Path.GetFileName(file.File)}: ";
            Read(file, names, RecordingColumns.FaultsOf(file, names), chosen, loaded, where, notes);
        }

        int rows = loaded.Ticks.Count;
        if (rows < LearningRows.Min)
        {
            throw new InputException(
                $"Readings '{options.File}' have {Quantity.Of(rows, "usable row")}; at least {LearningRows.Min} are needed to learn "
                    + $"from. {loaded.WhyTooFew()}.");
        }

        loaded.RequireNeighbors(options.File, spacing);
        return Normalize(options.File, columns, spacing, calendar, keepsConstant: wanted.Count > 0, loaded, notes);
    }

    // Constant columns are left out unless a person named them; others get mean and deviation of what was measured in the training rows.
    private static TrainingRows Normalize(
        string file, List<NamedColumn> columns, TimeSpan spacing, IReadOnlyList<CalendarInput>? wanted, bool keepsConstant,
        LoadedRows loaded, List<string> notes)
    {
        int all = columns.Count;
        int rows = loaded.Ticks.Count;
        int end = loaded.Ends.Train;
        var kept = new List<int>();
        var mean = new List<double>();
        var std = new List<double>();
        int constant = 0;
        for (int i = 0; i < all; i++)
        {
            (double sum, double squares, int count) = (0, 0, 0);
            double pivot = loaded.Values[i];
            for (int row = 0; row < end; row++)
            {
                if (loaded.IsKnown[(row * all) + i] && !loaded.IsFault[row])
                {
                    double value = loaded.Values[(row * all) + i] - pivot;
                    (sum, squares, count) = (sum + value, squares + (value * value), count + 1);
                }
            }

            double middle = count == 0 ? 0 : sum / count;
            double variance = count == 0 ? 0 : (squares / count) - (middle * middle);
            double deviation = Math.Sqrt(Math.Max(0, variance));
            if (deviation <= 1e-9 * Math.Max(1e-3, Math.Abs(pivot + middle)))
            {
                constant++;
                notes.Add(
                    $"{(keepsConstant ? "note" : "left out")}: column '{columns[i].Name}' never changes in the training rows");
                if (!keepsConstant)
                {
                    continue;
                }

                deviation = 1;
            }

            kept.Add(i);
            mean.Add(pivot + middle);
            std.Add(deviation);
        }

        if (constant == all)
        {
            throw new InputException($"Readings '{file}' have no column that changes. There is nothing to forecast.");
        }

        if (wanted is { Count: > 0 } && !HasTimes(loaded))
        {
            throw new InputException($"--calendar needs the times of the rows, and readings '{file}' have none. Remove it.");
        }

        CalendarInput[] calendar = wanted is null ? ChooseCalendar(loaded, end, kept.Count) : [.. wanted];
        int width = kept.Count + CalendarInputs.Count(calendar);
        var values = new float[rows * width];
        var isKnown = new List<bool>(rows * kept.Count);
        for (int row = 0; row < rows; row++)
        {
            for (int k = 0; k < kept.Count; k++)
            {
                values[(row * width) + k] = (float)((loaded.Values[(row * all) + kept[k]] - mean[k]) / std[k]);
                isKnown.Add(loaded.IsKnown[(row * all) + kept[k]]);
            }

            CalendarInputs.Fill(calendar, loaded.Times[row], values.AsSpan((row * width) + kept.Count, width - kept.Count));
        }

        NamedColumn[] chosen = [.. kept.Select(i => columns[i])];
        return new TrainingRows(
            chosen, spacing, calendar, loaded with { IsKnown = isKnown }, [.. mean], [.. std], values)
        { Notes = notes };
    }

    // A part of the time is learned if the training rows pass it often enough to tell it from a trend, in several steps, and the last rows
    // do not reach back so far: the same time of the day before is in the readings, and a clock can be wrong.
    private static CalendarInput[] ChooseCalendar(LoadedRows loaded, int end, int columns)
    {
        if (!HasTimes(loaded))
        {
            return [];
        }

        List<DateTime> times = loaded.Times;
        TimeSpan span = times[end - 1] - times[0];
        TimeSpan step = span / end;
        (CalendarInput Input, double Days, double Times)[] parts =
            [(CalendarInput.Day, 1, 3), (CalendarInput.Week, 7, 4), (CalendarInput.Year, 365, 2)];
        return
        [
            .. parts.Where(part => span.TotalDays >= part.Days * part.Times && step.TotalDays <= part.Days / 4
                && !LinearForecast.Reaches(part.Days / step.TotalDays, columns, end)).Select(part => part.Input),
        ];
    }

    // Rows without times begin at the epoch.
    private static bool HasTimes(LoadedRows loaded) => loaded.Times[0] != DateTime.UnixEpoch;

    private static void Read(
        ReplayOptions options, string[] names, string? faults, RecordingPeriod period, LoadedRows loaded, string where, List<string> notes)
    {
        string[] all = faults is null ? names : [.. names, faults];
        bool thins = period.Thins(options, names);
        using var sensor = new ReplaySensor(
            options with { Speed = PlaybackSpeed.Max, Spacing = period.Spacing, FlagColumn = faults },
            all,
            period.Period,
            TimeProvider.System);
        var reading = new Reading(all.Length);
        var last = new double[names.Length];
        var isThere = new bool[names.Length];
        long tick = loaded.Ticks.Count == 0 ? -1 : loaded.Ticks[^1] + BetweenFiles;
        int first = loaded.Ticks.Count;
        var lines = new List<int>();
        (long held, long text, long before, long gaps, long near) = (0, 0, 0, 0, 0);
        DateTime? taken = null;
        while (sensor.ReadAsync(reading, CancellationToken.None).AsTask().GetAwaiter().GetResult())
        {
            long skipped = reading.SkippedTicks;
            if (thins)
            {
                if (period.IsTooNear(taken, reading.Time))
                {
                    near++;
                    continue;
                }

                skipped = period.SkippedTicks(taken, reading.Time);
                taken = reading.Time;
            }

            tick += 1 + skipped;
            gaps += skipped > 0 ? 1 : 0;
            for (int i = 0; i < names.Length; i++)
            {
                if (reading.Quality[i] == Quality.Good)
                {
                    (last[i], isThere[i]) = (reading.Values[i], true);
                }

                text += reading.Quality[i] == Quality.Invalid ? 1 : 0;
            }

            if (isThere.Contains(false))
            {
                before++;
                continue;
            }

            lines.Add(sensor.Line);
            loaded.Ticks.Add(tick);
            loaded.Times.Add(reading.Time);
            loaded.IsFault.Add(faults is not null && reading.Quality[^1] == Quality.Good && reading.Values[^1] != 0);
            for (int i = 0; i < names.Length; i++)
            {
                loaded.Values.Add(last[i]);
                loaded.IsKnown.Add(reading.Quality[i] == Quality.Good);
                held += reading.Quality[i] == Quality.Good ? 0 : 1;
            }
        }

        Say(sensor.IsWindows1252 ? 1 : 0, $"Readings '{options.File}' are not UTF-8 and are read as Windows-1252.");
        Say(held, $"{Quantity.Of(held, "cell")} without a number ({text} with text): the last value stands in, and is no target");
        Say(
            sensor.TooLongRows,
            $"{Quantity.Of(sensor.TooLongRows, "row")} with more cells than the header has names, the first in line "
                + $"{sensor.FirstTooLongLine}: what is behind them is not read");
        Say(
            sensor.IsZoneGuessed ? 1 : 0,
            "the times name no zone and are read as UTC; --timezone sets another, such as Europe/Berlin");
        Say(before, $"left out: {Quantity.Of(before, "row")} before the first number of every column");
        Say(near, $"left out: {Quantity.Of(near, "row")} that follow the one before faster than the period");
        Say(gaps, $"{Quantity.Of(gaps, "gap")}: no forecast is learned across a gap");
        loaded.Skipped += sensor.SkippedRows;
        loaded.FirstSkipped ??= sensor.SkippedRows > 0 ? SkippedRows(sensor) : null;
        Say(sensor.SkippedRows, loaded.WarningOfSkipped(sensor, lines.Count + before + near) ?? SkippedRows(sensor));
        Say(
            sensor.HourBack is null ? 0 : 1,
            $"the time goes back by an hour in {sensor.HourBack}, as clocks do in autumn: --timezone, such as Europe/Berlin, keeps the "
                + "rows of the hour that comes twice");
        Say(
            sensor.RowsOfWrongTime,
            $"left out: {Quantity.Of(sensor.RowsOfWrongTime, "row")} with a time that does not fit the rows behind "
                + $"({sensor.FirstWrongTime})");
        loaded.TakeOutSentinels(first, names, lines, sentence => notes.Add(where + sentence));
        long marked = loaded.IsFault.Skip(first).Count(isFault => isFault);
        Say(marked, $"not learned from: {Quantity.Of(marked, "row")} marked as a fault in column '{faults}'");

        void Say(long count, string sentence)
        {
            if (count > 0)
            {
                notes.Add(where + sentence);
            }
        }
    }

    private static string SkippedRows(ReplaySensor sensor) =>
        $"left out: {Quantity.Of(sensor.SkippedRows, "row")} not newer than the one before, the first in {sensor.FirstSkip}";
}
