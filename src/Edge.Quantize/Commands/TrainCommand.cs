using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Learning;
using Edge.Quantize.Quantization;
using Edge.Quantize.Reports;
using Edge.Sensors;
using Edge.Sensors.Replay;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary><c>train</c>: recorded readings in, an int8 model out.</summary>
internal static class TrainCommand
{
    private const double Tolerance = 0.001;

    internal static Command Create(TextWriter output)
    {
        var readings = new Argument<string[]>("READINGS")
        {
            Description = "Recordings, CSV with a header; several are learned one after the other.",
            Arity = ArgumentArity.OneOrMore,
        };
        var target = new Option<string>("--output", "-o") { Description = "The int8 model to write, .safetensors.", Required = true };
        var columns = new Option<string[]>("--columns")
        {
            Description = "Columns to learn, NAME or NAME:UNIT. Without it, all that hold numbers and change.",
            AllowMultipleArgumentsPerToken = true,
        };
        var targets = new Option<string[]>("--target")
        {
            Description = "Columns to forecast. Without it, all that are learned.",
            AllowMultipleArgumentsPerToken = true,
        };
        var horizons = new Option<string?>("--horizons")
        {
            Description = "Rows ahead to forecast, such as 1,6,24 or 1-24. Without it, 1 and what suits the period.",
        };
        var period = new Option<double?>("--period") { Description = "Seconds from row to row. Without it, what the times say." };
        var calendar = new Option<string?>("--calendar")
        {
            Description = "What of the time to read: none, or of day,week,year. Without it, what the recording is long enough for.",
        };
        var lags = new Option<int?>("--lags")
        {
            Description = "Most rows back that the linear part reads. Without it, 23 and the days before.",
        };
        var cell = new Option<CellKind?>("--cell")
        {
            Description = "The recurrent layer. Without it, what is best.",
            HelpName = "lstm|gru|rnn|slstm|mlstm",
            CustomParser = ReadCell,
        };
        var hidden = new Option<int?>("--hidden") { Description = "Units of the recurrent layer. Without it, what is best." };
        var layers = new Option<int>("--layers") { Description = "Recurrent layers.", DefaultValueFactory = _ => 1 };
        var dropout = new Option<float?>("--dropout") { Description = "Share of units dropped in training. Without it, what is best." };
        var epochs = new Option<int?>("--epochs")
        {
            Description = "Epochs of each candidate, however long they take. The same seed and epochs give the same model.",
        };
        var seed = new Option<int>("--seed") { Description = "Of all random numbers.", DefaultValueFactory = _ => 1 };
        var budget = new Option<string>("--budget")
        {
            Description = "Time for training the nets, such as 90s or 5m; reading, regressions and evaluation come on top.",
            DefaultValueFactory = _ => "5m",
        };
        var beside = new Option<string?>("--beside")
        {
            Description = "A model of the same columns to score on the same rows, such as the one in use.",
        };
        var name = new Option<string?>("--name") { Description = "Name of the model. Without it, that of the file." };
        var learnedOn = new Option<string?>("--learned-on")
        {
            Description = "Name of the device that trains, kept in the model file with the time.",
        };
        var resume = new Option<string?>("--resume")
        {
            Description = "Keeps what was trained so far: training that was cut off continues from it. Deleted at the end.",
        };
        Option<bool> whileOpen = OpenInput.Option();
        var report = new Option<string?>("--report") { Description = "Also write the evaluation as a self-contained HTML page." };
        var command = new Command("train", "Learns a model from recorded readings: forecasts that are measured beside simple ones.")
        {
            readings, target, columns, targets, horizons, period, calendar, lags, cell, hidden, layers, dropout, epochs,
            seed, budget, resume, name, beside, learnedOn, report, whileOpen,
        };
        var timeFormat = new TimeFormat();
        timeFormat.AddTo(command);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(whileOpen))
            {
                OpenInput.EndWithIt();
            }

            string[] files = parsed.GetRequiredValue(readings);
            string path = parsed.GetRequiredValue(target);
            var more = new Extras(
                parsed.GetValue(name) ?? Path.GetFileNameWithoutExtension(path),
                parsed.GetValue(report),
                parsed.GetValue(beside),
                parsed.GetValue(learnedOn));
            RegularFile.RequireApart([path, more.Report], files);
            foreach (string written in new[] { path, more.Report }.OfType<string>())
            {
                FileBytes.RequireWritable(written);
            }

