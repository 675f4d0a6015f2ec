using System.Collections.Concurrent;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Quantization;
using Edge.Training.Reference;

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
/// <param name="RmseChange">
/// Int8 RMSE / float RMSE - 1 on the held-out rows, mean over the outputs that forecast a column; NaN if none does.
/// </param>
/// <param name="WorstDifference">The worst output's RMS of int8 minus float over its standard deviation.</param>
/// <param name="OutsideChange">The worst RMSE change when a column leaves the calibrated range; NaN where it was not measured.</param>
/// <param name="OutsideDifference">
/// The worst difference, over the deviation, of an output that forecasts no column when a column leaves the calibrated range; NaN if there
/// is none.
/// </param>
/// <param name="IsGood">Whether it meets the tolerance.</param>
internal sealed record Trial(
    string Setting,
    double RmseChange,
    double WorstDifference,
    double OutsideChange,
    double OutsideDifference,
    bool IsGood);

/// <summary>Finds the cheapest setting that meets a tolerance: as few layers with an int16 hidden state as possible.</summary>
internal sealed class PrecisionSearch(
    FloatRun reference,
    ActivationStatistics statistics,
    QuantizationSettings settings,
    double tolerance,
    string provenance,
    Action<string, double?> say)
{
    /// <summary>
    /// Largest RMS of int8 minus float over an output's standard deviation: RMSE hardly changes if the difference is not correlated with
    /// the error, but a direct comparison of two forecasts shows it.
    /// </summary>
    internal const double DifferenceMax = 0.01;

    /// <summary>
    /// Largest difference over the deviation, on ordinary rows, of an output that forecasts no column when a column lies far outside the
    /// calibrated range. There an error against the truth does not exist, and the outputs of float move far too.
    /// </summary>
    internal const double OutsideDifferenceMax = 0.05;

    // Cell ranges over the calibrated ones that are tried beside the setting's own.
    private const double CellHeadroomLow = 2;
    private const double CellHeadroomHigh = 16;

    private readonly ModelQuantizer _quantizer = new(reference.Model, reference.Manifest, statistics, provenance);
    private readonly ConcurrentDictionary<string, Lazy<Judgement>> _judged = new();
    private readonly List<Trial> _trials = [];

    /// <summary>What was tried, in order.</summary>
    internal IReadOnlyList<Trial> Trials => _trials;

    /// <summary>The chosen model.</summary>
    internal EdgeModel Run(Precision precision)
    {
        int[] recurrent = Enumerable.Range(0, reference.Model.Layers.Count).Where(l => HasWidth(reference.Model.Layers[l])).ToArray();
        if (precision != Precision.Auto)
        {
            return Take(Try(precision == Precision.Int8 ? [] : [.. recurrent], settings.CellHeadroom)).Model;
        }

        // Another cell range costs nothing at run time: a smaller one has finer steps.
        Candidate best = WithBestHeadroom(Take(Try([], settings.CellHeadroom)), CellHeadroomLow);
        var wide = new HashSet<int>();
        while (!best.Trial.IsGood && wide.Count < recurrent.Length)
        {
            // One more layer in int16: the one that helps most.
            double headroom = best.CellHeadroom;
            Candidate[] tried = Concurrent.Select(
                recurrent.Where(l => !wide.Contains(l)).ToArray(), l => Try([.. wide, l], headroom));
            Candidate next = tried.Select(Take).MinBy(candidate => Badness(candidate.Trial))!;
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

            Candidate other = headroom == tried ? best : Take(Try(best.Wide, headroom));
            best = Badness(other.Trial) < Badness(best.Trial) ? other : best;
        }

        return best;
    }

    private static bool HasWidth(FloatLayer layer) => layer.IsRecurrent || layer is FloatBlock { Products.Count: > 0 };

    private bool HasCells => reference.Model.Layers.Any(layer => layer is FloatLstm);

    private Candidate Take(Candidate candidate)
    {
        _trials.AddRange(candidate.Trials);
        return candidate;
    }

    private Candidate Try(HashSet<int> wide, double cellHeadroom)
    {
        EdgeModel model = _quantizer.Quantize(settings with { WideLayers = wide, CellHeadroom = cellHeadroom });
        string width = wide.Count == 0
            ? "hidden int8"
            : $"hidden int16 in {(wide.Count == 1 ? "layer" : "layers")} {string.Join(", ", wide.Order())}";
        string setting = HasCells ? $"{width}, cell headroom {cellHeadroom}" : width;
        say($"trying {setting}", null);
        Judgement judged = JudgementOf(model);
        Trial trial = judged.Trial with { Setting = setting };
        if (judged.Corrected is not { } corrected || Badness(judged.CorrectedTrial!) >= Badness(trial))
        {
            return new Candidate(model, trial, [trial], wide, cellHeadroom);
        }

        Trial second = judged.CorrectedTrial! with { Setting = $"{setting}, biases corrected" };
        return new Candidate(corrected, second, [trial, second], wide, cellHeadroom);
    }

    // Two settings may give the same model: it is run once.
    private Judgement JudgementOf(EdgeModel model) => _judged.GetOrAdd(model.Sha256, _ => new Lazy<Judgement>(() => Judge(model))).Value;

    private Judgement Judge(EdgeModel model)
    {
        // Other biases of the head change nothing below it: its sums say what they give.
        bool mayCorrect = HasLinearHead && reference.Begin > 0;
        int[] sums = new int[mayCorrect && model.Lags is null ? reference.Outputs.Length : 0];
        float[] outputs = ModelEvaluation.Run(reference, model, sums).Int8Outputs;
        Trial trial = Weigh(model, outputs);
        return trial.IsGood || !mayCorrect || ModelQuantizer.WithoutMeanError(model, MeanError(outputs)) is not { } corrected
            ? new Judgement(trial, null, null)
            : new Judgement(trial, corrected, Weigh(
                corrected, sums.Length == 0 ? ModelEvaluation.Run(reference, corrected).Int8Outputs : WithBiases(model, corrected, sums)));
    }

    /// <summary>The outputs of a model with other biases of its linear head, from the head's sums.</summary>
    internal static float[] WithBiases(EdgeModel model, EdgeModel corrected, int[] sums)
    {
        (int[] before, int[] after, float[] scale) = (model.Head!.Bias, corrected.Head!.Bias, corrected.Head.Scale);
        return [.. sums.Select((sum, at) => (sum + (after[at % after.Length] - before[at % before.Length])) * scale[at % scale.Length])];
    }

    private Trial Weigh(EdgeModel model, float[] outputs)
    {
        IReadOnlyList<OutputEvaluation> scores = ModelEvaluation.Scores(reference, outputs);
        IReadOnlyList<OutsideRange> outside = OutsideRange.Measure(reference, model);
        double change = ModelEvaluation.RmseChangeOf(scores);
        double worst = outside.Select(result => result.RmseChange).DefaultIfEmpty(double.NaN).Max();
        double difference = Math.Max(scores.Max(output => output.DifferenceRms), WorstDifference(outputs));
        double apart = outside.Select(result => result.OtherDifference).DefaultIfEmpty(double.NaN).Max();

        // What was not measured is NaN, which exceeds nothing.
        bool isGood = !(change > tolerance) && !(worst > tolerance) && difference <= DifferenceMax && !(apart > OutsideDifferenceMax);
        return new Trial("", change, difference, worst, apart, isGood);
    }

    private bool HasLinearHead => reference.Model.Head is { } head
        && (head.Segments?.All(segment => segment.Activation == FloatActivation.Linear) ?? head.Activation == FloatActivation.Linear);

    // Of int8 minus float on the rows that are not scored.
    private double[] MeanError(float[] int8Outputs)
    {
        int outputs = reference.Model.OutputCount;
        return [.. Enumerable.Range(0, outputs).Select(k => Enumerable.Range(0, reference.Begin)
            .Average(row => (double)int8Outputs[(row * outputs) + k] - reference.Outputs[(row * outputs) + k]))];
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
    private double Badness(Trial trial) => new[]
    {
        trial.RmseChange / Math.Max(tolerance, 1e-9),
        trial.OutsideChange / Math.Max(tolerance, 1e-9),
        trial.WorstDifference / DifferenceMax,
        trial.OutsideDifference / OutsideDifferenceMax,
    }.Where(double.IsFinite).DefaultIfEmpty(0).Max();

    // What running a model shows; and the model with other biases of its head, where it is not good and they change.
    private sealed record Judgement(Trial Trial, EdgeModel? Corrected, Trial? CorrectedTrial);

    private sealed record Candidate(EdgeModel Model, Trial Trial, Trial[] Trials, HashSet<int> Wide, double CellHeadroom);
}
