using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using CsvHelper;
using CsvHelper.Configuration;
using Edge.Inference;
using Edge.Sensors.Replay;

namespace Edge.Runtime.Commands;

/// <summary><c>score</c>: compares the anomalies of a replay with labels.</summary>
internal static class ScoreCommand
{
    internal static Command Create(TextWriter output)
    {
        var events = new Option<string[]>("--events")
        {
            Description = "Output of edge-runtime replay. Several files are scored together.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var labels = new Option<string[]>("--labels")
        {
            Description =
                "One file per events file: a CSV with a column 'anomaly' (0 or 1) and one line per row, or JSON with windows of times: "
                    + "[[begin, end], ...].",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var skip = new Option<int>("--skip")
        {
            Description = "Rows at the start of each file that are not scored (calibration).",
            DefaultValueFactory = _ => 0,
        };
        var asJson = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("score", "Scores anomaly events against labels, per row and per window.")
        {
            events,
            labels,
            skip,
            asJson,
        };
        command.SetAction(parsed =>
        {
            string[] runs = parsed.GetRequiredValue(events);
            string[] truths = parsed.GetRequiredValue(labels);
            if (runs.Length != truths.Length)
            {
                throw new InputException(
                    $"--events names {runs.Length} files and --labels {truths.Length}. Give one labels file per events file.");
            }

            var score = new RunScores(parsed.GetValue(skip));
            for (int i = 0; i < runs.Length; i++)
            {
                score.Add(runs[i], truths[i]);
            }

            Print(score.Total(), parsed.GetValue(asJson), output);
            return ExitCodes.Done;
        });
        return command;
    }

    private static void Print(DetectionScore score, bool asJson, TextWriter output)
    {
        (string Name, double Value)[] figures =
        [
            ("precision", score.Precision),
            ("recall", score.Recall),
            ("f1", score.F1),
            ("false_alarm_rate", score.FalseAlarmRate),
            ("missed_rate", score.MissedRate),
            ("windows", score.Windows),
            ("windows_found", score.FoundWindows),
            ("false_detections", score.FalseDetections),
            ("mean_delay_rows", score.MeanDelayRows),
            .. DetectionScore.Profiles.Select(
                profile => ($"nab_{profile.Name.Replace(' ', '_')}", score.Benchmark(profile.FalseAlarm, profile.Missed))),
        ];
        if (!asJson)
        {
            foreach ((string name, double value) in figures)
            {
                output.WriteLine($"{name.Replace('_', ' '),-28} {value.ToString("0.####", CultureInfo.InvariantCulture)}");
            }

            return;
        }

        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            foreach ((string name, double value) in figures)
            {
                if (double.IsNaN(value))
                {
                    json.WriteNull(name);
                }
                else
                {
                    json.WriteNumber(name, value);
                }
            }

            json.WriteEndObject();
        }

        output.WriteLine(System.Text.Encoding.UTF8.GetString(text.ToArray()));
    }

    /// <summary>Concatenates runs.</summary>
    private sealed class RunScores(int skip)
    {
        private readonly List<bool> _labels = [];
        private readonly List<bool> _alarms = [];
        private readonly List<int> _detections = [];

        internal DetectionScore Total() => new([.. _labels], [.. _alarms], [.. _detections]);

        internal void Add(string events, string labels)
        {
            (List<DateTime> times, List<(int Opened, DateTime Started, int Closed)> anomalies) = ReadEvents(events);
            bool[] truth = labels.EndsWith(".json", StringComparison.Ordinal)
                ? ReadWindows(labels, times)
                : ReadLabels(labels, times.Count);
            int offset = _labels.Count - skip;
            for (int row = skip; row < times.Count; row++)
            {
                _labels.Add(truth[row]);
                _alarms.Add(anomalies.Exists(anomaly => times[row] >= anomaly.Started && row < anomaly.Closed));
            }

            _detections.AddRange(anomalies.Where(anomaly => anomaly.Opened >= skip).Select(anomaly => anomaly.Opened + offset));
        }
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
            foreach (string line in File.ReadLines(path))
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

        return (times, anomalies);
    }

    private static DateTime Time(JsonElement root, string name) =>
        DateTime.Parse(
            root.GetProperty(name).GetString() ?? "",
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);

    private static bool[] ReadLabels(string path, int rows)
    {
        try
        {
            using var csv = new CsvReader(
                new StreamReader(RegularFile.OpenRead(path)),
                new CsvConfiguration(CultureInfo.InvariantCulture)
                {
                    DetectDelimiter = true,
                    DetectDelimiterValues = CsvRows.Separators,
                });
            csv.Read();
            csv.ReadHeader();
            var labels = new List<bool>();
            while (csv.Read())
            {
                labels.Add(csv.GetField<double>("anomaly") > 0);
            }

            return labels.Count == rows
                ? [.. labels]
                : throw new InputException($"Labels '{path}' have {labels.Count} rows, but the events are of {rows} readings.");
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"Labels '{path}' cannot be read: {e.Message}", e);
        }
        catch (CsvHelperException e)
        {
            throw new InputException($"Labels '{path}' are not a CSV with a column 'anomaly' of 0 and 1.", e);
        }
    }

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
