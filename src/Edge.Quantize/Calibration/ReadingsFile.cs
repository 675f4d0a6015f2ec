using System.Globalization;
using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Sensors;
using Edge.Sensors.Replay;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Quantize.Calibration;

/// <summary>
/// Recorded readings, row by row, normalized as the model takes them: the manifest's columns of a CSV file, or rows as
/// <c>infer</c> takes them (.f32, or .i64 for symbols).
/// </summary>
internal sealed class ReadingsFile
{
    // As long as a stream holds a value by default.
    private static readonly int HoldRows = new StreamOptions { Name = "" }.HoldTicks;

    private readonly float[] _values;
    private DateTime[] _times = [];
    private bool[]? _isFault;

    private ReadingsFile(float[] values, int columns)
    {
        _values = values;
        ColumnCount = columns;
    }

    internal int ColumnCount { get; }

    /// <summary>Missing values for which the last one stands in.</summary>
    internal int HeldValues { get; private init; }

    /// <summary>Rows that are left out, because a value is missing for longer than it is held.</summary>
    internal int SkippedRows { get; private init; }

    /// <summary>Rows that a column of the file marks as a fault.</summary>
    internal int FaultRows => _isFault?.Count(isFault => isFault) ?? 0;

    /// <summary>What a person should know about the file, one sentence each.</summary>
    internal IReadOnlyList<string> Notes { get; private init; } = [];

    internal int RowCount => _values.Length / ColumnCount;

    /// <summary>Rows that are there already, normalized.</summary>
    /// <param name="values">One row after the other.</param>
    /// <param name="columns">Values of a row.</param>
    /// <param name="isFault">Which rows a person marked as a fault; null for none.</param>
    /// <param name="times">Times of the rows, UTC; null if they are not known.</param>
    internal static ReadingsFile Of(float[] values, int columns, bool[]? isFault = null, DateTime[]? times = null) =>
        new(values, columns) { _isFault = isFault, _times = times ?? [] };

    /// <summary>Recordings of the same columns, one after the other.</summary>
    internal static ReadingsFile Joined(IReadOnlyList<ReadingsFile> files) =>
        new([.. files.SelectMany(file => file._values)], files[0].ColumnCount)
        {
            _times = files.All(file => file._times.Length > 0) ? [.. files.SelectMany(file => file._times)] : [],
            _isFault = files.Any(file => file._isFault is not null)
                ? [.. files.SelectMany(file => file._isFault ?? new bool[file.RowCount])]
                : null,
            HeldValues = files.Sum(file => file.HeldValues),
            SkippedRows = files.Sum(file => file.SkippedRows),
            Notes = [.. files.SelectMany(file => file.Notes)],
        };

    /// <summary>The rows from <paramref name="begin"/> to <paramref name="end"/> with one column raised.</summary>
    internal ReadingsFile Shifted(int begin, int end, int column, float by)
    {
        float[] values = _values[(begin * ColumnCount)..(end * ColumnCount)];
        for (int at = column; at < values.Length; at += ColumnCount)
        {
            values[at] += by;
        }

        return new ReadingsFile(values, ColumnCount);
    }

    /// <summary>Says where a model's profile knows little: its calibration rows do not hold a day, or differ in their levels.</summary>
    internal static void NoteGaps(int rows, ModelManifest manifest, TextWriter output)
    {
        if (!manifest.NormalProfile.IsEmpty && rows * TimeSpan.FromSeconds(manifest.PeriodSeconds) < TimeSpan.FromDays(1))
        {
            output.WriteLine("these rows are of less than a day: what only other times of the day bring will look abnormal");
        }

        if (!NormalProfileLearner.LevelsHold(manifest))
        {
            output.WriteLine("the recordings differ in their levels: of each stream, the first 400 rows say what is normal");
        }
    }

    /// <summary>
    /// What is normal for the columns of a model on these rows, without those of a fault, for the detector; empty if they are too few. To
    /// the detector every symbol is the same.
    /// </summary>
    /// <param name="begin">First row.</param>
    /// <param name="end">One past the last row.</param>
    /// <param name="manifest">The columns of the model; what follows them is its calendar.</param>
    internal byte[] LearnNormal(int begin, int end, ModelManifest manifest)
    {
        int columns = manifest.Columns.Count;
        var values = new List<float>((end - begin) * columns);
        var times = new List<DateTime>();
        for (int row = begin; row < end; row++)
        {
            if (_isFault?[row] != true)
            {
                values.AddRange(Row(row)[..manifest.ReadingCount]);
                CollectionsMarshal.SetCount(values, values.Count + columns - manifest.ReadingCount);
                if (_times.Length > 0)
                {
                    times.Add(_times[row]);
                }
            }
        }

        return NormalProfileLearner.Learn(CollectionsMarshal.AsSpan(values), columns, CollectionsMarshal.AsSpan(times));
    }

