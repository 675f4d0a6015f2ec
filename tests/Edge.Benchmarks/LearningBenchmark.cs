using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Edge.Runtime.Mqtt;
using Edge.Sensors.Simulated;
using Edge.Testing;

namespace Edge.Benchmarks;

/// <summary>
/// <c>learning</c>: what a stream at 50 Hz feels of the processes that learn its model on the same machine. The service as published for a
/// device; live channels, read from files as the kernel has them; tick to subscriber and memory of the service, before and meanwhile.
/// </summary>
internal static class LearningBenchmark
{
    private const int Port = 18834;
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(15);

    /// <param name="published">A folder that <c>deploy/publish.sh</c> wrote; null to publish into one.</param>
    internal static async Task RunAsync(string? published)
    {
        string folder = Directory.CreateTempSubdirectory("edge-learning-").FullName;
        try
        {
            string chip = Path.Combine(folder, "sys/class/hwmon/hwmon0");
            Directory.CreateDirectory(chip);
            await File.WriteAllTextAsync(Path.Combine(chip, "name"), "bench\n");
            var plant = new Greenhouse(3);
            Show(chip, plant);
            using var weather = new Timer(_ => Show(chip, plant), null, 0, 20);
            PublishedProgram program = PublishedProgram.Publish(published, Path.Combine(folder, "program"));
            await using MosquittoBroker broker = await MosquittoBroker.StartAsync(Port);
            await using var link = new MqttNetLink(new MqttLinkOptions { Host = "127.0.0.1", Port = Port, ClientId = "subscriber" });
            var latencies = new ConcurrentQueue<double>();
            var events = new ConcurrentQueue<string>();
            link.Received = message =>
            {
                DateTime now = DateTime.UtcNow;
                JsonElement said = JsonDocument.Parse(message.Payload).RootElement;
                if (message.Topic.EndsWith("/model", StringComparison.Ordinal))
                {
                    events.Enqueue($"{said.GetProperty("event").GetString()}: {said.GetProperty("message").GetString()}");
                }
                else
                {
                    latencies.Enqueue((now - said.GetProperty("time").GetDateTime().ToUniversalTime()).TotalMilliseconds);
                }

                return new ValueTask<bool>(true);
            };
            await link.ConnectAsync(default);
            await link.SubscribeAsync("edge/bench/+/reading", default);
            await link.SubscribeAsync("edge/bench/+/model", default);

            using Measured run = program.Start(Config(folder, published));
            await Task.Delay(Settle);
            Console.WriteLine("| one stream at 50 Hz | time | resident | of one core | readings | tick to subscriber p50 | p99 | most |");
            Console.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
            await PhaseAsync("before", () => !events.IsEmpty);
            double learner = await PhaseAsync("while it learns", () => events.Count > 1);
            await PhaseAsync("canary phase", () => events.Count > 2);
            Console.WriteLine($"{string.Join("\n", events)}\nmost memory of a learning process: {learner:0} MB");

            async Task<double> PhaseAsync(string name, Func<bool> isOver)
            {
                latencies.Clear();
                double cpu = run.CpuSeconds;
                double learner = 0;
                double resident = 0;
                long from = Stopwatch.GetTimestamp();
                while (!isOver())
                {
                    await Task.Delay(100);
                    learner = Math.Max(learner, ChildMB(run.Id));
                    resident = Math.Max(resident, run.ResidentMB);
                }

                double seconds = Stopwatch.GetElapsedTime(from).TotalSeconds;
                double[] each = [.. latencies.Order()];
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {name} | {seconds:0} s | {resident:0.0} MB | {(run.CpuSeconds - cpu) / seconds:P1} | {each.Length} | "
                        + $"{each[each.Length / 2]:0.0} ms | {each[(int)(each.Length * 0.99)]:0.0} ms | {each[^1]:0.0} ms |"));
                return learner;
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Show(string chip, Greenhouse plant)
    {
        var values = new double[Greenhouse.ChannelNames.Length];
        plant.Step(values);
        for (int i = 0; i < values.Length; i++)
        {
            string file = Path.Combine(chip, $"in{i}_input");
            File.WriteAllText($"{file}.new", string.Create(CultureInfo.InvariantCulture, $"{1000 * values[i]:0}\n"));
            File.Move($"{file}.new", file, overwrite: true);
        }
    }

    // The largest resident memory so far of a process that another one started; MB of a million bytes.
    private static double ChildMB(int parent)
    {
        double most = 0;
        foreach (string folder in Directory.EnumerateDirectories("/proc").Where(each => int.TryParse(Path.GetFileName(each), out _)))
        {
            try
            {
                string[] status = File.ReadAllLines(Path.Combine(folder, "status"));
                if (status.Contains($"PPid:\t{parent}"))
                {
                    string peak = status.First(line => line.StartsWith("VmHWM", StringComparison.Ordinal));
                    string kilobytes = peak.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2];
                    most = Math.Max(most, double.Parse(kilobytes, CultureInfo.InvariantCulture) * 1024 / 1e6);
                }
            }
            catch (Exception e) when (e is IOException or InvalidOperationException)
            {
                // It ended in between.
            }
        }

        return most;
    }

    private static string Config(string folder, string? published)
    {
        string learner = Path.Combine(published is null ? AppContext.BaseDirectory : Path.GetFullPath(published), "edge-quantize");
        string path = Path.Combine(folder, "edge.yaml");
        var text = new StringBuilder();
        for (int i = 0; i < Greenhouse.ChannelNames.Length; i++)
        {
            string name = Greenhouse.ChannelNames[i];
            text.Append(CultureInfo.InvariantCulture, $"      {name}: {{ hwmon: {{ chip: bench, input: in{i} }} }}\n");
        }

        File.WriteAllText(
            path,
            $$"""
            device: bench
            state: {{Path.Combine(folder, "state")}}
            sysfs: {{Path.Combine(folder, "sys")}}
            mqtt: { host: 127.0.0.1, port: {{Port}} }
            streams:
              - name: climate
                period: 20ms
                learn: { after: 3m, every: 7d, budget: 30s, program: {{learner}} }
                channels:
            {{text}}
            """);
        return path;
    }
}
