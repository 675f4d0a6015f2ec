using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Import;
using Edge.Sensors.Replay;
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
        ReadingsFile readings = ReadingsFile.Load(new ReplayOptions { File = SharedData.Readings("ETTh1.csv") }, model.Manifest);
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

    [LongFact]
    public void Ten_million_steps_of_an_xLSTM_stack_do_not_drift_or_saturate_and_allocate_nothing() => Xlstm("etth1-xlstm");

    [LongFact]
    public void Ten_million_steps_of_an_sLSTM_do_not_drift_or_saturate_and_allocate_nothing() => Xlstm("etth1-slstm");

    // Float is stepped over the file twice. What it gave in the second pass, int8 is compared with in every later one: the memory of these
    // models is far shorter than the file.
    private static void Xlstm(string name)
    {
        using var folder = new TemporaryFolder();
        CommandLine.Done(
            "quantize", SharedData.Xlstm(name, "model.safetensors"), "--manifest", SharedData.Xlstm(name, "model.json"),
            "--calibration", SharedData.Readings("ETTh1.csv"), "-o", folder.File("m"));
        EdgeModel model = EdgeModel.Load(folder.File("m"));
        ReadingsFile readings = ReadingsFile.Load(new ReplayOptions { File = SharedData.Readings("ETTh1.csv") }, model.Manifest);
        var reference = new FloatSession(FloatModels.Load(SharedData.Xlstm(name, "model.safetensors")));
        float[] expected = new float[readings.RowCount * 7];
        for (int step = 0; step < 2 * readings.RowCount; step++)
        {
            int row = step % readings.RowCount;
            reference.Step(readings.Row(row), expected.AsSpan(row * 7, 7));
        }

        var int8 = new InferenceSession(model);
        float[] y = new float[7];
        Pass();
        double second = Pass();
        double last = second;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int passed = 2 * readings.RowCount; passed < Steps; passed += readings.RowCount)
        {
            last = Pass();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.InRange(last / second, 0.99, 1.01);
        Assert.False(int8.InputSaturations.ContainsAnyExcept(0));
        Assert.False(int8.CellSaturations.ContainsAnyExcept(0));

        double Pass()
        {
            double squares = 0;
            for (int row = 0; row < readings.RowCount; row++)
            {
                int8.Step(readings.Row(row), y);
                for (int k = 0; k < 7; k++)
                {
                    double apart = y[k] - expected[(row * 7) + k];
                    squares += apart * apart;
                }
            }

            return Math.Sqrt(squares / expected.Length);
        }
    }
}
