using System.CommandLine;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Quantize.Commands;

/// <summary><c>bench</c>: measures a step of a model with each kernel that this processor supports.</summary>
internal static class BenchCommand
{
    private const int Rounds = 9;

    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "The int8 model, .safetensors." };
        var asJson = new Option<bool>("--json") { Description = "Print a JSON array instead of a table." };
        var command = new Command(
            "bench",
            "Measures a step of the model with each kernel of this processor: one stream, one thread, median of nine rounds.")
        {
            model,
            asJson,
        };
        command.SetAction(parsed =>
        {
            EdgeModel loaded = EdgeModel.Load(parsed.GetRequiredValue(model));
            string chosen = new InferenceSession(loaded).Kernel;
            (string Kernel, double Ns)[] results = InferenceSession.Kernels.Select(kernel => (kernel, Measure(loaded, kernel))).ToArray();
            if (parsed.GetValue(asJson))
            {
                output.WriteLine(ToJson(results, chosen));
                return 0;
            }

            output.WriteLine($"{loaded.Architecture}; one stream, one thread, median of {Rounds} rounds");
            foreach ((string kernel, double ns) in results)
            {
                output.WriteLine(
                    $"  {kernel,-18} {ns,10:0} ns per step  {1e9 / ns,12:#,0} steps per second{(kernel == chosen ? "   in use" : "")}");
            }

            return 0;
        });
        return command;
    }

    private static double Measure(EdgeModel model, string kernel)
    {
        var session = new InferenceSession(model, kernel);
        float[] x = Enumerable.Range(0, 64 * model.InputCount)
            .Select(i => i % model.InputCount < model.ReadingCount ? MathF.Sin(i) : 0)
            .ToArray();
        float[] y = new float[model.OutputCount];

        // Until the JIT has settled; then rounds of about ten milliseconds.
        long started = Stopwatch.GetTimestamp();
        int steps = 0;
        while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < 200)
        {
            Step(steps++);
        }

        int round = Math.Max(1, steps / 20);
        double[] times = new double[Rounds];
        for (int r = 0; r < Rounds; r++)
        {
            long begin = Stopwatch.GetTimestamp();
            for (int i = 0; i < round; i++)
            {
                Step(i);
            }

            times[r] = Stopwatch.GetElapsedTime(begin).TotalNanoseconds / round;
        }

        Array.Sort(times);
        return times[Rounds / 2];

        void Step(int i) => session.Step(x.AsSpan(i % 64 * model.InputCount, model.InputCount), y);
    }

    private static string ToJson((string Kernel, double Ns)[] results, string chosen)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartArray();
            foreach ((string kernel, double ns) in results)
            {
                json.WriteStartObject();
                json.WriteString("kernel", kernel);
                json.WriteNumber("ns_per_step", Math.Round(ns, 1));
                json.WriteBoolean("in_use", kernel == chosen);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
