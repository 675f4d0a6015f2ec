using System.Text;
using System.Text.Json;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Quantize.Evaluation;
using Spectre.Console;

namespace Edge.Quantize.Reports;

/// <summary>An evaluation for people, as a table, and for programs, as JSON.</summary>
internal static class EvaluationTable
{
    private const int PipedWidth = 120;

    internal static void Write(TextWriter output, EvaluationReport report)
    {
        ModelEvaluation evaluation = report.Model;
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        if (Console.IsOutputRedirected || output != Console.Out)
        {
            console.Profile.Width = PipedWidth;
        }

        var table = new Table().Border(TableBorder.Simple).AddColumn(new TableColumn("output").NoWrap());
        foreach (string column in new[] { "float RMSE", "int8 RMSE", "change", "persistence", "float MAE", "int8 MAE", "int8 - float" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (OutputEvaluation result in evaluation.Outputs)
        {
            table.AddRow(
                Markup.Escape(result.Unit.Length > 0 ? $"{result.Output} {result.Unit}" : result.Output),
                Number(result.FloatRmse),
                Number(result.Int8Rmse),
                result.FloatRmse > 0 ? Percent((result.Int8Rmse / result.FloatRmse) - 1) : "", Number(result.PersistenceRmse),
                Number(result.FloatMae), Number(result.Int8Mae), $"{100 * result.DifferenceRms:0.000} %");
        }

        output.WriteLine(
            $"scored on rows {evaluation.Begin}..{evaluation.End - 1}, state carried from row 0; errors in physical units; int8 - float: "
                + $"RMS over the output's standard deviation");
        console.Write(table);
        foreach (string line in Lines(report))
        {
            output.WriteLine(line);
        }
    }

    /// <summary>The lines below the table, also used in the HTML page.</summary>
    internal static IEnumerable<string> Lines(EvaluationReport report)
    {
        ModelEvaluation evaluation = report.Model;
        if (report.Reference.Manifest.IsForecast)
        {
            yield return $"RMSE change, mean over outputs: {Percent(evaluation.RmseChange)}";
        }

        if (report.Outside.Count > 0)
        {
            OutsideRange worst = report.Outside.MaxBy(
                result => report.Reference.Manifest.IsForecast ? result.RmseChange : result.WorstDifference)!;
            yield return report.Reference.Manifest.IsForecast
                ? $"outside the calibrated range (a column raised 10 deviations above its largest value): "
                    + $"RMSE change {Percent(worst.RmseChange)} at worst ({worst.Column})"
                : $"outside the calibrated range (a column raised 10 deviations above its largest value): "
                    + $"int8 - float {100 * worst.WorstDifference:0.000} % at worst ({worst.Column})";
        }

        yield return $"drift over {report.Drift.Steps} steps: "
            + $"int8 - float {100 * report.Drift.First:0.000} % in the first {report.Drift.BlockSteps}, {100 * report.Drift.Later:0.000} % "
            + $"at most in any later ones";
        yield return $"readings clipped: {Clipped(report)}; cell states: {evaluation.CellSaturations.Sum()}; hidden states: "
            + $"{evaluation.HiddenSaturations.Sum()}{Units(report)}";
        IEnumerable<string> costs = report.Costs
            .OrderByDescending(cost => cost.WorstDifference)
            .Take(3)
            .Select(cost => $"{cost.Layer} {cost.Gate} {100 * cost.WorstDifference:0.000} %");
        yield return $"costs most: {string.Join(", ", costs)}";
        yield return $"step, one thread, on this machine: "
            + $"float reference {evaluation.FloatNsPerStep:0} ns, int8 {evaluation.Int8NsPerStep:0} ns ({evaluation.Kernel})";
    }

    internal static void WriteJson(TextWriter output, EvaluationReport report)
    {
        ModelEvaluation evaluation = report.Model;
        ModelManifest manifest = report.Reference.Manifest;
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("rows_begin", evaluation.Begin);
            json.WriteNumber("rows_end", evaluation.End);
            WriteNumber(json, "rmse_change", evaluation.RmseChange);
            json.WriteNumber("worst_difference_rms", evaluation.WorstDifference);
            json.WriteString("kernel", evaluation.Kernel);
            json.WriteNumber("float_ns_per_step", evaluation.FloatNsPerStep);
            json.WriteNumber("int8_ns_per_step", evaluation.Int8NsPerStep);
            json.WriteNumber("state_bytes", report.Quantized.StateBytes);
            json.WriteStartObject("clipped");
            for (int i = 0; i < manifest.Columns.Count; i++)
            {
                json.WriteNumber(manifest.Columns[i], evaluation.InputSaturations[i]);
            }

            json.WriteEndObject();
            WriteSaturations(json, "cell_saturations", report.Quantized, evaluation.CellSaturations);
            WriteSaturations(json, "hidden_saturations", report.Quantized, evaluation.HiddenSaturations);
            json.WriteStartObject("drift");
            json.WriteNumber("steps", report.Drift.Steps);
            json.WriteNumber("block_steps", report.Drift.BlockSteps);
            json.WriteStartArray("worst_difference_rms");
            foreach (double worst in report.Drift.Worst)
            {
                json.WriteNumberValue(worst);
            }

            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteStartArray("outside_calibrated_range");
            foreach (OutsideRange result in report.Outside)
            {
                json.WriteStartObject();
                json.WriteString("column", result.Column);
                json.WriteNumber("raised_by_deviations", result.By);
                WriteNumber(json, "rmse_change", result.RmseChange);
                json.WriteNumber("worst_difference_rms", result.WorstDifference);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("costs");
            foreach (GateCost cost in report.Costs)
            {
                json.WriteStartObject();
                json.WriteString("layer", cost.Layer);
                json.WriteString("gate", cost.Gate);
                json.WriteNumber("worst_difference_rms", cost.WorstDifference);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("outputs");
            foreach (OutputEvaluation result in evaluation.Outputs)
            {
                json.WriteStartObject();
                json.WriteString("output", result.Output);
                json.WriteString("unit", result.Unit);
                json.WriteNumber("rows", result.Rows);
                WriteNumber(json, "float_rmse", result.FloatRmse);
                WriteNumber(json, "int8_rmse", result.Int8Rmse);
                WriteNumber(json, "persistence_rmse", result.PersistenceRmse);
                WriteNumber(json, "float_mae", result.FloatMae);
                WriteNumber(json, "int8_mae", result.Int8Mae);
                json.WriteNumber("difference_rms", result.DifferenceRms);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(stream.ToArray()));
    }

    internal static string Number(double value) => double.IsNaN(value) ? "" : value.ToString("0.#####");

    /// <summary>A part of 1 in percent, to a tenth.</summary>
    internal static string Share(double value) => $"{100 * value:0.0} %";

    internal static string Percent(double value) => double.IsNaN(value) ? "not measured" : value.ToString("+0.000 %;-0.000 %;0.000 %");

    private static void WriteNumber(Utf8JsonWriter json, string name, double value)
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

    // One list of counts a layer, in the order of its units.
    private static void WriteSaturations(Utf8JsonWriter json, string name, EdgeModel model, long[] counts)
    {
        json.WriteStartArray(name);
        int at = 0;
        foreach (Layer layer in model.Layers)
        {
            json.WriteStartArray();
            for (int unit = 0; unit < layer.UnitCount; unit++)
            {
                json.WriteNumberValue(counts[at++]);
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    private static string Clipped(EvaluationReport report)
    {
        string[] clipped = report.Reference.Manifest.Columns.Select((column, i) => (column, report.Model.InputSaturations[i]))
            .Where(entry => entry.Item2 > 0).Select(entry => $"{entry.column} {entry.Item2}").ToArray();
        return clipped.Length == 0 ? "none" : string.Join(", ", clipped);
    }

    private static string Units(EvaluationReport report)
    {
        long[] hidden = report.Model.HiddenSaturations;
        int worst = Array.IndexOf(hidden, hidden.Max());
        return hidden[worst] == 0 ? "" : $" (most: unit {worst}, {hidden[worst]})";
    }
}
