using System.Diagnostics;
using Edge.Inference;
using Edge.Inference.Kernels;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;

namespace Edge.Quantize.Evaluation;

/// <summary>
/// The errors of one output on held-out rows, in the unit of its column. Those against the actual values are NaN for an output that
/// forecasts no column.
/// </summary>
/// <param name="Output">Its name, <c>HUFL[t+1]</c>.</param>
/// <param name="Unit">Unit of its column, or "".</param>
/// <param name="Rows">Rows scored.</param>
/// <param name="FloatRmse">Root mean square error of the float model.</param>
/// <param name="Int8Rmse">Root mean square error of the int8 model.</param>
/// <param name="PersistenceRmse">The same of saying that nothing changes.</param>
/// <param name="FloatMae">Mean absolute error of the float model.</param>
/// <param name="Int8Mae">Mean absolute error of the int8 model.</param>
/// <param name="DifferenceRms">Root mean square of int8 minus float, as a fraction of the float output's standard deviation.</param>
/// <param name="Int8RmseNormalized">Int8 RMSE in standard deviations of the column.</param>
internal sealed record OutputEvaluation(
    string Output, string Unit, int Rows, double FloatRmse, double Int8Rmse, double PersistenceRmse, double FloatMae, double Int8Mae,
    double DifferenceRms, double Int8RmseNormalized);

/// <summary>Int8 against float over the same rows, state carried from the first row of the file to the last.</summary>
/// <param name="Outputs">One entry an output.</param>
/// <param name="Begin">First row scored.</param>
/// <param name="End">One past the last row scored.</param>
/// <param name="Int8Outputs">The int8 model's outputs of every row.</param>
/// <param name="InputSaturations">Clipped readings per column.</param>
/// <param name="CellSaturations">Clipped cell states per unit, layer after layer.</param>
/// <param name="HiddenSaturations">Clipped hidden states per unit, layer after layer.</param>
/// <param name="Kernel">The kernel that was used.</param>
/// <param name="FloatNsPerStep">Wall time of the float step here, nanoseconds.</param>
/// <param name="Int8NsPerStep">Wall time of the int8 step here, nanoseconds.</param>
internal sealed record ModelEvaluation(
    IReadOnlyList<OutputEvaluation> Outputs,
    int Begin,
    int End,
    float[] Int8Outputs,
    long[] InputSaturations,
    long[] CellSaturations,
    long[] HiddenSaturations,
    string Kernel, double FloatNsPerStep, double Int8NsPerStep)
{
    /// <summary>Mean over the outputs of int8 RMSE / float RMSE - 1; NaN where no output forecasts a column.</summary>
    internal double RmseChange => RmseChangeOf(Outputs);

    /// <summary>Largest <see cref="OutputEvaluation.DifferenceRms"/>.</summary>
    internal double WorstDifference => Outputs.Max(output => output.DifferenceRms);

    /// <summary>The mean increase of the RMSE of some outputs.</summary>
    internal static double RmseChangeOf(IReadOnlyList<OutputEvaluation> outputs) => outputs.Where(output => output.FloatRmse > 0)
        .Select(output => (output.Int8Rmse / output.FloatRmse) - 1)
        .DefaultIfEmpty(double.NaN)
        .Average();

    /// <summary>Steps an int8 model over all rows.</summary>
    /// <param name="reference">The float model over the same rows.</param>
    /// <param name="int8Model">The int8 model.</param>
    /// <param name="headSums">Receives the sums of the head in every row; empty for none.</param>
    internal static ModelEvaluation Run(FloatRun reference, EdgeModel int8Model, Span<int> headSums = default)
    {
        ReadingsFile readings = reference.Readings;
        var session = new InferenceSession(int8Model);
        int outputs = int8Model.OutputCount;
        float[] int8Outputs = new float[readings.RowCount * outputs];
        long started = Stopwatch.GetTimestamp();
        for (int row = 0; row < readings.RowCount; row++)
        {
            session.Step(readings.Row(row), int8Outputs.AsSpan(row * outputs, outputs));
            for (int r = 0; r < outputs && headSums.Length > 0; r++)
            {
                headSums[(row * outputs) + r] = ScalarKernel.HeadSum(int8Model.Head!, r, session.LastOutput);
            }
        }

        double nanoseconds = Stopwatch.GetElapsedTime(started).TotalNanoseconds / readings.RowCount;
        return new ModelEvaluation(
            Scores(reference, int8Outputs),
            reference.Begin,
            reference.End,
            int8Outputs,
            session.InputSaturations.ToArray(),
            session.CellSaturations.ToArray(),
            session.HiddenSaturations.ToArray(),
            session.Kernel,
            reference.NsPerStep,
            nanoseconds);
    }

    /// <summary>The errors of each output, from an int8 model's outputs in every row.</summary>
    internal static IReadOnlyList<OutputEvaluation> Scores(FloatRun reference, float[] int8Outputs) =>
        [.. Enumerable.Range(0, reference.Model.OutputCount).Select(k => Score(reference, k, int8Outputs))];

    private static OutputEvaluation Score(FloatRun reference, int k, float[] int8Outputs)
    {
        ModelManifest manifest = reference.Manifest;
        ReadingsFile readings = reference.Readings;
        ModelOutput output = manifest.Outputs[k];
        int ahead = output.TicksAhead;
        var floatError = default(ErrorSum);
        var int8Error = default(ErrorSum);
        var persistence = default(ErrorSum);
        var difference = default(ErrorSum);
        for (int row = reference.Begin; row + ahead < reference.End; row++)
        {
            double floatValue = reference.Output(row)[k];
            double int8Value = int8Outputs[(row * manifest.Outputs.Count) + k];
            difference.Add(int8Value - floatValue);
            if (output.IsForecast)
            {
                double actual = readings.Row(row + ahead)[output.Column];
                floatError.Add(floatValue - actual);
                int8Error.Add(int8Value - actual);
                persistence.Add(readings.Row(row)[output.Column] - actual);
            }
        }

        double relative = reference.Deviation[k] > 0 ? difference.Rms / reference.Deviation[k] : 0;
        if (!output.IsForecast)
        {
            return new OutputEvaluation(
                manifest.OutputName(k), "", difference.Count, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN,
                relative, double.NaN);
        }

        double std = manifest.Std[output.Column];
        return new OutputEvaluation(
            manifest.OutputName(k),
            manifest.Units[output.Column],
            floatError.Count,
            floatError.Rms * std,
            int8Error.Rms * std,
            persistence.Rms * std,
            floatError.MeanAbsolute * std, int8Error.MeanAbsolute * std, relative, int8Error.Rms);
    }
}
