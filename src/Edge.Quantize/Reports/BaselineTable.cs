using Edge.Inference.Models;
using Spectre.Console;

namespace Edge.Quantize.Reports;

/// <summary>A model beside simple forecasts: a table, and a sentence on what it does not win.</summary>
internal static class BaselineTable
{
    /// <summary>What the figures are.</summary>
    internal const string Legend = "RMSE on rows that nothing was learned from; skill: 1 - (RMSE / RMSE of the last value)²";

    private const int PipedWidth = 120;
    private const int NamedMax = 6;

    internal static void Write(TextWriter output, ModelManifest manifest)
    {
        if (manifest.Baselines.Count == 0)
        {
            return;
        }

        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        if (Console.IsOutputRedirected || output != Console.Out)
        {
            console.Profile.Width = PipedWidth;
        }

        string[] header = Header(manifest);
        var table = new Table().Border(TableBorder.Simple).AddColumn(header[0]);
        foreach (string heading in header[1..])
        {
            table.AddColumn(new TableColumn(heading).RightAligned());
        }

        foreach (string[] row in Rows(manifest))
        {
            table.AddRow([.. row.Select(Markup.Escape)]);
        }

        console.Write(table);
        output.WriteLine(Legend);
        output.WriteLine(Verdict(manifest));
    }

    /// <summary>Headings of the columns.</summary>
    internal static string[] Header(ModelManifest manifest) => ["output", "model", .. manifest.Baselines.Keys, "skill"];

    /// <summary>One row an output.</summary>
    internal static IEnumerable<string[]> Rows(ModelManifest manifest)
    {
        double[] last = [.. manifest.Baselines.First().Value];
        for (int k = 0; k < manifest.Outputs.Count; k++)
        {
            int column = manifest.Outputs[k].Column;
            double std = manifest.Std[column];
            double rmse = manifest.OutputRmse![k];
            string unit = manifest.Units[column];
            int output = k;
            yield return
            [
                unit.Length > 0 ? $"{manifest.OutputName(k)} {unit}" : manifest.OutputName(k), EvaluationTable.Number(std * rmse),
                .. manifest.Baselines.Values.Select(errors => EvaluationTable.Number(std * errors[output])),
                last[k] > 0 ? $"{1 - Math.Pow(rmse / last[k], 2):+0.00;-0.00;0.00}" : "",
            ];
        }
    }

    /// <summary>In one sentence, which outputs do not beat every simple forecast.</summary>
    internal static string Verdict(ModelManifest manifest)
    {
        IReadOnlyList<(int Output, string Baseline)> lost = manifest.Lost;
        if (lost.Count == 0)
        {
            return "The model beats every simple forecast on every output.";
        }

        IEnumerable<string> losses = lost.Take(NamedMax).Select(each =>
            $"{manifest.OutputName(each.Output)} (the error of {each.Baseline} is "
                + $"{100 * (1 - (manifest.Baselines[each.Baseline][each.Output] / manifest.OutputRmse![each.Output])):0.0} % smaller)");
        string more = lost.Count > NamedMax ? $" and {lost.Count - NamedMax} more" : "";
        return $"The model does not beat every simple forecast on {lost.Count} of {manifest.Outputs.Count} outputs: "
            + $"{string.Join("; ", losses)}{more}.";
    }
}
