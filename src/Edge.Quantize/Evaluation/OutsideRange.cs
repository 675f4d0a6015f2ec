using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Quantize.Evaluation;

/// <summary>Errors of int8 when one column leaves its calibrated range, as in an anomaly.</summary>
/// <param name="Column">The column that was raised.</param>
/// <param name="By">By how many standard deviations.</param>
/// <param name="RmseChange">Mean over the outputs of int8 RMSE / float RMSE - 1; NaN where none forecasts a column.</param>
/// <param name="WorstDifference">The worst output's RMS of int8 minus float over its standard deviation on ordinary rows.</param>
/// <param name="OtherDifference">The same among the outputs that forecast no column; NaN if there is none.</param>
internal sealed record OutsideRange(string Column, double By, double RmseChange, double WorstDifference, double OtherDifference)
{
    /// <summary>
    /// Steps an int8 model over the raised rows of every column, a stream each, from the state that the rows before left.
    /// </summary>
    internal static IReadOnlyList<OutsideRange> Measure(FloatRun reference, EdgeModel int8Model)
    {
        IReadOnlyList<RaisedRows> raised = reference.Raised;
        if (raised.Count == 0)
        {
            return [];
        }

        var session = new InferenceSession(int8Model);
        float[] unused = new float[int8Model.OutputCount];
        for (int row = RaisedRows.WarmupBegin(reference); row < reference.Begin; row++)
        {
            session.Step(reference.Readings.Row(row), unused);
        }

        int inputs = int8Model.InputCount;
        int outputs = int8Model.OutputCount;
        int rows = raised[0].Rows.RowCount;
        var batch = new InferenceBatch(int8Model, raised.Count);
        float[] x = new float[raised.Count * inputs];
        float[] y = new float[raised.Count * outputs];
        float[][] actual = [.. raised.Select(_ => new float[rows * outputs])];
        for (int stream = 0; stream < raised.Count; stream++)
        {
            session.State.CopyTo(batch.State(stream));
        }

        for (int row = 0; row < rows; row++)
        {
            for (int stream = 0; stream < raised.Count; stream++)
            {
                raised[stream].Rows.Row(row).CopyTo(x.AsSpan(stream * inputs));
            }

            batch.Step(x, y);
            for (int stream = 0; stream < raised.Count; stream++)
            {
                y.AsSpan(stream * outputs, outputs).CopyTo(actual[stream].AsSpan(row * outputs));
            }
        }

        return [.. raised.Select((each, stream) => Compare(reference, each, actual[stream]))];
    }

    private static OutsideRange Compare(FloatRun reference, RaisedRows raised, float[] actual)
    {
        ModelManifest manifest = reference.Manifest;
        int outputs = manifest.Outputs.Count;
        int rows = raised.Rows.RowCount;
        var changes = new List<double>();
        var differences = new ErrorSum[outputs];
        for (int k = 0; k < outputs; k++)
        {
            ModelOutput output = manifest.Outputs[k];
            var floatError = default(ErrorSum);
            var int8Error = default(ErrorSum);
            for (int row = 0; row + output.TicksAhead < rows; row++)
            {
                float floatValue = raised.Expected[(row * outputs) + k];
                float int8Value = actual[(row * outputs) + k];
                differences[k].Add(int8Value - floatValue);
                if (output.IsForecast)
                {
                    float truth = raised.Rows.Row(row + output.TicksAhead)[output.Column];
                    floatError.Add(floatValue - truth);
                    int8Error.Add(int8Value - truth);
                }
            }

            if (floatError.Rms > 0)
            {
                changes.Add((int8Error.Rms / floatError.Rms) - 1);
            }
        }

        int[] others = [.. Enumerable.Range(0, outputs).Where(k => !manifest.Outputs[k].IsForecast)];
        return new OutsideRange(
            manifest.Columns[raised.Column],
            raised.By,
            changes.DefaultIfEmpty(double.NaN).Average(),
            reference.WorstDifference(differences),
            others.Length == 0 ? double.NaN
                : others.Max(k => reference.Deviation[k] > 0 ? differences[k].Rms / reference.Deviation[k] : 0));
    }
}
