using System.Globalization;
using Edge.Inference;

namespace Edge.Sensors.Replay;

/// <summary>
/// How a recording is written, decided over its first rows: where its columns are, whether numbers have a decimal comma, how far its rows
/// are apart.
/// </summary>
internal sealed class RecordingShape
{
    private const int SampleRows = 1000;

    // Share by which a distance may differ from a whole one.
    private const double WholeWithin = 0.001;

    // Names of a header in a sentence.
    private const int NamesMax = 40;

    private static readonly string[] DateNames = ["date", "datum", "day"];
    private static readonly string[] ClockNames = ["time", "uhrzeit"];
    private static readonly string[] TimeNames =
        ["time", "date", "datetime", "timestamp", "ts", "date_time", "datum", "zeit", "zeitstempel", "last_changed", "last_updated"];

    private readonly ReplayOptions _options;
    private readonly IReadOnlyList<string> _columns;
    private readonly int _flag;
    private readonly string[] _units;

    private RecordingShape(ReplayOptions options, IReadOnlyList<string> columns, TimeReader times)
    {
        _options = options;
        _columns = columns;
        _flag = options.FlagColumn is { } flag ? columns.ToList().IndexOf(flag) : -1;
        _units = [.. columns.Select(_ => "")];
        Times = times;
    }

    /// <summary>Whether a column is named like a time or a date.</summary>
    internal static bool IsNameOfTime(string name) => TimeNames.Contains(name.ToLowerInvariant())
        || DateNames.Contains(name.ToLowerInvariant()) || ClockNames.Contains(name.ToLowerInvariant());

    /// <summary>Whether the file is read as Windows-1252.</summary>
    internal bool IsWindows1252 { get; private set; }

    /// <summary>Places of the model's columns.</summary>
    internal int[] ColumnsAt { get; private set; } = [];

    /// <summary>Places of the time columns; empty for none.</summary>
    internal int[] TimesAt { get; private set; } = [];

    /// <summary>Reads the times.</summary>
    internal TimeReader Times { get; }

    /// <summary>Whether numbers have a decimal comma.</summary>
    internal bool HasDecimalComma { get; private set; }

    /// <summary>Usual distance of two rows, the lower quartile, so that gaps do not count; null if there are fewer than two.</summary>
    internal TimeSpan? Spacing { get; private set; }

    /// <summary>Whether the rows are less than half or more than twice a period apart, as rows for another model would be.</summary>
    internal bool IsFarFrom(TimeSpan period) => Spacing is { } spacing && spacing / period is < 0.5 or > 2;

    /// <summary>Why the first of the times that cannot be read is none, as "line 2: why"; null if all of the first rows can.</summary>
    internal string? UnreadTime { get; private set; }

    /// <summary>Reads the header and the first rows of a file.</summary>
    /// <exception cref="InputException">
    /// The file cannot be read, lacks a column, or its times or numbers cannot be told for certain.
    /// </exception>
    internal static RecordingShape Of(ReplayOptions options, IReadOnlyList<string> columns)
    {
        var shape = new RecordingShape(options, columns, new TimeReader(options.Times));
        using CsvRows rows = shape.Open();
        shape.IsWindows1252 = rows.IsWindows1252;
        shape.ColumnsAt = [.. columns.Select(column => CsvRows.Find(options.File, rows.Header, column))];
        int missing = Array.IndexOf(shape.ColumnsAt, -1);
        if (missing >= 0)
        {
            throw new InputException(
                $"Readings '{options.File}' have no column '{columns[missing]}', which the model reads; {Has(rows.Header)}.");
        }

        shape.TimesAt = shape.FindTimes(rows.Header);
        shape.Sample(rows);
        return shape;
    }

    /// <summary>Opens the file at its first row.</summary>
    internal CsvRows Open() => new(_options.File, [.. _columns, .. _options.TimeColumns], _options.Order);

    /// <summary>Reads the time of a row.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="last">Time of the row before, UTC; the default for none.</param>
    /// <param name="utc">The time.</param>
    /// <returns>Why it cannot be read, as the clause of a sentence, or null.</returns>
    internal string? ReadTime(string text, DateTime last, out DateTime utc) =>
        Times.Read(text, last == default ? default : last + (Spacing ?? TimeSpan.Zero), out utc);

    /// <summary>The text of a row's time.</summary>
    internal string TimeText(CsvRows row) => TimeText(at => row[at]);

    /// <summary>The text of the time in the cells of a row.</summary>
    internal string TimeText(string[] cells) => TimeText(at => at < cells.Length ? cells[at] : null);

    private string TimeText(Func<int, string?> cell) => TimesAt.Length == 1
        ? cell(TimesAt[0]) ?? ""
        : string.Join(' ', TimesAt.Select(at => cell(at)?.Trim() ?? "")).Trim();

    /// <summary>A cell of the current row as a number; NaN if it is none.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="column">Which of the wanted columns.</param>
    /// <exception cref="InputException">The cell marks the row in words that cannot be told.</exception>
    internal double Number(CsvRows rows, int column)
    {
        string? cell = rows[ColumnsAt[column]];
        if (column == _flag)
        {
            return Flag(rows, cell);
        }

        if (_units[column].Length > 0 && cell is not null)
        {
            (string number, string unit) = CellText.Split(cell.Trim());
            cell = unit == _units[column] ? number : null;
        }

        return Number(cell);
    }

