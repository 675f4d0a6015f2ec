using System.Diagnostics;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Training.Reference;

namespace Edge.Quantize.Evaluation;

/// <summary>The float model over all rows once, state carried: the reference of every int8 candidate.</summary>
internal sealed class FloatRun
{
    private const float StateMax = 1e6f;

    private readonly Lazy<IReadOnlyList<RaisedRows>> _raised;

    /// <summary>Steps the model over all rows.</summary>
    /// <param name="model">The model.</param>
    /// <param name="readings">The rows.</param>
    /// <param name="manifest">What they are.</param>
    /// <param name="calibration">Statistics of the first rows, which are measured on the way and completed; or null.</param>
    internal FloatRun(FloatModel model, ReadingsFile readings, ModelManifest manifest, ActivationStatistics? calibration = null)
    {
        _raised = new Lazy<IReadOnlyList<RaisedRows>>(() => RaisedRows.Of(this));
        Model = model;
        Readings = readings;
        Manifest = manifest;
        (Begin, End) = manifest.TestRows is { } test && test.Begin < readings.RowCount - 1
            ? (test.Begin, Math.Min(test.End, readings.RowCount))
            : (readings.RowCount - Math.Max(2, readings.RowCount / 5), readings.RowCount);
        int width = model.OutputCount;
        Outputs = new float[readings.RowCount * width];
        var session = new FloatSession(model);
        calibration?.Watch(session);

        // The time is that of the rows on which nothing else is measured, where there are any.
        int timedFrom = calibration is not null && calibration.End < readings.RowCount ? calibration.End : 0;
        long started = Stopwatch.GetTimestamp();
        for (int row = 0; row < readings.RowCount; row++)
        {
            if (row == timedFrom)
            {
                session.Stepped = timedFrom > 0 ? null : session.Stepped;
                started = Stopwatch.GetTimestamp();
            }

            try
            {
                Span<float> y = Outputs.AsSpan(row * width, width);
                if (row < calibration?.End)
                {
                    calibration.Step(session, row, readings.Row(row), y);
                }
                else
                {
                    session.Step(readings.Row(row), y);
                }
            }
            catch (ArgumentException e)
            {
                throw new InputException($"Row {row} of the readings: {e.Message}", e);
            }

            RequireTame(session, row);
        }

        NsPerStep = Stopwatch.GetElapsedTime(started).TotalNanoseconds / (readings.RowCount - timedFrom);
        calibration?.Complete();
        Deviation = Enumerable.Range(0, width).Select(k => DeviationOf(k)).ToArray();
    }

    internal FloatModel Model { get; }

    internal ReadingsFile Readings { get; }

    internal ModelManifest Manifest { get; }

    /// <summary>First row scored: the manifest's test rows where the file has them, else its last fifth.</summary>
    internal int Begin { get; }

    /// <summary>One past the last row scored.</summary>
    internal int End { get; }

    /// <summary>The outputs of every row.</summary>
    internal float[] Outputs { get; }

    /// <summary>Standard deviation of each output over all rows.</summary>
    internal double[] Deviation { get; }

    /// <summary>The scored rows with each column raised; run at the first use.</summary>
    internal IReadOnlyList<RaisedRows> Raised => _raised.Value;

    /// <summary>Wall time of a step here, nanoseconds.</summary>
    internal double NsPerStep { get; }

    internal ReadOnlySpan<float> Output(int row) => Outputs.AsSpan(row * Model.OutputCount, Model.OutputCount);

    /// <summary>
    /// The largest RMS of int8 minus float over an output's standard deviation; an output that never moves does not count.
    /// </summary>
    internal double WorstDifference(ReadOnlySpan<ErrorSum> differences)
    {
        double worst = 0;
        for (int k = 0; k < differences.Length; k++)
        {
            worst = Math.Max(worst, Deviation[k] > 0 ? differences[k].Rms / Deviation[k] : 0);
        }

        return worst;
    }

    // A model whose state diverges has no range to calibrate.
    private static void RequireTame(FloatSession session, int row)
    {
        foreach (float value in session.State)
        {
            if (!(MathF.Abs(value) <= StateMax))
            {
                throw new InputException(
                    $"The float model's state is {value} after row {row} of the readings: "
                        + $"the state diverges, so the model cannot be quantized. "
                        + $"Check the weights and the normalization of the readings.");
            }
        }

        for (int l = 0; l < session.Model.Layers.Count; l++)
        {
            foreach (float value in session.Output(l))
            {
                if (!(MathF.Abs(value) <= StateMax))
                {
                    throw new InputException(
                        $"Layer {l} of the float model gives {value} in row {row} of the readings, which integers cannot hold. "
                            + $"Check the weights and the normalization of the readings.");
                }
            }
        }
    }

    private double DeviationOf(int k)
    {
        var sum = default(ErrorSum);
        for (int row = 0; row < Readings.RowCount; row++)
        {
            sum.Add(Output(row)[k]);
        }

        return sum.Deviation;
    }
}
