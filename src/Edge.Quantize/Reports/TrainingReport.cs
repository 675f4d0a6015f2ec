using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Learning;

namespace Edge.Quantize.Reports;

/// <summary>The page of a model that was trained here: its forecasts beside simple ones, how it was learned, and the evaluation.</summary>
internal static class TrainingReport
{
    private const int PlottedNets = 6;

    /// <summary>Writes the page, if a path is given.</summary>
    /// <param name="path">The file.</param>
    /// <param name="evaluation">What was measured.</param>
    /// <param name="manifest">Of the new model, with its errors and those of simple forecasts.</param>
    /// <param name="learner">How it was learned.</param>
    /// <param name="output">Told where the page is.</param>
    internal static void Write(
        string? path, EvaluationReport evaluation, ModelManifest manifest, ForecastLearner learner, TextWriter output)
    {
        string lead = $"{evaluation.Quantized.Architecture}, in int8. Scored on rows {evaluation.Model.Begin} to "
            + $"{evaluation.Model.End - 1}, which had no part in training.";
        HtmlReport.Write(
            path, evaluation, output, new PageHead($"{manifest.Name}: trained forecasts", lead, [.. Tiles(evaluation, manifest, learner)]),
            page =>
            {
                HtmlReport.WriteBaselines(page, manifest);
                WriteLosses(page, learner);
            });
    }

    private static IEnumerable<(string, string)> Tiles(EvaluationReport evaluation, ModelManifest manifest, ForecastLearner learner)
    {
        if (manifest.Baselines.Count > 0)
        {
            yield return ($"{BaselineTable.Skill(manifest):+0.00;-0.00;0.00}", "skill against persistence, mean over outputs");
            yield return (
                $"{manifest.Outputs.Count - manifest.Lost.Count} of {manifest.Outputs.Count}", "outputs better than every simple forecast");
        }

        yield return (learner.Net is { } net ? $"{net.CellAndUnits}" : "regression", learner.Net is null
            ? "alone: no net was worth its time"
            : $"beside a regression, best of {Quantity.Of(learner.Candidates.Count, "net")}");
        yield return (EvaluationTable.Percent(evaluation.Model.RmseChange), "RMSE of int8 against float, mean over outputs");
        yield return HtmlReport.StepTime(evaluation.Model);
        yield return HtmlReport.State(evaluation.Quantized);
    }

    // The curves of the best nets, and the training loss of the first.
    private static void WriteLosses(Page page, ForecastLearner learner)
    {
        page.Heading(2, "Training");
        page.Paragraph($"{char.ToUpperInvariant(CandidateList.Choice(learner)[0])}{CandidateList.Choice(learner)[1..]}.");
        Learned[] nets = [.. learner.Candidates.Take(PlottedNets)];
        if (nets.Length == 0)
        {
            return;
        }

        page.Paragraph(
            "After each epoch, percent of the regression's square error that a net leaves on the rows that choose. At 100 it adds nothing. "
                + "The last plot is the loss on the training rows.");
        page.Plots(
        [
            .. nets.Select(each => Curve(
                $"{each.Candidate}: {EvaluationTable.Share(each.Score)}", [.. each.Losses.Select(loss => 100 * loss.Validation)])),
            Curve($"{nets[0].Candidate}: training loss", [.. nets[0].Losses.Select(loss => loss.Training)]),
        ]);
    }

    private static (string Caption, string Svg) Curve(string caption, double[] losses) =>
        (caption, Plot.Lines([new Series(losses, 1)], "epoch 1", $"epoch {losses.Length}", 130));
}