            RequireUnitsFor(parsed.GetValue(cell), parsed.GetValue(hidden));
            var options = new LearnerOptions
            {
                Horizons = Horizons(parsed.GetValue(horizons)),
                Targets = parsed.GetValue(targets) ?? [],
                Lags = InRange(parsed.GetValue(lags), "--lags", 1, 4096),
                Cell = parsed.GetValue(cell),
                Units = InRange(parsed.GetValue(hidden), "--hidden", 1, 512),
                Layers = TrainingOptions.InRange(parsed.GetValue(layers), "--layers", 1, 4),
                Dropout = parsed.GetValue(dropout) is { } share ? TrainingOptions.Dropout(share) : null,
                Epochs = InRange(parsed.GetValue(epochs), "--epochs", 1, 100_000),
                Seed = parsed.GetValue(seed),
                Budget = TrainingOptions.Span(parsed.GetRequiredValue(budget)),
                Checkpoint = parsed.GetValue(resume),
            };
            if (more.LearnedOn is not null)
            {
                // A device trains by what its edge.yaml says.
                options = options with { HorizonsAdvice = "Set a longer 'learn.after' or shorter 'learn.horizons'." };
            }

            TrainingRows rows = TrainingRows.Load(
                [.. files.Select(file => timeFormat.Of(parsed, file))],
                [.. (parsed.GetValue(columns) ?? []).Select(Column)],
                parsed.GetValue(period) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
                Calendar(parsed.GetValue(calendar)),
                areTicks: more.LearnedOn is not null);
            return Run(output, files, path, rows, options, more);
        });
        return command;
    }

    private static CellKind? ReadCell(ArgumentResult argument)
    {
        string given = argument.Tokens[0].Value;
        if (Enum.GetNames<CellKind>().Contains(given, StringComparer.OrdinalIgnoreCase))
        {
            return Enum.Parse<CellKind>(given, ignoreCase: true);
        }

        argument.AddError($"--cell is {PrintableText.Quoted(given)}. Choose lstm, gru, rnn, slstm or mlstm.");
        return null;
    }

    // The blocks of an xLSTM stack are learned eight values at a time.
    private static void RequireUnitsFor(CellKind? cell, int? units)
    {
        if (cell is CellKind.Slstm or CellKind.Mlstm && units % Candidate.BlockUnits is not (null or 0))
        {
            throw new InputException(
                $"--hidden {units} does not fit --cell {cell.ToString()!.ToLowerInvariant()}: it must be a multiple of 8, such as 32.");
        }
    }

    private static int Run(
        TextWriter output, string[] files, string path, TrainingRows rows, LearnerOptions options, Extras more)
    {
        EdgeModel? beside = more.Beside is { } other ? EdgeModel.Load(other) : null;
        output.WriteLine($"{Quantity.Of(rows.RowCount, "row")} of {Quantity.Of(rows.Columns.Count, "column")}, {Text(rows.Period)} apart");
        output.WriteLine(
            $"learned from rows to {rows.TrainEnd - 1}, chosen on rows to {rows.ValidationEnd - 1}, scored on rows to {rows.RowCount - 1}");
        foreach (string note in rows.Notes)
        {
            output.WriteLine(note);
        }

        using var progress = new Progress(output);
        progress.Say("linear forecasts");
        var learner = new ForecastLearner(rows, options);
        foreach (int ahead in learner.LeftOut)
        {
            output.WriteLine($"left out: forecasts {Quantity.Of(ahead, "row")} ahead need a longer recording; --horizons asks for others");
        }

        FloatModel model;
        using (var cancel = new CancelOnKey())
        {
            model = learner.Run(each => progress.Say(Line(each)), cancel.Token);
        }

        if (learner.Resumed > 0)
        {
            progress.Done();
            output.WriteLine($"resumed from '{options.Checkpoint}': {Quantity.Of(learner.Resumed, "candidate")} had been trained");
        }

        ReadingsFile readings = ReadingsFile.Of(rows.Values, rows.Width, rows.IsFault, rows.Times);
        QuantizationRun run = QuantizationRun.Of(
            model, learner.Manifest(more.Name), readings, (0, rows.ValidationEnd), new QuantizationSettings(),
            Precision.Auto, Tolerance, Provenance(files, options, learner, more.LearnedOn), progress.Say, rows, beside);
        progress.Done();
        FileBytes.Write(path, run.File);
        if (options.Checkpoint is { } checkpoint)
        {
            File.Delete(checkpoint);
        }

        CandidateList.Write(output, learner);
        output.WriteLine($"{path}: {run.Model.Architecture}");
        output.WriteLine($"  {run.File.Length} bytes, state {Quantity.Of(run.Model.StateBytes, "byte")} per stream");
        ReadingsFile.NoteGaps(rows.RowCount, run.Model.Manifest, output);
        BaselineTable.Write(output, run.Model.Manifest);
        TrainingReport.Write(more.Report, run.Evaluation, run.Model.Manifest, learner, output);
        return 0;
    }

    /// <summary>
    /// One line of 80 columns: the loss on the training rows, the share of the regression's square error that is left on the rows that
    /// choose, and the time left.
    /// </summary>
    internal static string Line(LearningProgress progress) => string.Create(
        CultureInfo.InvariantCulture,
        $"{progress.Candidate.CellAndUnits}: epoch {progress.Epoch}, loss {progress.Loss.Training:0.0000}, held out "
            + $"{100 * progress.Loss.Validation:0.0} % (best {100 * progress.Best:0.0} %), "
            + $"{Math.Max(0, progress.Left.TotalSeconds):0} s left");

    private static string Text(TimeSpan period) => string.Create(CultureInfo.InvariantCulture, $"{period.TotalSeconds:0.######} s");

    private static CalendarInput[]? Calendar(string? text)
    {
        if (text is null or "none")
        {
            return text is null ? null : [];
        }

        var calendar = new List<CalendarInput>();
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            int known = Array.FindIndex(Enum.GetNames<CalendarInput>(), name => name.Equals(part, StringComparison.OrdinalIgnoreCase));
            calendar.Add(known >= 0 && CalendarInputs.SymbolsOf((CalendarInput)known) == 0
                ? (CalendarInput)known
                : throw new InputException(
                    $"--calendar: '{part}' is none of day, week and year. Write none, or some of them as day,week."));
        }

        return [.. calendar.Distinct()];
    }

    private static NamedColumn Column(string text)
    {
        int colon = text.LastIndexOf(':');
        return colon < 0 ? new NamedColumn(text, "") : new NamedColumn(text[..colon], text[(colon + 1)..]);
    }

    private static int[] Horizons(string? text)
    {
        if (text is null)
        {
            return [];
        }

        var horizons = new List<int>();
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            string[] ends = part.Split('-');
            if (!int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)
                || !int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int last)
                || ends.Length > 2 || first < 1 || last < first || last > 100_000)
            {
                throw new InputException($"--horizons: '{part}' is not a number of rows from 1 to 100000. Write them as 1,6,24 or 1-24.");
            }

            horizons.AddRange(Enumerable.Range(first, last - first + 1));
        }

        return [.. horizons.Distinct().Order()];
    }

    private static int? InRange(int? value, string option, int min, int max) =>
        value is { } given ? TrainingOptions.InRange(given, option, min, max) : null;

    private static string Provenance(string[] files, LearnerOptions options, ForecastLearner learner, string? learnedOn)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("tool", $"edge-quantize {typeof(TrainCommand).Assembly.GetName().Version!.ToString(3)}");
            json.WriteString("source", "train");
            json.WriteString("readings", string.Join(", ", files.Select(Path.GetFileName)));
            json.WriteNumber("seed", options.Seed);
            if (learnedOn is not null)
            {
                json.WriteString("learned_on", learnedOn);
                json.WriteString("learned_at", DateTime.UtcNow.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
            }

            json.WriteString("net", learner.Net?.ToString() ?? "none");
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    // What is told beside how to learn.
    private sealed record Extras(string Name, string? Report, string? Beside, string? LearnedOn);
}
