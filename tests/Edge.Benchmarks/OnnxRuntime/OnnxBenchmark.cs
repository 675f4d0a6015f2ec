using System.Diagnostics;
using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.OnnxRuntime;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Benchmarks;

/// <summary>
/// <c>onnx [LIBRARY [PROVIDER]]</c>: a step of the engine onnx for many streams of one (8,64,1) model, one by one and in one call, int8
/// beside it. On a GPU also how far it is from the processor and, with copies.c in LD_PRELOAD, what it copies.
/// </summary>
internal static class OnnxBenchmark
{
    private const int Rounds = 9;
    private const int Inputs = 8;
    private const int Outputs = 4;
    private const int ParitySteps = 10_000;

    internal static void Run(string[] args)
    {
        string path = Path.Combine(Path.GetTempPath(), $"edge-onnx-{Environment.ProcessId}.onnx");
        File.WriteAllBytes(path, LstmGraph.FloatModel(Inputs, 64, 1, Outputs));
        try
        {
            var options = new OnnxOptions { Library = args.ElementAtOrDefault(0), Providers = [args.ElementAtOrDefault(1) ?? "cpu"] };
            using var model = OnnxModel.Load(path, options);
            var int8 = EdgeModel.Parse(RandomModels.Int8(1, Inputs, 64, 1, Outputs));
            Console.WriteLine(
                $"(8,64,1), ONNX Runtime {OnnxLibrary.Version} on {model.Provider}, one thread; int8 kernel {InferenceSession.Kernels[0]}; "
                    + $"medians of {Rounds} rounds, microseconds a tick of all streams");
            if (model.Provider != "cpu")
            {
                using var processor = OnnxModel.Load(path, options with { Providers = ["cpu"] });
                (double output, double state) = Difference(model, processor);
                Console.WriteLine(
                    $"{ParitySteps} steps of one stream, largest difference to the processor: outputs {output:0.0e0}, "
                        + $"state {state:0.0e0}");
            }

            Func<int, long>? copied = Copied();
            string copies = copied is null ? "" : " bytes to the GPU a stream | from it |";
            Console.WriteLine($"| streams | one by one | streams/s | in one call | streams/s | int8 in one call | streams/s |{copies}");
            Console.WriteLine($"| ---: | ---: | ---: | ---: | ---: | ---: | ---: |{(copied is null ? "" : " ---: | ---: |")}");
            foreach (int streams in new[] { 1, 16, 256, 4096 })
            {
                int[] rows = [.. Enumerable.Range(0, streams).Select(_ => model.Open())];
                float[] x = [.. Enumerable.Range(0, streams * Inputs).Select(i => 0.5f * MathF.Sin(i))];
                float[] y = new float[streams * Outputs];
                var batch = new InferenceBatch(int8, streams);
                using var call = new OnnxCall(path, options, streams, Outputs);
                int repeat = Math.Max(2, 4096 / streams);
                double single = Median(Math.Max(1, repeat / 4), () =>
                {
                    for (int i = 0; i < streams; i++)
                    {
                        model.Step(rows[i], x.AsSpan(i * Inputs, Inputs), y.AsSpan(i * Outputs, Outputs));
                    }
                });
                double together = Median(repeat, () => call.Step(x));
                double integer = Median(repeat, () => batch.Step(x, y));
                Console.Write(
                    $"| {streams} | {single:0.0} | {PerSecond(single)} | {together:0.0} | {PerSecond(together)} "
                        + $"| {integer:0.0} | {PerSecond(integer)} |");
                if (copied is not null)
                {
                    (long to, long from) = (copied(0), copied(1));
                    call.Step(x);
                    Console.Write($" {(copied(0) - to) / (double)streams:0.##} | {(copied(1) - from) / (double)streams:0.##} |");
                }

                Console.WriteLine();
                Array.ForEach(rows, model.Close);

                string PerSecond(double microseconds) => $"{streams / microseconds * 1e6:0}";
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    // Of readings that jump as a random walk does, clipped to four deviations.
    private static (double Output, double State) Difference(OnnxModel model, OnnxModel processor)
    {
        var random = new Random(3);
        float[] x = new float[Inputs];
        (float[] mine, float[] theirs) = (new float[Outputs], new float[Outputs]);
        (int row, int other) = (model.Open(), processor.Open());
        double output = 0;
        for (int step = 0; step < ParitySteps; step++)
        {
            for (int i = 0; i < Inputs; i++)
            {
                x[i] = Math.Clamp(x[i] + random.NextSingle() - 0.5f, -4, 4);
            }

            model.Step(row, x, mine);
            processor.Step(other, x, theirs);
            output = Math.Max(output, Largest(mine, theirs));
        }

        (float[] state, float[] expected) = (new float[model.StateCount], new float[model.StateCount]);
        model.Read(row, state);
        processor.Read(other, expected);
        model.Close(row);
        processor.Close(other);
        return (output, Largest(state, expected));

        static double Largest(float[] some, float[] others) => some.Zip(others, (a, b) => Math.Abs((double)a - b)).Max();
    }

    private static unsafe Func<int, long>? Copied()
    {
        if (!NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "edge_copied", out nint counter))
        {
            return null;
        }

        return direction => ((delegate* unmanaged<int, long>)counter)(direction);
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
