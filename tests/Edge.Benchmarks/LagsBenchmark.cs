using Edge.Inference;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Benchmarks;

/// <summary>
/// <c>lags</c>: a step of a model as <c>edge-quantize learn</c> makes them, seven columns forecast by an LSTM of 32 units: alone, with a
/// regression on 27 rows, and with 512 rows of each output's own column.
/// </summary>
internal static class LagsBenchmark
{
    private const int Columns = 7;
    private const int Hidden = 32;
    private const int Streams = 64;

    internal static void Run()
    {
        int[] lags = [.. Enumerable.Range(0, 24), 95, 96, 97];
        (string Name, byte[] File)[] models =
        [
            ("LSTM alone", RandomModels.Int8(1, Columns, Hidden, 1, Columns)),
            ("27 lags of all columns", RandomModels.Int8WithLags(1, Columns, Hidden, Columns, 0, lags)),
            ("and 512 of the own column", RandomModels.Int8WithLags(1, Columns, Hidden, Columns, 512, lags)),
        ];
        Console.WriteLine(
            $"{CellBenchmark.Processor()}; .NET {Environment.Version}; ns, median of 61 rounds; batch: {Streams} streams in one call, "
                + "each");
        Console.WriteLine("model                      kernel              step    batch");
        foreach (string kernel in InferenceSession.Kernels)
        {
            foreach ((string name, byte[] file) in models)
            {
                Measure(name, EdgeModel.Parse(file), kernel);
            }
        }
    }

    private static void Measure(string name, EdgeModel model, string kernel)
    {
        var session = new InferenceSession(model, kernel);
        var batch = new InferenceBatch(model, Streams, kernel);
        float[] x = [.. Enumerable.Range(0, Streams * Columns).Select(i => MathF.Sin(i))];
        float[] y = new float[Streams * Columns];
        double step = CellBenchmark.Measure(() => session.Step(x.AsSpan(0, Columns), y.AsSpan(0, Columns))).Ns;
        double batched = CellBenchmark.Measure(() => batch.Step(x, y)).Ns / Streams;
        Console.WriteLine($"{name,-26} {kernel,-16} {step,7:0}  {batched,7:0}");
    }
}
