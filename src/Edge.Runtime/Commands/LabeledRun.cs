using System.Globalization;
using System.Text.Json;
using Edge.Inference;

namespace Edge.Runtime.Commands;

/// <summary>The output of one replay with its labels.</summary>
/// <param name="File">Path of the output.</param>
/// <param name="Labels">For each scored row, whether it is abnormal.</param>
/// <param name="Alarms">For each scored row, whether an anomaly was open.</param>
/// <param name="Detections">Scored rows at which an anomaly opened, in ascending order.</param>
internal sealed record LabeledRun(string File, bool[] Labels, bool[] Alarms, int[] Detections)
{
    /// <summary>The scores of this run alone.</summary>
    internal DetectionScore Score => Pool([this]);

    /// <summary>The scores of several runs together.</summary>
    internal static DetectionScore Pool(IReadOnlyList<LabeledRun> runs)
    {
        int[] firstRows = [.. runs.Select((_, i) => runs.Take(i).Sum(run => run.Labels.Length))];
        return new DetectionScore(
            [.. runs.SelectMany(run => run.Labels)],
            [.. runs.SelectMany(run => run.Alarms)],
            [.. runs.SelectMany((run, i) => run.Detections.Select(row => firstRows[i] + row))],
            firstRows);
    }

    /// <summary>Reads a run.</summary>
    /// <param name="events">Output of <c>replay</c>.</param>
    /// <param name="labels">A CSV file with a column <c>anomaly</c>, or a JSON file of windows.</param>
    /// <param name="skip">Rows at its start that are not scored.</param>
    /// <param name="say">Gets a sentence if rows of the labels are left out.</param>
    /// <exception cref="InputException">A file cannot be read, or the two do not fit.</exception>
    internal static LabeledRun Read(string events, string labels, RowsToSkip skip, Action<string> say)
    {
        (List<DateTime> times, List<(int Opened, DateTime Started, int Closed)> anomalies) = ReadEvents(events);
        bool[] truth = labels.EndsWith(".json", StringComparison.Ordinal)
            ? ReadWindows(labels, times)
            : LabelsFile.Read(labels, times, say);
        int first = Math.Min(skip.Of(times.Count), times.Count);
        return new LabeledRun(
            events,
            truth[first..],
            [
                .. Enumerable.Range(first, times.Count - first)
                    .Select(row => anomalies.Exists(anomaly => times[row] >= anomaly.Started && row < anomaly.Closed)),
            ],
            [.. anomalies.Where(anomaly => anomaly.Opened >= first).Select(anomaly => anomaly.Opened - first)]);
    }

    // Rows are the readings; an anomaly lasts from when it began to the row that closed it, or to the end.
    private static (List<DateTime> Times, List<(int Opened, DateTime Started, int Closed)> Anomalies) ReadEvents(string path)
    {
        var times = new List<DateTime>();
        var anomalies = new List<(int Opened, DateTime Started, int Closed)>();
        int number = 0;
        try
        {
            RegularFile.Require(path);
            foreach (string line in System.IO.File.ReadLines(path))
            {
                number++;
                using JsonDocument document = JsonDocument.Parse(line);
                JsonElement root = document.RootElement;
                if (root.TryGetProperty("event", out JsonElement change))
                {
                    if (change.ValueEquals("opened"))
                    {
                        anomalies.Add((times.Count - 1, Time(root, "started"), int.MaxValue));
                    }
                    else if (change.ValueEquals("closed") && anomalies.Count > 0)
                    {
                        anomalies[^1] = anomalies[^1] with { Closed = times.Count - 1 };
                    }
                }
                else if (root.TryGetProperty("channels", out _) && !root.TryGetProperty("interval", out _))
                {
                    times.Add(Time(root, "time"));
                }
            }
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"Events '{path}' cannot be read: {e.Message}", e);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new InputException($"Events '{path}', line {number}: this is not a line that edge-runtime replay writes.", e);
        }

        return times.Count > 0
            ? (times, anomalies)
            : throw new InputException($"Events '{path}' have no readings, whose rows are scored. Replay with 'reading' in 'publish'.");
    }

    private static DateTime Time(JsonElement root, string name) =>
        DateTime.Parse(
            root.GetProperty(name).GetString() ?? "",
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);

    // [[begin, end], ...], or the same as the only value of an object.
    private static bool[] ReadWindows(string path, List<DateTime> times)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(RegularFile.ReadText(path, 1 << 28));
            JsonElement root = document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.EnumerateObject().Single().Value
                : document.RootElement;
            (DateTime Begin, DateTime End)[] windows = [.. root.EnumerateArray().Select(window => (Moment(window[0]), Moment(window[1])))];
            return [.. times.Select(time => Array.Exists(windows, window => time >= window.Begin && time <= window.End))];
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"Labels '{path}' cannot be read: {e.Message}", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or IndexOutOfRangeException)
        {
            throw new InputException($"Labels '{path}' are not windows of times: [[\"2013-12-15 07:00\", \"2013-12-30 09:00\"], ...].", e);
        }

        static DateTime Moment(JsonElement text) =>
            DateTime.Parse(
                text.GetString() ?? "",
                CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
    }
}
