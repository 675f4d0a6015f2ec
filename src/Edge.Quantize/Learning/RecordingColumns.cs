using System.Globalization;
using System.Text.RegularExpressions;
using Edge.Inference;
using Edge.Sensors.Replay;
using Edge.Streams.Detection;

namespace Edge.Quantize.Learning;

/// <summary>A column to learn from.</summary>
/// <param name="Name">As in the header of the file.</param>
/// <param name="Unit">Its unit, or "".</param>
internal readonly record struct NamedColumn(string Name, string Unit);

/// <summary>Which columns of a recording can be learned from.</summary>
internal static partial class RecordingColumns
{
    // A column with fewer numbers than this share of its cells is text.
    private const double NumbersMin = 0.5;

    private static readonly string[] FaultNames = ["anomaly", "is_anomaly", "fault", "label", "attack"];
    private static readonly string[] OtherLabels = ["changepoint"];

    /// <summary>The columns to learn from.</summary>
    /// <param name="options">The recording.</param>
    /// <param name="wanted">Columns that a person named; empty for all that hold numbers.</param>
    /// <param name="notes">Gets a sentence for each column that is left out.</param>
    /// <exception cref="InputException">There is none, there are too many, or one has several sensors.</exception>
    internal static List<NamedColumn> Choose(
        ReplayOptions options, IReadOnlyList<NamedColumn> wanted, List<string> notes)
    {
        RefuseTooMany(options.File, wanted.Count);
        (string[] header, bool[] isNumber, bool[] isCount, bool[] changes) = Survey(options, [.. wanted.Select(column => column.Name)]);
        LongFormat.Refuse(options, header, isNumber);
        string? faults = FaultsOf(header);
        if (wanted.Count > 0)
        {
            return [.. wanted];
        }

        int changing = 0;
        var columns = new List<NamedColumn>();
        for (int i = 0; i < header.Length; i++)
        {
            string name = header[i];
            if (RecordingShape.IsNameOfTime(name) || options.TimeColumns.Contains(name) || name == faults
                || OtherLabels.Contains(name.ToLowerInvariant()))
            {
                continue;
            }

            if (name.Length == 0 || !isNumber[i] || isCount[i])
            {
                notes.Add($"left out: column {i + 1} '{name}' {Why(name, isCount[i])}");
                continue;
            }

            Match unit = UnitPattern().Match(name);
            columns.Add(new NamedColumn(name, unit.Success ? unit.Groups["unit"].Value.Trim() : ""));
            changing += changes[i] ? 1 : 0;
        }

        RefuseTooMany(options.File, changing);

        return columns.Count > 0
            ? columns
            : throw new InputException(
                $"Readings '{options.File}' have no column of numbers" + (RecordingShape.IsComment(header)
                    ? ": line 1 begins with '#'. Remove the lines above the names of the columns."
                    : $"; {RecordingShape.Has(header)}."));
    }

    /// <summary>The column of a recording that marks faults; null if it has none.</summary>
    /// <param name="options">The recording.</param>
    /// <param name="names">The columns that are learned.</param>
    internal static string? FaultsOf(ReplayOptions options, string[] names)
    {
        using var rows = new CsvRows(options.File, names, RowOrder.OldestFirst);
        return FaultsOf(rows.Header) is { } faults && !names.Contains(faults) ? faults : null;
    }

    private static string? FaultsOf(string[] header) =>
        header.FirstOrDefault(name => FaultNames.Contains(name.ToLowerInvariant()));

    private static void RefuseTooMany(string file, int columns)
    {
        if (columns > NormalProfileLearner.ColumnsMax)
        {
            throw new InputException(
                $"Readings '{file}' have {columns} columns to learn from; at most {NormalProfileLearner.ColumnsMax} are possible. "
                    + "Name those that matter with --columns.");
        }
    }

    private static string Why(string name, bool isCount) =>
        isCount ? "only counts the rows" : name.Length == 0 ? "has no name" : "holds text";

    // Which columns hold numbers, which only number the rows, and which hold more than one number.
    private static (string[] Header, bool[] IsNumber, bool[] IsCount, bool[] Changes) Survey(ReplayOptions options, string[] wanted)
    {
        using var rows = new CsvRows(options.File, wanted, options.Order);
        int width = rows.Header.Length;
        var numbers = new long[width];
        var cells = new long[width];
        var first = new double[width];
        var last = new double[width];
        var only = new double?[width];
        var changes = new bool[width];
        var isCount = new bool[width];
        var units = new string?[width];
        Array.Fill(isCount, true);
        long row = 0;
        for (; rows.Read(); row++)
        {
            for (int i = 0; i < width; i++)
            {
                string cell = rows[i]?.Trim() ?? "";
                cells[i] += cell.Length > 0 ? 1 : 0;
                bool isNumber = TryRead(cell, ref units[i], out double value);
                numbers[i] += isNumber ? 1 : 0;
                changes[i] |= isNumber && value != (only[i] ??= value);
                first[i] = row == 0 ? value : first[i];

                // A row that stands twice counts once.
                isCount[i] &= isNumber && (row == 0 || value == last[i] + 1 || value == last[i]);
                last[i] = value;
            }
        }

        return (
            rows.Header, [.. Enumerable.Range(0, width).Select(i => numbers[i] > NumbersMin * cells[i])],
            [.. isCount.Select((each, i) => each && row > 2 && last[i] - first[i] > row / 2)], changes);
    }

    // A number with the unit that the first number of its column has. How it is written is judged where it is read.
    private static bool TryRead(string cell, ref string? unit, out double value)
    {
        (string number, string its) = CellText.Split(cell);
        string plain = CellText.HasThousands(number) ? CellText.Plain(number) : number.Replace(',', '.');
        return double.TryParse(plain, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value)
            && its == (unit ??= its);
    }

    [GeneratedRegex(@"[\[(](?<unit>[^\])]{1,12})[\])]\s*$")]
    private static partial Regex UnitPattern();
}
