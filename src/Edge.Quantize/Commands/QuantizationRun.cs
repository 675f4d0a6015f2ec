using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Learning;
using Edge.Quantize.Quantization;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary>A float model, calibrated, quantized and evaluated: what <c>quantize</c> and <c>train</c> write.</summary>
/// <param name="Model">The int8 model with its measured errors and what is normal for its columns.</param>
/// <param name="File">Its bytes.</param>
/// <param name="Evaluation">Beside the float model.</param>
/// <param name="Trials">Settings that were tried.</param>
internal sealed record QuantizationRun(EdgeModel Model, byte[] File, EvaluationReport Evaluation, IReadOnlyList<Trial> Trials)
{
    // Fewer rows teach a regression nothing.
    private const int BaselineRowsMin = 100;

    /// <param name="model">The float model.</param>
    /// <param name="manifest">What it reads and says.</param>
    /// <param name="readings">Rows to calibrate and to score on.</param>
    /// <param name="calibration">First and one past the last row to calibrate on.</param>
    /// <param name="settings">How to quantize.</param>
    /// <param name="precision">How wide the hidden states shall be.</param>
    /// <param name="tolerance">Largest share by which the RMSE may grow.</param>
    /// <param name="provenance">Where the model comes from, a JSON object.</param>
    /// <param name="say">Told what is done, and its share where that is known.</param>
    /// <param name="rows">The rows of a model that was learned here; null to take the readings as they are.</param>
    /// <param name="beside">Another model to score on the same rows, or null.</param>
    internal static QuantizationRun Of(
        FloatModel model, ModelManifest manifest, ReadingsFile readings, (int Begin, int End) calibration, QuantizationSettings settings,
        Precision precision, double tolerance, string provenance, Action<string, double?> say, TrainingRows? rows = null,
        EdgeModel? beside = null)
    {
        // What is normal can be learned of the rows that score a model that was learned here, too: nothing is scored by it.
        int normalEnd = rows is null ? calibration.End : readings.RowCount;
        say("running the float model", null);
        bool isFromTheStart = calibration.Begin == 0;
        ActivationStatistics? onTheWay = isFromTheStart ? new(model, calibration.Begin, calibration.End) : null;
        var reference = new FloatRun(model, readings, manifest, onTheWay);
        say("calibrating", null);
        ActivationStatistics statistics =
            onTheWay ?? ActivationStatistics.Measure(model, readings, calibration.Begin, calibration.End);
        say("quantizing", null);
        var search = new PrecisionSearch(reference, statistics, settings, tolerance, provenance, say);
        EdgeModel quantized = search.Run(precision);
        EvaluationReport evaluation = EvaluationReport.Measure(reference, quantized, say);

        // The measured error is stored in the file: the runtime uses it for its first prediction intervals.
        // An output that forecasts no column has none; 1, a deviation, stands for what is not known.
        double[] rmse =
            [.. evaluation.Model.Outputs.Select(result => double.IsNaN(result.Int8RmseNormalized) ? 1 : result.Int8RmseNormalized)];
        bool isForecast = manifest.Outputs.Any(named => named.IsForecast);
        ModelManifest measured = isForecast ? manifest.WithOutputRmse(rmse) : manifest;
        if (manifest.IsForecast && !quantized.ReadsSymbols && evaluation.Model.Begin >= BaselineRowsMin)
        {
            say("simple forecasts", null);
            rows ??= TrainingRows.Of(manifest, readings, evaluation.Model.Begin);
            var targets = new ForecastTargets(rows, manifest.Outputs);
            (double[] ours, Dictionary<string, IReadOnlyList<double>> baselines) = BaselineScores.Measure(
                rows, targets, LinearForecast.Baseline(rows, targets), evaluation.Model.Int8Outputs);
            if (beside is not null)
            {
                baselines[BaselineScores.ModelInUse] = BaselineScores.MeasureModel(rows, targets, beside);
            }

            // Where the rows that score are all faults, nothing is said beside simple forecasts.
            double[] known = [.. ours.Select((error, k) => double.IsNaN(error) ? rmse[k] : error)];
            measured = manifest.WithOutputRmse(known);
            measured = ours.All(double.IsNaN) ? measured : measured.WithBaselines(baselines);
        }

        ModelManifest full = measured.WithNormalProfile(
            quantized.ReadsSymbols ? [] : readings.LearnNormal(calibration.Begin, normalEnd, manifest));
        byte[] file = quantized.With(full).ToBytes();
        return new QuantizationRun(EdgeModel.Parse(file), file, evaluation, search.Trials);
    }
}
