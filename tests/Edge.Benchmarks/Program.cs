using System.Diagnostics;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Inference.Reference;

// dotnet run -c Release --project tests/Edge.Benchmarks -- cell [--json]
if (args is not ["cell", ..] || args.Except(["cell", "--json"]).Any())
{
    Console.Error.WriteLine("Usage: cell [--json]");
    return 2;
}

const int Outputs = 4;
(int Input, int Hidden, int Layers)[] sizes = [(4, 16, 1), (8, 32, 1), (8, 64, 1), (8, 64, 2), (16, 128, 1), (16, 128, 2), (32, 256, 1), (32, 512, 1)];
var results = new List<(string Engine, string Kernel, int Input, int Hidden, int Layers, double Ns, double Bytes)>();
foreach ((int input, int hidden, int layers) in sizes)
{
    float[] x = Enumerable.Range(0, input).Select(i => MathF.Sin(i)).ToArray();
    float[] y = new float[Outputs];
    EdgeModel model = EdgeModel.Parse(Edge.Testing.RandomModels.Int8(1, input, hidden, layers, Outputs));
    foreach (string kernel in InferenceSession.Kernels)
    {
        var session = new InferenceSession(model, kernel);
        (double ns, double bytes) = Measure(() => session.Step(x, y));
        results.Add(("int8", kernel, input, hidden, layers, ns, bytes));
    }

    var reference = new FloatSession(Edge.Testing.RandomModels.Float(1, input, hidden, layers, Outputs));
    (double floatNs, double floatBytes) = Measure(() => reference.Step(x, y));
    results.Add(("float", "scalar", input, hidden, layers, floatNs, floatBytes));
}

if (args.Contains("--json"))
{
    using var json = new Utf8JsonWriter(Console.OpenStandardOutput(), new JsonWriterOptions { Indented = true });
    json.WriteStartArray();
    foreach (var result in results)
    {
        json.WriteStartObject();
        json.WriteString("engine", result.Engine);
        json.WriteString("kernel", result.Kernel);
        json.WriteNumber("input", result.Input);
        json.WriteNumber("hidden", result.Hidden);
        json.WriteNumber("layers", result.Layers);
        json.WriteNumber("ns_per_step", Math.Round(result.Ns, 1));
        json.WriteNumber("allocated_bytes_per_step", result.Bytes);
        json.WriteEndObject();
    }

    json.WriteEndArray();
}
else
{
    Console.WriteLine("engine  kernel           input  hidden  layers     ns/step  bytes/step");
    foreach (var result in results)
    {
        Console.WriteLine($"{result.Engine,-7} {result.Kernel,-16} {result.Input,5} {result.Hidden,7} {result.Layers,7} {result.Ns,11:0} {result.Bytes,11:0.##}");
    }
}

return 0;

// The median of nine rounds of about 20 ms each, after a warm-up that lets the JIT finish.
static (double Ns, double Bytes) Measure(Action step)
{
    long warmUp = Stopwatch.GetTimestamp();
    int count = 0;
    while (Stopwatch.GetElapsedTime(warmUp).TotalMilliseconds < 300)
    {
        step();
        count++;
    }

    int rounds = Math.Max(1, count / 15);
    var times = new double[9];
    long allocated = GC.GetAllocatedBytesForCurrentThread();
    for (int round = 0; round < times.Length; round++)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < rounds; i++)
        {
            step();
        }

        times[round] = Stopwatch.GetElapsedTime(started).TotalNanoseconds / rounds;
    }

    double bytes = (double)(GC.GetAllocatedBytesForCurrentThread() - allocated) / ((long)rounds * times.Length);
    Array.Sort(times);
    return (times[times.Length / 2], bytes);
}
