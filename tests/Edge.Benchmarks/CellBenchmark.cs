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
internal static partial class CellBenchmark
{
    private const int Outputs = 4;
    private const int Streams = 64;

    private static readonly (int Input, int Hidden, int Layers)[] Sizes =
        [(4, 16, 1), (8, 32, 1), (8, 64, 1), (8, 64, 2), (16, 128, 1), (16, 128, 2), (32, 256, 1), (32, 512, 1)];

    internal static void Run(bool asJson)
    {
        var results = new List<CellResult>();
        Yardstick? yardstick = Yardstick.Load();
        if (!asJson)
        {
            Console.WriteLine(
                $"{Processor()}; .NET {Environment.Version}; head to {Outputs}; median of nine rounds; ratio to the yardstick; batch: "
                    + $"64 streams in one call, each");
            Console.WriteLine("input hidden layers  engine      kernel                 ns/step  ratio  bytes/step");
        }

        foreach ((int input, int hidden, int layers) in Sizes)
        {
            double? floor = yardstick?.Measure(input, hidden, layers);
            List<CellResult> row = MeasureSize(input, hidden, layers);
            results.AddRange(row);
            if (!asJson)
            {
                Console.WriteLine($"{input,5} {hidden,6} {layers,6}  yardstick   gemv.c           {floor ?? double.NaN,12:0}");
                foreach (CellResult result in row)
                {
                    Console.WriteLine(
                        $"{input,5} {hidden,6} {layers,6}  {result.Engine,-10}  {result.Kernel,-16} {result.NsPerStep,12:0}  "
                            + $"{result.NsPerStep / floor ?? double.NaN,5:0.00}  {result.AllocatedBytesPerStep,10:0.##}");
                }
            }
        }

        if (asJson)
        {
            WriteJson(results.Where(result => result.Engine != "batch"));
        }
    }

    private static List<CellResult> MeasureSize(int input, int hidden, int layers)
    {
        var row = new List<CellResult>();
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8(1, input, hidden, layers, Outputs));
        float[] x = Enumerable.Range(0, Streams * input).Select(i => MathF.Sin(i)).ToArray();
        float[] y = new float[Streams * Outputs];
        foreach (string kernel in InferenceSession.Kernels)
        {
            var session = new InferenceSession(model, kernel);
            row.Add(Result("int8", kernel, () => session.Step(x.AsSpan(0, input), y.AsSpan(0, Outputs)), 1));
        }

        var reference = new FloatSession(RandomModels.Float(1, input, hidden, layers, Outputs));
        row.Add(Result("float", "reference", () => reference.Step(x.AsSpan(0, input), y.AsSpan(0, Outputs)), 1));
        MeasureOnnxRuntime(input, hidden, layers, row);
        var batch = new InferenceBatch(model, Streams);
        row.Add(Result("batch", batch.Kernel, () => batch.Step(x, y), Streams));
        return row;

        CellResult Result(string engine, string kernel, Action step, int steps)
        {
            (double ns, double bytes) = Measure(step);
            return new CellResult(engine, kernel, input, hidden, layers, ns / steps, bytes / steps);
        }
    }

    // Adds a row for each of ONNX Runtime's variants; implemented in OnnxRuntime/, which is compiled where the package is there.
    static partial void MeasureOnnxRuntime(int input, int hidden, int layers, List<CellResult> row);

    // The median of nine rounds of about 20 ms each, after a warm-up that lets the JIT finish.
    internal static (double Ns, double Bytes) Measure(Action step)
    {
        long warmUp = Stopwatch.GetTimestamp();
        int count = 0;
        while (Stopwatch.GetElapsedTime(warmUp).TotalMilliseconds < 300)
        {
            step();
            count++;
        }

        int steps = Math.Max(1, count / 15);
        double[] rounds = new double[9];
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < rounds.Length; round++)
        {
            rounds[round] = Time(step, steps);
        }

        double bytes = (double)(GC.GetAllocatedBytesForCurrentThread() - allocated) / ((long)steps * rounds.Length);
        Array.Sort(rounds);
        return (rounds[rounds.Length / 2], bytes);
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
