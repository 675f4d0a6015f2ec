using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Training.Reference;

namespace Edge.Quantize.Evaluation;

/// <summary>Errors of int8 when one column leaves its calibrated range, as in an anomaly.</summary>
/// <param name="Column">The column that was raised.</param>
/// <param name="By">By how many standard deviations.</param>
/// <param name="RmseChange">Mean over the outputs of int8 RMSE / float RMSE - 1; NaN where none forecasts a column.</param>
/// <param name="WorstDifference">The worst output's RMS of int8 minus float over its standard deviation on ordinary rows.</param>
/// <param name="OtherDifference">The same among the outputs that forecast no column; NaN if there is none.</param>
internal sealed record OutsideRange(string Column, double By, double RmseChange, double WorstDifference, double OtherDifference)
{
    private const int RowsMax = 2_000;
    private const int RowsMin = 100;
    private const double Operations = 1e10;
    private const int ColumnsMax = 16;

    // Beyond the largest value seen.
    private const float Margin = 10;

    /// <summary>
    /// Raises each column of the scored rows so that the smallest of them lies ten standard deviations above the largest ever seen,
    /// from the state that the rows before left.
    /// </summary>
    internal static IReadOnlyList<OutsideRange> Measure(FloatRun reference, EdgeModel int8Model)
    {
        if (reference.Model.Embedding is not null)
        {
            return [];
        }

        var results = new List<OutsideRange>();
        int columns = Math.Min(ColumnsMax, reference.Manifest.Columns.Count);
        int most = StepBudget.Of(reference.Model, Operations / columns / 2, RowsMin, RowsMax);
        int end = Math.Min(reference.End, reference.Begin + most);
        for (int column = 0; column < columns; column++)
        {
            (float smallest, float largest, double std) = Range(reference, column, end);
            float by = largest - smallest + (Margin * (float)std);
            results.Add(Run(reference, int8Model, most, column, reference.Readings.Shifted(reference.Begin, end, column, by), by / std));
        }

        return results;
    }

    // Readings are in standard deviations already, unless the model normalizes for itself: then the deviation is measured.
    private static (float Smallest, float Largest, double Std) Range(FloatRun reference, int column, int end)
    {
        var all = default(ErrorSum);
        float largest = float.NegativeInfinity;
        float smallest = float.PositiveInfinity;
        for (int row = 0; row < reference.Readings.RowCount; row++)
        {
            float value = reference.Readings.Row(row)[column];
            all.Add(value);
            largest = Math.Max(largest, value);
            smallest = row >= reference.Begin && row < end ? Math.Min(smallest, value) : smallest;
        }

        return (smallest, largest, reference.Model.Normalization is null ? 1 : Math.Max(all.Deviation, 1e-6));
    }

    private static OutsideRange Run(FloatRun reference, EdgeModel int8Model, int most, int column, ReadingsFile rows, double by)
    {
        ModelManifest manifest = reference.Manifest;
        int outputs = manifest.Outputs.Count;
        var floatSession = new FloatSession(reference.Model);
        var int8Session = new InferenceSession(int8Model);
        float[] expected = new float[rows.RowCount * outputs];
        float[] actual = new float[rows.RowCount * outputs];
        for (int row = Math.Max(0, reference.Begin - most); row < reference.Begin; row++)
        {
            floatSession.Step(reference.Readings.Row(row), expected.AsSpan(0, outputs));
            int8Session.Step(reference.Readings.Row(row), actual.AsSpan(0, outputs));
        }

        for (int row = 0; row < rows.RowCount; row++)
        {
            floatSession.Step(rows.Row(row), expected.AsSpan(row * outputs, outputs));
            int8Session.Step(rows.Row(row), actual.AsSpan(row * outputs, outputs));
        }

        var changes = new List<double>();
        var differences = new ErrorSum[outputs];
        for (int k = 0; k < outputs; k++)
        {
            ModelOutput output = manifest.Outputs[k];
            var floatError = default(ErrorSum);
            var int8Error = default(ErrorSum);
            for (int row = 0; row + output.TicksAhead < rows.RowCount; row++)
            {
                float floatValue = expected[(row * outputs) + k];
                float int8Value = actual[(row * outputs) + k];
                differences[k].Add(int8Value - floatValue);
                if (output.IsForecast)
                {
                    floatError.Add(floatValue - rows.Row(row + output.TicksAhead)[output.Column]);
                    int8Error.Add(int8Value - rows.Row(row + output.TicksAhead)[output.Column]);
                }
            }

            if (floatError.Rms > 0)
            {
                changes.Add((int8Error.Rms / floatError.Rms) - 1);
            }
        }

        int[] others = [.. Enumerable.Range(0, outputs).Where(k => !manifest.Outputs[k].IsForecast)];
        return new OutsideRange(
            manifest.Columns[column],
            by,
            changes.DefaultIfEmpty(double.NaN).Average(),
            reference.WorstDifference(differences),
            others.Length == 0 ? double.NaN
                : others.Max(k => reference.Deviation[k] > 0 ? differences[k].Rms / reference.Deviation[k] : 0));
    }
}
