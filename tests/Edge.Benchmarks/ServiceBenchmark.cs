using System.Diagnostics;
using System.Globalization;
using System.Text;
using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Benchmarks;

/// <summary><c>service</c>: a recording through an (8,64,1) model to a broker on loopback, as fast as it goes: what is published, and whether it is kept.</summary>
internal static class ServiceBenchmark
{
    private const int Rows = 60_000;
    private const int Channels = 8;
    private const int Rounds = 3;

    internal static async Task RunAsync()
    {
        string folder = Directory.CreateTempSubdirectory("edge-service-").FullName;
        const int Port = 18831;
        try
        {
            string[] columns = [.. Enumerable.Range(0, Channels).Select(i => $"c{i}")];
            await File.WriteAllBytesAsync(Path.Combine(folder, "m.safetensors"), Model(columns));
            await File.WriteAllTextAsync(Path.Combine(folder, "x.csv"), Readings(columns));
            await using IAsyncDisposable broker = await MqttLinkFactory.StartBrokerAsync(Port, default);
            Console.WriteLine($"{Rows} rows of {Channels} values, int8 (8,64,1), broker on loopback; medians of {Rounds} runs, from the first row to the last acknowledgement");
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
                    Console.WriteLine($"| `{published}` | {(isKept ? "durably" : "in memory")} | {Rows / median:0} | {Rows * Channels / median:0} | {delivered / median:0} |");
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

    private static byte[] Model(string[] columns)
    {
        var manifest = new ModelManifest
        {
            Name = "bench",
            Columns = columns,
            Units = [.. Enumerable.Repeat("", Channels)],
            PeriodSeconds = 1,
            Mean = new double[Channels],
            Std = [.. Enumerable.Repeat(1.0, Channels)],
            Outputs = [.. Enumerable.Range(0, Channels).Select(i => new ModelOutput(i, 1))],
        };
        return EdgeModel.Parse(RandomModels.Int8(1, Channels, 64, 1, Channels)).With(manifest).ToBytes();
    }

    private static string Readings(string[] columns)
    {
        var random = new Random(1);
        var text = new StringBuilder($"time,{string.Join(',', columns)}\n");
        for (int row = 0; row < Rows; row++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{row}");
            for (int i = 0; i < Channels; i++)
            {
                text.Append(CultureInfo.InvariantCulture, $",{Math.Sin(row / (20.0 + i)) + (0.1 * random.NextDouble()):0.####}");
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