    /// <summary>The first rows, one after the other.</summary>
    internal ReadOnlySpan<float> Rows(int count) => _values.AsSpan(0, count * ColumnCount);

    /// <summary>One row of normalized readings.</summary>
    internal ReadOnlySpan<float> Row(int row) => _values.AsSpan(row * ColumnCount, ColumnCount);

    /// <summary>
    /// Reads a CSV file with a header as a replay does, or raw rows. An empty cell, <c>nan</c>, <c>null</c> or Home
    /// Assistant's <c>unavailable</c> is a missing value: as in a stream, the last one is held for some rows, and then the row is left out.
    /// </summary>
    /// <param name="recording">
    /// The file, where and how it writes its times, which a model with a calendar reads, and the column that marks faults.
    /// </param>
    /// <param name="manifest">Names the columns and how they are normalized.</param>
    /// <param name="withoutSentinels">
    /// Whether values of a CSV file that stand in place of a measurement count as missing: see <see cref="Sentinels"/>. For rows that set a
    /// scale.
    /// </param>
    /// <exception cref="InputException">
    /// A column is missing or empty, or a cell is not a finite number; the message names line and column.
    /// </exception>
    internal static ReadingsFile Load(ReplayOptions recording, ModelManifest manifest, bool withoutSentinels = false)
    {
        string path = recording.File;
        if (RawRows.Is(path))
        {
            float[] rows = RawRows.Read(path, "Readings", manifest.InputCount);
            return rows.Length >= 2 * manifest.InputCount
                ? new ReadingsFile(rows, manifest.InputCount)
                : throw new InputException($"Readings '{path}' have fewer than the 2 rows that are needed.");
        }

        var notes = new List<string>();
        Cells cells = ReadCells(recording, manifest, notes);
        if (withoutSentinels)
        {
            TakeOutSentinels(CollectionsMarshal.AsSpan(cells.Values), manifest, cells.Lines, notes);
        }

        return Hold(path, manifest, cells, notes);
    }

    // The reader of replay and train finds columns, times and decimal commas; but here a cell that is text is refused, not held.
    private static Cells ReadCells(ReplayOptions recording, ModelManifest manifest, List<string> notes)
    {
        string path = recording.File;
        int columns = manifest.Columns.Count;
        string? faults = recording.FlagColumn;
        RecordingShape shape = RecordingShape.Of(recording, faults is null ? manifest.Columns : [.. manifest.Columns, faults]);
        Note(path, shape, manifest, notes);
        var times = new RecordingTimes(path, shape, isNeeded: manifest.Calendar.Count > 0);
        using CsvRows rows = shape.Open();
        var cells = new Cells([], [], [], [], []);
        float[] calendar = new float[manifest.InputCount - columns];
        while (rows.Read())
        {
            for (int i = 0; i < columns; i++)
            {
                string? cell = rows[shape.ColumnsAt[i]];
                double value = shape.Number(rows, i);
                if (!double.IsFinite(value) && (cell is null || !CellText.HasNoValue(cell)))
                {
                    throw new InputException(
                        $"Readings '{path}', line {rows.Line}, column '{manifest.Columns[i]}': "
                            + $"{PrintableText.Quoted(cell)} is not a finite number. Repair or remove the row.");
                }

                if (double.IsFinite(value) && !manifest.CanHave(i, value))
                {
                    throw new InputException(
                        $"Readings '{path}', line {rows.Line}, column '{manifest.Columns[i]}': "
                            + $"{PrintableText.Quoted(cell)} is not a symbol of the model. "
                            + $"Use a whole number from 0 to {manifest.SymbolCount - 1}.");
                }

                cells.Values.Add(double.IsFinite(value) ? value : double.NaN);
            }

            if (faults is not null)
            {
                double fault = shape.Number(rows, columns);
                cells.IsFault.Add(double.IsFinite(fault) && fault != 0);
            }

            cells.Lines.Add(rows.Line);
            if (times.Of(rows) is { } time)
            {
                cells.Times.Add(time);
                CalendarInputs.Fill(manifest.Calendar, time, calendar);
                cells.Calendar.AddRange(calendar);
            }
        }

        int marked = cells.IsFault.Count(isFault => isFault);
        if (marked > 0)
        {
            notes.Add($"not learned from: {Quantity.Of(marked, "row")} marked as a fault in column '{faults}'");
        }

        if (times.Problem is { } problem)
        {
            notes.Add($"{problem} So the detector learns nothing of the time of day.");
        }

        return cells;
    }

