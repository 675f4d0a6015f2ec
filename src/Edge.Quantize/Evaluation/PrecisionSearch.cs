using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Quantization;

namespace Edge.Quantize.Evaluation;

/// <summary>How wide the hidden states shall be.</summary>
internal enum Precision
{
    /// <summary>As narrow as the tolerance allows.</summary>
    Auto,

    /// <summary>int8 in every layer.</summary>
    Int8,

    /// <summary>int16 in every layer.</summary>
    Int16,
}

/// <summary>One setting that was tried.</summary>
/// <param name="Setting">In words.</param>
/// <param name="RmseChange">Int8 RMSE / float RMSE - 1 on the held-out rows, mean over the outputs.</param>
/// <param name="WorstDifference">The worst output's RMS of int8 minus float over its standard deviation.</param>
/// <param name="OutsideChange">The worst RMSE change when a column leaves the calibrated range.</param>
/// <param name="IsGood">Whether it meets the tolerance.</param>
internal sealed record Trial(string Setting, double RmseChange, double WorstDifference, double OutsideChange, bool IsGood);

/// <summary>Finds the cheapest setting that meets a tolerance: as few layers with an int16 hidden state as possible.</summary>
internal sealed class PrecisionSearch(
    FloatRun reference,
    ActivationStatistics statistics,
    QuantizationSettings settings,
    double tolerance,
    string provenance)
{
    /// <summary>
    /// Largest RMS of int8 minus float over an output's standard deviation: RMSE hardly changes if the difference is not correlated with
    /// the error, but a direct comparison of two forecasts shows it.
    /// </summary>
    internal const double DifferenceMax = 0.01;

    // Cell ranges over the calibrated ones that are tried beside the setting's own.
    private const double CellHeadroomLow = 2;
    private const double CellHeadroomHigh = 16;

    private readonly List<Trial> _trials = [];

    /// <summary>What was tried, in order.</summary>
    internal IReadOnlyList<Trial> Trials => _trials;

    /// <summary>The chosen model.</summary>
    internal EdgeModel Run(Precision precision)
    {
        int[] recurrent = Enumerable.Range(0, reference.Model.Layers.Count).Where(l => reference.Model.Layers[l].IsRecurrent).ToArray();
        if (precision != Precision.Auto)
        {
            return Try(precision == Precision.Int8 ? [] : [.. recurrent], settings.CellHeadroom).Model;
        }

        // Another cell range costs nothing at run time: a smaller one has finer steps.
        Candidate best = WithBestHeadroom(Try([], settings.CellHeadroom), CellHeadroomLow);
        var wide = new HashSet<int>();
        while (!best.Trial.IsGood && wide.Count < recurrent.Length)
        {
            // One more layer in int16: the one that helps most.
            double headroom = best.CellHeadroom;
            Candidate next = recurrent.Where(l => !wide.Contains(l))
                .Select(l => Try([.. wide, l], headroom))
                .MinBy(candidate => Badness(candidate.Trial))!;
            wide = [.. next.Wide];
            best = next.Trial.IsGood || Badness(next.Trial) < Badness(best.Trial) ? next : best;
        }

        return WithBestHeadroom(best, CellHeadroomLow, settings.CellHeadroom, CellHeadroomHigh).Model;
    }

    // The same widths with other cell ranges, until one is good.
    private Candidate WithBestHeadroom(Candidate best, params ReadOnlySpan<double> headrooms)
    {
        double tried = best.CellHeadroom;
        foreach (double headroom in headrooms)
        {
            if (best.Trial.IsGood || !HasCells)
            {
                break;
            }

            Candidate other = headroom == tried ? best : Try(best.Wide, headroom);
            best = Badness(other.Trial) < Badness(best.Trial) ? other : best;
        }

        return best;
    }

    private bool HasCells => reference.Model.Layers.Any(layer => layer.CellCount > 0);

    private Candidate Try(HashSet<int> wide, double cellHeadroom)
    {
        EdgeModel model = ModelQuantizer.Quantize(
            reference.Model, reference.Manifest, statistics, settings with { WideLayers = wide, CellHeadroom = cellHeadroom }, provenance);
        ModelEvaluation evaluation = ModelEvaluation.Run(reference, model);
        double outside = OutsideRange.Measure(reference, model).Select(result => result.RmseChange).DefaultIfEmpty(0).Max();
        double difference = Math.Max(evaluation.WorstDifference, WorstDifference(evaluation.Int8Outputs));
        string width = wide.Count == 0
            ? "hidden int8"
            : $"hidden int16 in {(wide.Count == 1 ? "layer" : "layers")} {string.Join(", ", wide.Order())}";
        var trial = new Trial(
            HasCells ? $"{width}, cell headroom {cellHeadroom}" : width, evaluation.RmseChange, difference, outside,
            evaluation.RmseChange <= tolerance && outside <= tolerance && difference <= DifferenceMax);
        _trials.Add(trial);
        return new Candidate(model, trial, wide, cellHeadroom);
    }

    // Over all rows: the held-out ones alone may be few.
    private double WorstDifference(float[] int8Outputs)
    {
        var differences = new ErrorSum[reference.Model.OutputCount];
        for (int at = 0; at < int8Outputs.Length; at++)
        {
            differences[at % differences.Length].Add(int8Outputs[at] - reference.Outputs[at]);
        }

        return reference.WorstDifference(differences);
    }

    // How far beyond the bounds the worst figure is.
    private double Badness(Trial trial) =>
        Math.Max(Math.Max(trial.RmseChange, trial.OutsideChange) / Math.Max(tolerance, 1e-9), trial.WorstDifference / DifferenceMax);

    private sealed record Candidate(EdgeModel Model, Trial Trial, HashSet<int> Wide, double CellHeadroom);
}
