using System.Diagnostics;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.OnnxRuntime;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Benchmarks;

/// <summary>
/// <c>onnx [LIBRARY [PROVIDER]]</c>: a step of the engine onnx for many streams of one (8,64,1) model, in one call and one by one, int8
/// beside it.
/// </summary>
internal static class OnnxBenchmark
{
    private const int Rounds = 9;

    internal static void Run(string[] args)
    {
        string path = Path.Combine(Path.GetTempPath(), $"edge-onnx-{Environment.ProcessId}.onnx");
        File.WriteAllBytes(path, LstmGraph.FloatModel(8, 64, 1, 4));
        try
        {
            using OnnxModel model = OnnxModel.Load(
                path,
                new OnnxOptions { Library = args.ElementAtOrDefault(0), Providers = [args.ElementAtOrDefault(1) ?? "cpu"] });
            EdgeModel int8 = EdgeModel.Parse(RandomModels.Int8(1, 8, 64, 1, 4));
            Console.WriteLine(
                $"(8,64,1), ONNX Runtime {OnnxLibrary.Version} on {model.Provider}, one thread; int8 kernel {InferenceSession.Kernels[0]}; "
                    + $"medians of {Rounds} rounds, microseconds a tick of all streams");
            Console.WriteLine("| streams | one by one | streams/s | int8 in one call | int8 streams/s |");
            Console.WriteLine("| ---: | ---: | ---: | ---: | ---: |");
            foreach (int streams in new[] { 1, 16, 256, 4096 })
            {
                int[] rows = [.. Enumerable.Range(0, streams).Select(_ => model.Open())];
                float[] x = [.. Enumerable.Range(0, streams * 8).Select(i => 0.5f * MathF.Sin(i))];
                float[] y = new float[streams * 4];
                var batch = new InferenceBatch(int8, streams);
                int repeat = Math.Max(2, 4096 / streams);
                double single = Median(Math.Max(1, repeat / 4), () =>
                {
                    for (int i = 0; i < streams; i++)
                    {
                        model.Step(rows[i], x.AsSpan(i * 8, 8), y.AsSpan(i * 4, 4));
                    }
                });
                double integer = Median(repeat, () => batch.Step(x, y));
                Console.WriteLine(
                    $"| {streams} | {single:0.0} | {streams / single * 1e6:0} | {integer:0.0} | {streams / integer * 1e6:0} |");
                Array.ForEach(rows, model.Close);
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static double Median(int repeat, Action step)
    {
        step();
        double[] rounds = new double[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            long started = Stopwatch.GetTimestamp();
            for (int i = 0; i < repeat; i++)
            {
                step();
            }

            rounds[round] = Stopwatch.GetElapsedTime(started).TotalMicroseconds / repeat;
        }

        Array.Sort(rounds);
        return rounds[Rounds / 2];
    }
}
