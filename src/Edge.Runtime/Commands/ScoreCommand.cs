using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Edge.Inference;

namespace Edge.Runtime.Commands;

/// <summary><c>score</c>: compares the anomalies of a replay with labels.</summary>
internal static class ScoreCommand
{
    // A figure that does not exist: a share of nothing.
    private const string None = "none";

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
                "One file per events file: a CSV with a column 'anomaly' (0 or 1) and one line per row, with the same times or in the same "
                    + "order, or JSON with windows of times: [[begin, end], ...].",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var skip = new Option<string>("--skip")
        {
            Description = "Rows at the start of each file that are not scored (calibration): a number, a share such as 15%, or nab: "
                + "15% but at most 750 rows, as that benchmark does.",
            DefaultValueFactory = _ => "0",
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

            RowsToSkip skipped = RowsToSkip.Parse(parsed.GetRequiredValue(skip));
            TextWriter notes = parsed.InvocationConfiguration.Error;
            LabeledRun[] scored = [.. runs.Zip(truths, (run, truth) => LabeledRun.Read(run, truth, skipped, notes.WriteLine))];
            if (parsed.GetValue(asJson))
            {
                PrintJson(scored, output);
            }
            else
            {
                Print(scored, output);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static (string Name, double Value)[] Figures(DetectionScore score) =>
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

    private static void Print(LabeledRun[] runs, TextWriter output)
    {
        if (runs.Length > 1)
        {
            PrintTable(runs, output);
            output.WriteLine();
        }

        DetectionScore score = LabeledRun.Pool(runs);
        foreach ((string name, double value) in Figures(score))
        {
            output.WriteLine($"{name.Replace('_', ' '),-28} {Text(value)}");
        }

        if (Figures(score).Any(figure => double.IsNaN(figure.Value)))
        {
            output.WriteLine($"{None}: {WhyNone(score)}");
        }
    }

    private static string WhyNone(DetectionScore score) => score.Windows == 0
        ? "the labels have no fault in the rows that are scored, so none can be found or missed"
        : score.FoundWindows == 0 ? "no fault was found"
        : "all rows that are scored are faults, so no alarm can be false";

    private static void PrintTable(LabeledRun[] runs, TextWriter output)
    {
        string[][] lines =
        [
            ["file", "f1", "false alarm rate", "missed rate", "windows found", "false detections", "nab standard"],
            .. runs.Select(run =>
            {
                DetectionScore score = run.Score;
                (string _, double falseAlarm, double missed) = DetectionScore.Profiles[0];
                return new[]
                {
                    run.File,
                    Text(score.F1),
                    Text(score.FalseAlarmRate),
                    Text(score.MissedRate),
                    $"{score.FoundWindows} of {score.Windows}",
                    Text(score.FalseDetections),
                    Text(score.Benchmark(falseAlarm, missed)),
                };
            }),
        ];
        int[] widths = [.. lines[0].Select((_, column) => lines.Max(line => line[column].Length))];
        foreach (string[] line in lines)
        {
            IEnumerable<string> cells = line.Select((cell, i) => i == 0 ? cell.PadRight(widths[0]) : cell.PadLeft(widths[i]));
            output.WriteLine(string.Join("  ", cells));
        }
    }

    private static void PrintJson(LabeledRun[] runs, TextWriter output)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            Write(json, LabeledRun.Pool(runs));
            json.WriteStartArray("files");
            foreach (LabeledRun run in runs)
            {
                json.WriteStartObject();
                json.WriteString("file", run.File);
                Write(json, run.Score);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.WriteLine(System.Text.Encoding.UTF8.GetString(text.ToArray()));
    }

    private static void Write(Utf8JsonWriter json, DetectionScore score)
    {
        foreach ((string name, double value) in Figures(score))
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
    }

    private static string Text(double value) => double.IsNaN(value) ? None : value.ToString("0.####", CultureInfo.InvariantCulture);
}
