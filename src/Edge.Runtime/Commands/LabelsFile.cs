using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;
using Edge.Inference;
using Edge.Sensors;
using Edge.Sensors.Replay;

namespace Edge.Runtime.Commands;

/// <summary>
/// A CSV file with a column <c>anomaly</c>. A row belongs to the reading of its time, if the file has times and each reading finds one;
/// else the rows are those of the readings, in their order.
/// </summary>
internal sealed class LabelsFile
{
    private readonly string _path;
    private readonly List<bool> _isFault = [];
    private readonly List<string> _times = [];
    private readonly List<int> _lines = [];

    private LabelsFile(string path) => _path = path;

    /// <summary>Whether each reading is abnormal.</summary>
    /// <param name="path">The file.</param>
    /// <param name="readings">Times of the readings, to the millisecond.</param>
    /// <param name="say">Gets a sentence if rows are left out.</param>
    /// <exception cref="InputException">The file cannot be read, or its rows are not those of the readings.</exception>
    internal static bool[] Read(string path, List<DateTime> readings, Action<string> say)
    {
        try
        {
            LabelsFile file = Read(path);
            return file.ByTime(readings, say) ?? file.InOrder(readings.Count);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"Labels '{path}' cannot be read: {e.Message}", e);
        }
        catch (CsvHelperException e)
        {
            throw new InputException(
                $"Labels '{path}' are not a CSV with a column 'anomaly' of 0 and 1, no and yes, or false and true.", e);
        }
    }

    private static LabelsFile Read(string path)
    {
        var file = new LabelsFile(path);
        using var csv = new CsvReader(
            new StreamReader(RegularFile.OpenRead(path)),
            new CsvConfiguration(CultureInfo.InvariantCulture)
            {
                DetectDelimiter = true,
                DetectDelimiterValues = CsvRows.Separators,
            });
        csv.Read();
        csv.ReadHeader();
        int time = Array.FindIndex(csv.HeaderRecord!, name => RecordingShape.IsNameOfTime(name.Trim()));
        while (csv.Read())
        {
            file._isFault.Add(CellText.Flag(csv.GetField("anomaly")) is { } flag ? flag > 0 : csv.GetField<double>("anomaly") > 0);
            file._lines.Add(csv.Parser.RawRow);
            if (time >= 0)
            {
                file._times.Add(csv.GetField(time) ?? "");
            }
        }

        return file;
    }

    // Null where it has no times, or not those of all readings. Of two rows with one time a replay takes the first.
    private bool[]? ByTime(List<DateTime> readings, Action<string> say)
    {
        var rows = new Dictionary<DateTime, int>();
        var times = new TimeReader(new TimeOptions());
        times.Decide(_times);
        for (int row = 0; row < _times.Count; row++)
        {
            if (times.Read(_times[row], default, out DateTime time) is null)
            {
                rows.TryAdd(time.AddTicks(-(time.Ticks % TimeSpan.TicksPerMillisecond)), row);
            }
        }

        HashSet<int> taken = [];
        if (!readings.TrueForAll(time => rows.TryGetValue(time, out int row) && taken.Add(row)))
        {
            return null;
        }

        int left = _isFault.Count - taken.Count;
        if (left > 0)
        {
            int first = Enumerable.Range(0, _isFault.Count).First(row => !taken.Contains(row));
            say($"Labels '{_path}': {Quantity.Of(left, "row has", "rows have")} no reading, the first in line {_lines[first]}, and "
                + $"{(left == 1 ? "is" : "are")} left out.");
        }

        return [.. readings.Select(time => _isFault[rows[time]])];
    }

    private bool[] InOrder(int readings) => _isFault.Count == readings
        ? [.. _isFault]
        : throw new InputException(
            $"Labels '{_path}' have {Quantity.Of(_isFault.Count, "row")}, but the events are of {Quantity.Of(readings, "reading")}. "
                + "Give a row for each reading, or a column 'time' with the time of each reading.");
}