    private double Flag(CsvRows rows, string? cell)
    {
        double value = CellText.Flag(cell) ?? Number(cell);
        return double.IsFinite(value) || cell is null || CellText.IsMissing(cell)
            ? value
            : throw new InputException(
                $"Readings '{_options.File}', line {rows.Line}, column '{_columns[_flag]}': {PrintableText.Quoted(cell)} does not say "
                    + "whether the row is a fault. Write 0 or 1, no or yes, or false or true.");
    }

    private double Number(string? cell)
    {
        if (HasDecimalComma && cell is not null)
        {
            // With a decimal comma, a point would separate thousands, and is not accepted.
            cell = cell.Contains('.') ? null : cell.Replace(',', '.');
        }

        return double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : double.NaN;
    }

    // The named columns; else one or two that are not of the model and are named like a time; else none.
    private int[] FindTimes(string[] header)
    {
        if (_options.TimeColumns.Count > 0)
        {
            return
            [
                .. _options.TimeColumns.Select(
                    named => CsvRows.Find(_options.File, header, named) is >= 0 and var at
                        ? at
                        : throw new InputException($"Readings '{_options.File}' have no time column '{named}'; {Has(header)}.")),
            ];
        }

        int Find(string[] names) =>
            Array.FindIndex(header, name => !_columns.Contains(name) && names.Contains(name.ToLowerInvariant()));

        (int date, int time) = (Find(DateNames), Find(ClockNames));
        if (date >= 0 && time >= 0)
        {
            return [date, time];
        }

        int only = Find(TimeNames);
        return only >= 0 ? [only] : [];
    }

    private void Sample(CsvRows rows)
    {
        var times = new List<(string Text, int Line)>();
        var numbers = new NumberSurvey(_options.File, _columns, rows.Separator);
        (int longer, int count) = (0, 0);
        for (; count < SampleRows && rows.Read(); count++)
        {
            longer += rows.Count > rows.Header.Length ? 1 : 0;
            if (TimesAt.Length > 0)
            {
                times.Add((TimeText(rows), rows.Line));
            }

            for (int i = 0; i < ColumnsAt.Length; i++)
            {
                if (i != _flag)
                {
                    numbers.Add(i, rows[ColumnsAt[i]]?.Trim() ?? "", rows.Line);
                }
            }
        }

        if (rows.Separator == "," && longer > count / 2 && count > 0)
        {
            throw new InputException(
                $"Readings '{_options.File}': the rows have more cells than the header has names, as with a decimal comma between cells "
                    + "that a comma separates. Write numbers with a decimal point, or separate the cells by a semicolon.");
        }

        HasDecimalComma = numbers.HasDecimalComma();
        numbers.Units().CopyTo(_units, 0);
        Measure(times);
    }

    // Order and distance of the first rows. A time that cannot be read is reported where it is needed, with its line.
    private void Measure(List<(string Text, int Line)> texts)
    {
        Times.Decide([.. texts.Select(each => each.Text).Where(text => text.Length > 0)]);
        var distances = new List<TimeSpan>();
        (int up, int down) = (0, 0);
        DateTime before = default;
        foreach ((string text, int line) in texts)
        {
            if (ReadTime(text, before, out DateTime time) is { } problem)
            {
                UnreadTime ??= $"line {line}: {problem}";
                continue;
            }

            if (before != default)
            {
                (up, down) = (up + (time > before ? 1 : 0), down + (time < before ? 1 : 0));
                distances.Add(time - before);
            }

            before = time;
        }

        if (down > 1 && down > 9 * up)
        {
            throw new InputException(_options.Order == RowOrder.NewestFirst
                ? $"Readings '{_options.File}' have the oldest row first. Remove {_options.OrderSetting}."
                : $"Readings '{_options.File}' have the newest row first. Set {_options.OrderSetting} to read them backwards.");
        }

        distances.RemoveAll(distance => distance <= TimeSpan.Zero);
        distances.Sort();
        Spacing = distances.Count > 0 ? Whole(distances[(distances.Count - 1) / 4]) : null;
    }

    /// <summary>
    /// The whole minute or else the whole second that a distance of two rows is next to: times that are written as fractions of a day, or
    /// by a clock that is a little off, tell 299.98 s for five minutes.
    /// </summary>
    internal static TimeSpan Whole(TimeSpan distance)
    {
        foreach (double unit in (double[])[60, 1])
        {
            double whole = unit * Math.Round(distance.TotalSeconds / unit);
            if (distance.Ticks % TimeSpan.TicksPerSecond != 0 && Math.Abs(distance.TotalSeconds - whole) <= WholeWithin * whole)
            {
                return TimeSpan.FromSeconds(whole);
            }
        }

        return distance;
    }

    /// <summary>The names of a header, for a sentence: the first ones, each of limited length.</summary>
    internal static string Has(string[] header) => "the header has "
        + string.Join(", ", header.Take(NamesMax).Select(PrintableText.Quoted))
        + (header.Length > NamesMax ? $" and {header.Length - NamesMax} more" : "")
        + (IsComment(header) ? "; line 1 begins with '#': remove the lines above the names of the columns" : "");

    /// <summary>Whether what stands in place of a header is a comment above it.</summary>
    internal static bool IsComment(string[] header) =>
        header[0].StartsWith("# ", StringComparison.Ordinal) || (header.Length == 1 && header[0].StartsWith('#'));
}
