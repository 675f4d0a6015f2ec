using System.Diagnostics;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Benchmarks;

/// <summary>
/// <c>service</c>: a recording through an (8,64,1) model to a broker on loopback, as fast as it goes: what is published, and whether it
/// is kept.
/// </summary>
internal static class ServiceBenchmark
{
    private const int Rows = 60_000;
    private const int Rounds = 3;

    internal static async Task RunAsync()
    {
        string folder = Directory.CreateTempSubdirectory("edge-service-").FullName;
        const int Port = 18831;
        try
        {
            await File.WriteAllBytesAsync(Path.Combine(folder, "m.safetensors"), ServiceJob.Model());
            await File.WriteAllTextAsync(Path.Combine(folder, "x.csv"), ServiceJob.Readings(Rows));
            await using MosquittoBroker broker = await MosquittoBroker.StartAsync(Port);
            Console.WriteLine(
                $"{Rows} rows of {ServiceJob.Channels} values, int8 (8,64,1), broker on loopback; "
                    + $"medians of {Rounds} runs, from the first row to the last acknowledgment");
            Console.WriteLine("| published | kept | rows/s | values/s | messages/s |");
            Console.WriteLine("| --- | --- | ---: | ---: | ---: |");
            foreach (string published in new[] { "[reading, forecast]", "[forecast]", "[]" })
            {
                foreach (bool isKept in new[] { true, false })
                {
                    (double seconds, long messages)[] runs = new (double, long)[Rounds];
                    for (int round = 0; round < Rounds; round++)
                    {
                        runs[round] = await OnceAsync(folder, Port, published, isKept);
                    }

                    (double median, long delivered) = runs.Order().ElementAt(Rounds / 2);
                    Console.WriteLine(
                        $"| `{published}` | {(isKept ? "durably" : "in memory")} | {Rows / median:0} | "
                            + $"{Rows * ServiceJob.Channels / median:0} | {delivered / median:0} |");
                }
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(double Seconds, long Messages)> OnceAsync(string folder, int port, string published, bool isKept)
    {
        string state = Path.Combine(folder, Guid.NewGuid().ToString("N"));
        EdgeConfig config = ConfigFile.Parse(
            $$"""
            device: bench
            {{(isKept ? $"state: {state}" : "")}}
            mqtt: { host: 127.0.0.1, port: {{port}} }
            streams:
              - { name: s, model: m.safetensors, publish: {{published}}, source: { replay: { file: x.csv, speed: max } } }
            """,
            Path.Combine(folder, "edge.yaml"));
        using var service = new EdgeService(config, TimeProvider.System, NullLogger.Instance);
        long started = Stopwatch.GetTimestamp();
        await service.RunAsync(default);
        return (Stopwatch.GetElapsedTime(started).TotalSeconds, service.Publisher.Delivered);
    }
}
