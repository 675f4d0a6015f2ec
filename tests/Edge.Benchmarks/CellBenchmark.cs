using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Benchmarks;

/// <summary>One measured engine at one size.</summary>
internal sealed record CellResult(
    string Engine,
    string Kernel,
    int Input,
    int Hidden,
    int Layers,
    double NsPerStep,
    double AllocatedBytesPerStep);

/// <summary><c>cell</c>: a step of every kernel this processor has, the float reference and the yardstick, in one run.</summary>
internal static class CellBenchmark
{
    private const int Outputs = 4;
    private const int Streams = 64;
    private const int Rounds = 61;

    private static readonly (int Input, int Hidden, int Layers)[] Sizes =
        [(4, 16, 1), (8, 32, 1), (8, 64, 1), (8, 64, 2), (16, 128, 1), (16, 128, 2), (32, 256, 1), (32, 512, 1)];

    internal static void Run(bool asJson)
    {
        var results = new List<CellResult>();
        Yardstick? avx2 = Yardstick.Load("x86-64-v3");
        Yardstick? native = Yardstick.Load("native");
        if (!asJson)
        {
            Console.WriteLine(
                $"{Processor()}; .NET {Environment.Version}; head to {Outputs}; all in turns, median of {Rounds} rounds; batch: {Streams} "
                    + $"streams in one call, each");
            Console.WriteLine("Ratios to gemv.c compiled for AVX2, and for this processor.");
            Console.WriteLine("input hidden layers  engine      kernel                 ns/step   avx2  native  bytes/step");
        }

        foreach ((int input, int hidden, int layers) in Sizes)
        {
            List<CellResult> row = MeasureSize(input, hidden, layers, avx2, native);
            results.AddRange(row);
            double? ofAvx2 = row.Find(result => result.Kernel == "gemv.c avx2")?.NsPerStep;
            double? ofNative = row.Find(result => result.Kernel == "gemv.c native")?.NsPerStep;
            foreach (CellResult result in asJson ? [] : row)
            {
                Console.WriteLine(
                    $"{input,5} {hidden,6} {layers,6}  {result.Engine,-10}  {result.Kernel,-16} {result.NsPerStep,12:0}  "
                        + $"{result.NsPerStep / ofAvx2 ?? double.NaN,5:0.00}   {result.NsPerStep / ofNative ?? double.NaN,5:0.00}  "
                        + $"{result.AllocatedBytesPerStep,10:0.##}");
            }
        }

        if (asJson)
        {
            WriteJson(results.Where(result => result.Engine is not ("batch" or "yardstick")));
        }
    }

    private static List<CellResult> MeasureSize(int input, int hidden, int layers, Yardstick? avx2, Yardstick? native)
    {
        var contenders = new List<(string Engine, string Kernel, Action Step, int Steps)>();
        if (avx2 is not null)
        {
            contenders.Add(("yardstick", "gemv.c avx2", avx2.Of(input, hidden, layers), Yardstick.Steps));
        }

        if (native is not null)
        {
            contenders.Add(("yardstick", "gemv.c native", native.Of(input, hidden, layers), Yardstick.Steps));
        }

        // A trained model clips next to nothing; one that does takes a branch that is not foreseen.
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8(1, input, hidden, layers, Outputs, clips: false));
        float[] x = Enumerable.Range(0, Streams * input).Select(i => MathF.Sin(i)).ToArray();
        float[] y = new float[Streams * Outputs];
        foreach (string kernel in InferenceSession.Kernels)
        {
            var session = new InferenceSession(model, kernel);
            contenders.Add(("int8", kernel, () => session.Step(x.AsSpan(0, input), y.AsSpan(0, Outputs)), 1));
        }

        var reference = new FloatSession(RandomModels.Float(1, input, hidden, layers, Outputs));
        contenders.Add(("float", "reference", () => reference.Step(x.AsSpan(0, input), y.AsSpan(0, Outputs)), 1));
        using var ortFloat = new OnnxRuntimeStep(LstmGraph.FloatModel(input, hidden, layers, Outputs), input, hidden, layers, Outputs);
        contenders.Add(("ort-float", "onnxruntime", ortFloat.Step, 1));
        using var ortInt8 = new OnnxRuntimeStep(LstmGraph.QuantizedModel(input, hidden, layers, Outputs), input, hidden, layers, Outputs);
        contenders.Add(("ort-int8", "onnxruntime", ortInt8.Step, 1));
        var batch = new InferenceBatch(model, Streams);
        contenders.Add(("batch", batch.Kernel, () => batch.Step(x, y), Streams));

        (double Ns, double Bytes)[] measured = Measure([.. contenders.Select(each => each.Step)]);
        return
        [
            .. contenders.Zip(measured, (each, result) => new CellResult(
                each.Engine, each.Kernel, input, hidden, layers, result.Ns / each.Steps, result.Bytes / each.Steps)),
        ];
    }

    /// <summary>Nanoseconds and allocated bytes of a call: the median of rounds of about a millisecond.</summary>
    internal static (double Ns, double Bytes) Measure(Action step) => Measure([step])[0];

    // All in turns, so that what else the machine does falls on all of them; rounds shorter than a time slice.
    private static (double Ns, double Bytes)[] Measure(Action[] steps)
    {
        int[] counts = [.. steps.Select(CountOfRound)];
        double[][] rounds = [.. steps.Select(_ => new double[Rounds])];
        long[] bytes = new long[steps.Length];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < steps.Length; i++)
            {
                long allocated = GC.GetAllocatedBytesForCurrentThread();
                rounds[i][round] = Time(steps[i], counts[i]);
                bytes[i] += GC.GetAllocatedBytesForCurrentThread() - allocated;
            }
        }

        return [.. steps.Select((_, i) => (rounds[i].Order().ElementAt(Rounds / 2), (double)bytes[i] / ((long)counts[i] * Rounds)))];
    }

    // After a warm-up of 50 ms.
    private static int CountOfRound(Action step)
    {
        long started = Stopwatch.GetTimestamp();
        int count = 0;
        do
        {
            step();
            count++;
        }
        while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < 50);

        return Math.Max(1, count / 50);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static double Time(Action step, int steps)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < steps; i++)
        {
            step();
        }

        return Stopwatch.GetElapsedTime(started).TotalNanoseconds / steps;
    }

    internal static string Processor() =>
        File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo")
                .Where(
                    line => line.StartsWith("model name", StringComparison.Ordinal) || line.StartsWith("Model", StringComparison.Ordinal))
                .Select(line => line[(line.IndexOf(':') + 2)..])
                .FirstOrDefault("unknown processor")
            : "unknown processor";

    private static void WriteJson(IEnumerable<CellResult> results)
    {
        using var json = new Utf8JsonWriter(Console.OpenStandardOutput(), new JsonWriterOptions { Indented = true });
        json.WriteStartArray();
        foreach (CellResult result in results)
        {
            json.WriteStartObject();
            json.WriteString("engine", result.Engine);
            json.WriteString("kernel", result.Kernel);
            json.WriteNumber("input", result.Input);
            json.WriteNumber("hidden", result.Hidden);
            json.WriteNumber("layers", result.Layers);
            json.WriteNumber("ns_per_step", Math.Round(result.NsPerStep, 1));
            json.WriteNumber("allocated_bytes_per_step", result.AllocatedBytesPerStep);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
