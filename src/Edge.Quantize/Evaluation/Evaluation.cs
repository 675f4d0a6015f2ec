using System.Diagnostics;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Inference.Reference;
using Edge.Quantize.Calibration;

namespace Edge.Quantize.Evaluation;

/// <summary>The errors of one output on held-out rows, in the unit of its column.</summary>
/// <param name="Output">Its name, <c>HUFL[t+1]</c>.</param>
/// <param name="Unit">Unit of its column, or "".</param>
/// <param name="Rows">Rows scored.</param>
/// <param name="FloatRmse">Root mean square error of the float model.</param>
/// <param name="Int8Rmse">Root mean square error of the int8 model.</param>
/// <param name="PersistenceRmse">The same of saying that nothing changes.</param>
/// <param name="FloatMae">Mean absolute error of the float model.</param>
/// <param name="Int8Mae">Mean absolute error of the int8 model.</param>
/// <param name="DifferenceRms">Root mean square of int8 minus float, as a fraction of the float output's standard deviation.</param>
/// <param name="Int8RmseNormalised">Int8 RMSE in standard deviations of the column.</param>
internal sealed record OutputEvaluation(
    string Output, string Unit, int Rows, double FloatRmse, double Int8Rmse, double PersistenceRmse, double FloatMae, double Int8Mae,
    double DifferenceRms, double Int8RmseNormalised);

/// <summary>Int8 against float over the same rows, state carried from the first row of the file to the last.</summary>
/// <param name="Outputs">One entry an output.</param>
/// <param name="Begin">First row scored.</param>
/// <param name="End">One past the last row scored.</param>
/// <param name="InputSaturations">Clipped readings per column.</param>
/// <param name="FloatNsPerStep">Wall time of the float step here, nanoseconds.</param>
/// <param name="Int8NsPerStep">Wall time of the int8 step here, nanoseconds.</param>
internal sealed record ModelEvaluation(
    IReadOnlyList<OutputEvaluation> Outputs, int Begin, int End, long[] InputSaturations, double FloatNsPerStep, double Int8NsPerStep)
{
    /// <summary>Mean over the outputs of int8 RMSE / float RMSE - 1.</summary>
    internal double RmseChange => Outputs.Where(output => output.FloatRmse > 0).Select(output => (output.Int8Rmse / output.FloatRmse) - 1).DefaultIfEmpty(0).Average();

    internal static ModelEvaluation Run(FloatModel floatModel, EdgeModel int8Model, ReadingsFile readings)
    {
        ModelManifest manifest = int8Model.Manifest;
        (int begin, int end) = ScoredRows(manifest, readings.RowCount);
        var floatSession = new FloatSession(floatModel);
        var int8Session = new InferenceSession(int8Model);
        int outputs = manifest.Outputs.Count;
        float[] floatOutputs = new float[readings.RowCount * outputs];
        float[] int8Outputs = new float[readings.RowCount * outputs];

        long started = Stopwatch.GetTimestamp();
        for (int row = 0; row < readings.RowCount; row++)
        {
            floatSession.Step(readings.Row(row), floatOutputs.AsSpan(row * outputs, outputs));
        }

        long between = Stopwatch.GetTimestamp();
        for (int row = 0; row < readings.RowCount; row++)
        {
            int8Session.Step(readings.Row(row), int8Outputs.AsSpan(row * outputs, outputs));
        }

        TimeSpan int8Time = Stopwatch.GetElapsedTime(between);
        TimeSpan floatTime = Stopwatch.GetElapsedTime(started, between);
        return new ModelEvaluation(
            Enumerable.Range(0, outputs).Select(k => Score(manifest, readings, k, begin, end, floatOutputs, int8Outputs)).ToArray(),
            begin,
            end,
            int8Session.InputSaturations.ToArray(),
            floatTime.TotalNanoseconds / readings.RowCount,
            int8Time.TotalNanoseconds / readings.RowCount);
    }

    /// <summary>The manifest's test rows where the file has them, else its last fifth.</summary>
    private static (int Begin, int End) ScoredRows(ModelManifest manifest, int rows) =>
        manifest.TestRows is { } test && test.Begin < rows - 1 ? (test.Begin, Math.Min(test.End, rows)) : (rows - Math.Max(2, rows / 5), rows);

    private static OutputEvaluation Score(
        ModelManifest manifest, ReadingsFile readings, int k, int begin, int end, float[] floatOutputs, float[] int8Outputs)
    {
        (int column, int ahead) = manifest.Outputs[k];
        double std = manifest.Std[column];
        var floatError = default(ErrorSum);
        var int8Error = default(ErrorSum);
        var persistence = default(ErrorSum);
        var difference = default(ErrorSum);
        var output = default(ErrorSum);
        for (int row = begin; row + ahead < end; row++)
        {
            double actual = readings.Row(row + ahead)[column];
            double floatValue = floatOutputs[(row * manifest.Outputs.Count) + k];
            double int8Value = int8Outputs[(row * manifest.Outputs.Count) + k];
            floatError.Add(floatValue - actual);
            int8Error.Add(int8Value - actual);
            persistence.Add(readings.Row(row)[column] - actual);
            difference.Add(int8Value - floatValue);
            output.Add(floatValue);
        }

        return new OutputEvaluation(
            manifest.OutputName(k), manifest.Units[column], floatError.Count, floatError.Rms * std, int8Error.Rms * std, persistence.Rms * std,
            floatError.MeanAbsolute * std, int8Error.MeanAbsolute * std, output.Deviation > 0 ? difference.Rms / output.Deviation : 0, int8Error.Rms);
    }

    private struct ErrorSum
    {
        private double _sum;
        private double _absolute;
        private double _squares;

        internal int Count { get; private set; }

        internal readonly double Rms => Count == 0 ? 0 : Math.Sqrt(_squares / Count);

        internal readonly double MeanAbsolute => Count == 0 ? 0 : _absolute / Count;

        internal readonly double Deviation => Count == 0 ? 0 : Math.Sqrt(Math.Max(0, (_squares / Count) - Math.Pow(_sum / Count, 2)));

        internal void Add(double value)
        {
            Count++;
            _sum += value;
            _absolute += Math.Abs(value);
            _squares += value * value;
        }
    }
}
