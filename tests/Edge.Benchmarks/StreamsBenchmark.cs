using System.Diagnostics;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Benchmarks;

/// <summary><c>streams</c>: 100,000 independent states of one (8,32,1) model, one thread.</summary>
internal static class StreamsBenchmark
{
    private const int Streams = 100_000;

    internal static void Run()
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8(1, 8, 32, 1, 4));
        long before = Settled();
        var batch = new InferenceBatch(model, Streams);
        float[] x = new float[Streams * 8];
        float[] y = new float[Streams * 4];
        Array.Fill(x, 0.5f);
        batch.Step(x, y);
        long after = Settled();
        double[] rounds = new double[9];
        for (int round = 0; round < rounds.Length; round++)
        {
            long started = Stopwatch.GetTimestamp();
            batch.Step(x, y);
            rounds[round] = Stopwatch.GetElapsedTime(started).TotalSeconds;
        }

        Array.Sort(rounds);
        Console.WriteLine(
            $"{Streams} streams of (8,32,1), kernel {batch.Kernel}: {Streams / rounds[4] / 1e6:0.0} million steps a second on one "
                + $"thread; " +
            $"{(after - before) / 1e6:0.0} MB above the process before, inputs and outputs included ({model.StateBytes} bytes a state)");
    }

    private static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
