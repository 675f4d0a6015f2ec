using System.Text;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Quantize.Evaluation;
using Spectre.Console;

namespace Edge.Quantize.Commands;

/// <summary>An evaluation for people, as a table, and for programs, as JSON.</summary>
internal static class EvaluationTable
{
    private const int PipedWidth = 120;

    internal static void Write(TextWriter output, ModelEvaluation evaluation, ModelManifest manifest)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        if (Console.IsOutputRedirected || output != Console.Out)
        {
            console.Profile.Width = PipedWidth;
        }

        var table = new Table().Border(TableBorder.Simple).AddColumn("output");
        foreach (string column in new[] { "float RMSE", "int8 RMSE", "change", "persistence", "float MAE", "int8 MAE", "int8 - float" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (OutputEvaluation result in evaluation.Outputs)
        {
            table.AddRow(
                Markup.Escape(result.Unit.Length > 0 ? $"{result.Output} {result.Unit}" : result.Output), Number(result.FloatRmse), Number(result.Int8Rmse),
                result.FloatRmse > 0 ? Percent((result.Int8Rmse / result.FloatRmse) - 1) : "", Number(result.PersistenceRmse),
                Number(result.FloatMae), Number(result.Int8Mae), $"{100 * result.DifferenceRms:0.000} %");
        }

        output.WriteLine($"scored on rows {evaluation.Begin}..{evaluation.End - 1}, state carried from row 0; errors in physical units; int8 - float: RMS over the output's standard deviation");
        console.Write(table);
        output.WriteLine($"RMSE change, mean over outputs: {Percent(evaluation.RmseChange)}");
        output.WriteLine($"readings clipped: {Clipped(evaluation, manifest)}");
        output.WriteLine($"step, one thread, here: float reference {evaluation.FloatNsPerStep:0} ns, int8 {evaluation.Int8NsPerStep:0} ns");
    }

    internal static void WriteJson(TextWriter output, ModelEvaluation evaluation, ModelManifest manifest)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("rows_begin", evaluation.Begin);
            json.WriteNumber("rows_end", evaluation.End);
            json.WriteNumber("rmse_change", evaluation.RmseChange);
            json.WriteNumber("float_ns_per_step", evaluation.FloatNsPerStep);
            json.WriteNumber("int8_ns_per_step", evaluation.Int8NsPerStep);
            json.WriteStartObject("clipped");
            for (int i = 0; i < manifest.Columns.Count; i++)
            {
                json.WriteNumber(manifest.Columns[i], evaluation.InputSaturations[i]);
            }

            json.WriteEndObject();
            json.WriteStartArray("outputs");
            foreach (OutputEvaluation result in evaluation.Outputs)
            {
                json.WriteStartObject();
                json.WriteString("output", result.Output);
                json.WriteString("unit", result.Unit);
                json.WriteNumber("rows", result.Rows);
                json.WriteNumber("float_rmse", result.FloatRmse);
                json.WriteNumber("int8_rmse", result.Int8Rmse);
                json.WriteNumber("persistence_rmse", result.PersistenceRmse);
                json.WriteNumber("float_mae", result.FloatMae);
                json.WriteNumber("int8_mae", result.Int8Mae);
                json.WriteNumber("difference_rms", result.DifferenceRms);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(stream.ToArray()));
    }

    private static string Clipped(ModelEvaluation evaluation, ModelManifest manifest)
    {
        string[] clipped = manifest.Columns.Select((column, i) => (column, evaluation.InputSaturations[i]))
            .Where(entry => entry.Item2 > 0).Select(entry => $"{entry.column} {entry.Item2}").ToArray();
        return clipped.Length == 0 ? "none" : string.Join(", ", clipped);
    }

    private static string Number(double value) => value.ToString("0.#####");

    private static string Percent(double value) => value.ToString("+0.000 %;-0.000 %;0.000 %");
}