    private static void Note(string path, RecordingShape shape, ModelManifest manifest, List<string> notes)
    {
        if (shape.IsWindows1252)
        {
            notes.Add($"Readings '{path}' are not UTF-8 and are read as Windows-1252.");
        }

        if (shape.IsFarFrom(TimeSpan.FromSeconds(manifest.PeriodSeconds)))
        {
            notes.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"Readings '{path}': the rows are {shape.Spacing!.Value.TotalSeconds} s apart, and the model's period is "
                    + $"{manifest.PeriodSeconds} s. Give rows as far apart as the model's."));
        }
    }

    // As a stream does: the last value is held for some rows, and then the row is left out.
    private static ReadingsFile Hold(string path, ModelManifest manifest, Cells cells, List<string> notes)
    {
        int columns = manifest.Columns.Count;
        float[] row = new float[manifest.InputCount];
        int width = row.Length - columns;
        var values = new List<float>(cells.Lines.Count * row.Length);
        bool hasTimes = cells.Times.Count == cells.Lines.Count;
        var times = new List<DateTime>();
        var isFault = new List<bool>();
        int[] age = [.. Enumerable.Repeat(int.MaxValue, columns)];
        (int held, int skipped) = (0, 0);
        for (int read = 0; read < cells.Lines.Count; read++)
        {
            bool isUsable = true;
            int heldHere = 0;
            for (int i = 0; i < columns; i++)
            {
                double value = cells.Values[(read * columns) + i];
                if (double.IsNaN(value))
                {
                    heldHere += age[i] < HoldRows ? 1 : 0;
                    isUsable &= age[i] < HoldRows;
                    age[i] += age[i] == int.MaxValue ? 0 : 1;
                    continue;
                }

                row[i] = manifest.Normalize(i, value);
                age[i] = 0;
            }

            CollectionsMarshal.AsSpan(cells.Calendar).Slice(read * width, width).CopyTo(row.AsSpan(columns));
            if (isUsable)
            {
                values.AddRange(row);
                held += heldHere;
                if (cells.IsFault.Count > 0)
                {
                    isFault.Add(cells.IsFault[read]);
                }

                if (hasTimes)
                {
                    times.Add(cells.Times[read]);
                }
            }
            else
            {
                skipped++;
            }
        }

        int empty = Array.IndexOf(age, int.MaxValue);
        if (empty >= 0 && skipped > 0)
        {
            throw new InputException(
                $"Readings '{path}' have no value in column '{manifest.Columns[empty]}'. Record it, or remove the column.");
        }

        if (values.Count < 2 * row.Length)
        {
            throw new InputException($"Readings '{path}' have {Quantity.Of(values.Count / row.Length, "row")}; at least 2 are needed.");
        }

        return new ReadingsFile([.. values], row.Length)
        {
            _times = [.. times],
            _isFault = isFault.Count > 0 ? [.. isFault] : null,
            HeldValues = held,
            SkippedRows = skipped,
            Notes = notes,
        };
    }

    private static void TakeOutSentinels(Span<double> cells, ModelManifest manifest, List<int> lines, List<string> notes)
    {
        IReadOnlyList<string> columns = manifest.Columns;
        var column = new double[lines.Count];
        for (int i = 0; i < manifest.ReadingCount; i++)
        {
            for (int row = 0; row < column.Length; row++)
            {
                column[row] = cells[(row * columns.Count) + i];
            }

            int[] found = Sentinels.Find(column);
            if (found.Length > 0)
            {
                notes.Add(Sentinels.Describe(columns[i], column, found, lines[found[0]]));
            }

            foreach (int row in found)
            {
                cells[(row * columns.Count) + i] = column[row] = double.NaN;
            }

            if (LoneValues.Describe(columns[i], column, row => lines[row]) is { } kept)
            {
                notes.Add(kept);
            }
        }
    }

    // Values: [rows, columns], NaN for a missing one. Lines and times: of each row; fewer times if one cannot be read. Calendar: [rows,
    // inputs of the calendar]. IsFault: of each row, none if no column says so.
    private sealed record Cells(
        List<double> Values, List<int> Lines, List<DateTime> Times, List<float> Calendar, List<bool> IsFault);
}
