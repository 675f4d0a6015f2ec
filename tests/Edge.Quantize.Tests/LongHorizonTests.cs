using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>Int8 beside float for as long as a device runs: no drift, no memory. Minutes; run with EDGE_LONG=1.</summary>
public sealed class LongHorizonTests
{
    private const int Steps = 10_000_000;

    [LongFact]
    public void Ten_million_steps_do_not_drift_and_allocate_nothing()
    {
        using var folder = new TemporaryFolder();
        CommandLine.Done(
            "quantize", SharedData.Model("etth1-lstm64", "step.onnx"), "--manifest", SharedData.Model("etth1-lstm64", "model.json"),
            "--calibration", SharedData.Readings("ETTh1.csv"), "-o", folder.File("m"));
        EdgeModel model = EdgeModel.Load(folder.File("m"));
        ReadingsFile readings = ReadingsFile.Load(SharedData.Readings("ETTh1.csv"), model.Manifest);
        var int8 = new InferenceSession(model);
        var reference = new FloatSession(FloatModels.Load(SharedData.Model("etth1-lstm64", "step.onnx")));
        float[] y = new float[7];
        float[] expected = new float[7];
        long allocated = 0;
        double last = 0;
        double first = Pass();
        for (int passed = readings.RowCount; passed < Steps; passed += readings.RowCount)
        {
            last = Pass();
        }

        Assert.Equal(0, allocated);
        Assert.InRange(last / first, 0, 1.01);

        // Root mean square of int8 minus float over one pass of the file, the state carried from pass to pass.
        double Pass()
        {
            double squares = 0;
            for (int row = 0; row < readings.RowCount; row++)
            {
                reference.Step(readings.Row(row), expected);
                long before = GC.GetAllocatedBytesForCurrentThread();
                int8.Step(readings.Row(row), y);
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
                for (int k = 0; k < y.Length; k++)
                {
                    squares += (y[k] - expected[k]) * (y[k] - expected[k]);
                }
            }

            return Math.Sqrt(squares / (readings.RowCount * y.Length));
        }
    }
}
