using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Learning;
using Spectre.Console;

namespace Edge.Quantize.Reports;

/// <summary>A model beside simple forecasts: a table, and a sentence on what it does not win.</summary>
internal static class BaselineTable
{
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
        var table = new Table().Border(TableBorder.Simple).AddColumn(new TableColumn(header[0]).NoWrap());
        foreach (string heading in header[1..])
        {
            table.AddColumn(new TableColumn(heading).RightAligned());
        }

        foreach (string[] row in Rows(manifest))
        {
            table.AddRow([.. row.Select(Markup.Escape)]);
        }

        console.Write(table);
        output.WriteLine(string.Join('\n', Legend(manifest)));
        output.WriteLine(Verdict(manifest));
    }

    /// <summary>Headings of the columns.</summary>
    internal static string[] Header(ModelManifest manifest) => ["output", "model", .. manifest.Baselines.Keys, "skill"];

    /// <summary>What the figures are, a few words each.</summary>
    internal static IEnumerable<string> Legend(ModelManifest manifest)
    {
        string rows = manifest.TestRows is { } test ? $"rows {test.Begin} to {test.End - 1}, which" : "rows that";
        string day = manifest.Baselines.ContainsKey(BaselineScores.DayBefore) ? "; a day before: it is as it was then" : "";
        yield return $"RMSE on {rows} nothing was learned from";
        yield return $"{ModelManifest.Persistence}: the column stays as it is{day}";
        yield return $"skill: 1 - (RMSE / RMSE of {ModelManifest.Persistence})²";
    }

    /// <summary>One row an output.</summary>
    internal static IEnumerable<string[]> Rows(ModelManifest manifest)
    {
        for (int k = 0; k < manifest.Outputs.Count; k++)
        {
            int column = manifest.Outputs[k].Column;
            double std = manifest.Std[column];
            string unit = manifest.Units[column];
            double skill = Skill(manifest, k);
            int output = k;
            yield return
            [
                unit.Length > 0 ? $"{manifest.OutputName(k)} {unit}" : manifest.OutputName(k),
                EvaluationTable.Number(std * manifest.OutputRmse![k]),
                .. manifest.Baselines.Values.Select(errors => EvaluationTable.Number(std * errors[output])),
                double.IsNaN(skill) ? "" : $"{skill:+0.00;-0.00;0.00}",
            ];
        }
    }

    /// <summary>Skill against persistence, mean over the outputs that have one; NaN if none has.</summary>
    internal static double Skill(ModelManifest manifest) => Enumerable.Range(0, manifest.Outputs.Count)
        .Select(k => Skill(manifest, k)).Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();

    /// <summary>
    /// In a few sentences, on how many outputs the model beats every simple forecast, equals the best one, and loses. The largest loss
    /// comes first.
    /// </summary>
    internal static string Verdict(ModelManifest manifest)
    {
        (int Output, string Baseline, double By)[] notBetter =
        [
            .. manifest.Lost.Select(each => (
                each.Output, each.Baseline, 1 - (manifest.Baselines[each.Baseline][each.Output] / manifest.OutputRmse![each.Output]))),
        ];
        if (notBetter.Length == 0)
        {
            return "The model beats every simple forecast on every output.";
        }

        string text = $"The model beats every simple forecast on {manifest.Outputs.Count - notBetter.Length} of "
            + $"{Quantity.Of(manifest.Outputs.Count, "output")}.";
        return text
            + Sentence("It equals the best of them on", [.. notBetter.Where(each => each.By < ModelManifest.EqualShare)
                .Select(each => $"{manifest.OutputName(each.Output)} ({each.Baseline})")])
            + Sentence("It loses on", [.. notBetter.Where(each => each.By >= ModelManifest.EqualShare)
                .OrderByDescending(each => each.By)
                .Select(each => $"{manifest.OutputName(each.Output)} (to {each.Baseline} by {EvaluationTable.Share(each.By)})")]);
    }

    private static string Sentence(string what, string[] outputs) => outputs.Length == 0 ? ""
        : $" {what} {outputs.Length}: {string.Join("; ", outputs.Take(NamedMax))}"
            + (outputs.Length > NamedMax ? $" and {outputs.Length - NamedMax} more." : ".");

    private static double Skill(ModelManifest manifest, int output)
    {
        double persistence = manifest.Baselines.GetValueOrDefault(ModelManifest.Persistence)?[output] ?? double.NaN;
        return persistence > 0 ? 1 - Math.Pow(manifest.OutputRmse![output] / persistence, 2) : double.NaN;
    }
}
