using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.Benchmarks;

/// <summary>
/// <c>device</c>: the service as published for a device, in a process of its own with the environment of the systemd unit: from start to
/// first forecast, resident memory, processor time, and how long after the tick's time a subscriber has the forecast. Live channels, read
/// from files as the kernel has them.
/// </summary>
internal static class DeviceBenchmark
{
    private const int Port = 18833;
    private const int PagePort = 18834;
    private const int Starts = 5;
    private static readonly (int Streams, int Rate, bool HasPage)[] Cases =
    [
        (1, 1, false),
        (1, 1, true),
        (1, 10, true),
        (4, 10, true),
        (1, 100, true),
    ];

    private static readonly Lock Changing = new();
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(45);

    /// <param name="published">A folder that <c>deploy/publish.sh</c> wrote; null to publish.</param>
    internal static async Task RunAsync(string? published)
    {
        string folder = Directory.CreateTempSubdirectory("edge-device-").FullName;
        try
        {
            string chip = Path.Combine(folder, "sys/class/hwmon/hwmon0");
            Directory.CreateDirectory(chip);
            await File.WriteAllTextAsync(Path.Combine(chip, "name"), "bench\n");
            using var weather = new Timer(_ => Change(chip), null, 0, 50);
            PublishedProgram program = PublishedProgram.Publish(published, Path.Combine(folder, "program"));
            await using MosquittoBroker broker = await MosquittoBroker.StartAsync(Port);
            await using var watch = await Subscriber.ConnectAsync();

            Console.WriteLine(
                $"published with profile device, bundled model, state kept; start: median of {Starts}; the rest: "
                    + $"{Length.TotalSeconds} s after {Settle.TotalSeconds} s");
            Console.WriteLine(
                "| streams | start to first forecast | resident | CPU in 30 s | forecasts | tick to subscriber p50 | p99 | p99.9 |");
            Console.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
            foreach ((int streams, int rate, bool hasPage) in Cases)
            {
                double[] starts =
                [
                    .. Enumerable.Range(0, Starts).Select(_ => FirstForecast(program, watch, Config(folder, streams, rate, hasPage))),
                ];
                Console.WriteLine(
                    $"| {streams} at {rate} Hz{(hasPage ? "" : ", no page")} | {starts.Order().ElementAt(Starts / 2):0.00} s | "
                        + $"{await SteadyAsync(program, watch, Config(folder, streams, rate, hasPage))} |");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double FirstForecast(PublishedProgram program, Subscriber watch, string config)
    {
        watch.Clear();
        using Measured run = program.Start(config);
        return Stopwatch.GetElapsedTime(run.Started, watch.First()).TotalSeconds;
    }

    private static async Task<string> SteadyAsync(PublishedProgram program, Subscriber watch, string config)
    {
        using Measured run = program.Start(config);
        await Task.Delay(Settle);
        watch.Clear();
        double cpu = run.CpuSeconds;
        long from = Stopwatch.GetTimestamp();
        await Task.Delay(Length);
        double cpuIn30 = (run.CpuSeconds - cpu) / Stopwatch.GetElapsedTime(from).TotalSeconds * 30;
        double resident = run.ResidentMB;
        double[] latencies = watch.LatenciesMs();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{resident:0.0} MB | {cpuIn30:0.00} s | {latencies.Length} | {latencies[latencies.Length / 2]:0.0} ms | "
                + $"{latencies[(int)(latencies.Length * 0.99)]:0.0} ms | {latencies[(int)(latencies.Length * 0.999)]:0.0} ms");
    }

    // What the kernel shows of a greenhouse, in thousandths. On a busy machine the timer may come again before this is done.
    private static void Change(string chip)
    {
        if (!Changing.TryEnter())
        {
            return;
        }

        try
        {
            Write(chip);
        }
        finally
        {
            Changing.Exit();
        }
    }

    private static void Write(string chip)
    {
        int[] around = [25_000, 80_000, 20_000, 410_000];
        for (int i = 0; i < around.Length; i++)
        {
            string file = Path.Combine(chip, $"in{i}_input");
            File.WriteAllText(
                $"{file}.new",
                string.Create(CultureInfo.InvariantCulture, $"{around[i] * (1 + (0.01 * Random.Shared.NextDouble())):0}\n"));
            File.Move($"{file}.new", file, overwrite: true);
        }
    }

    // A folder of state for each start: what was is not what is measured.
    private static string Config(string folder, int streams, int rate, bool hasPage)
    {
        string path = Path.Combine(folder, "edge.yaml");
        string channels = string.Join(
            ", ",
            new[]
            {
                "temperature",
                "humidity",
                "light",
                "co2",
            }.Select((name, i) => $"{name}: {{ hwmon: {{ chip: bench, input: in{i} }} }}"));
        string each = string.Join(
            '\n',
            Enumerable.Range(0, streams)
                .Select(i => $"  - {{ name: s{i}, model: demo, period: {1000 / rate}ms, channels: {{ {channels} }} }}"));
        File.WriteAllText(
            path,
            $$"""
            device: bench
            state: {{Path.Combine(folder, Guid.NewGuid().ToString("N"))}}
            sysfs: {{Path.Combine(folder, "sys")}}
            mqtt: { host: 127.0.0.1, port: {{Port}} }
            {{(hasPage ? $"web: {{ listen: 127.0.0.1:{PagePort} }}" : "")}}
            streams:
            {{each}}
            """);
        return path;
    }

    /// <summary>Somebody who wants the forecasts, and notes when they come.</summary>
    private sealed class Subscriber : IAsyncDisposable
    {
        private readonly ConcurrentQueue<(long At, double LatencyMs)> _arrived = new();
        private readonly IMqttLink _link;

        private Subscriber(IMqttLink link) => _link = link;

        internal static async Task<Subscriber> ConnectAsync()
        {
            var subscriber = new Subscriber(
                new MqttNetLink(new MqttLinkOptions { Host = "127.0.0.1", Port = Port, ClientId = "subscriber" }));
            subscriber._link.Received = message =>
            {
                subscriber.Note(message);
                return new ValueTask<bool>(true);
            };
            await subscriber._link.ConnectAsync(default);
            await subscriber._link.SubscribeAsync("edge/bench/+/forecast", default);
            return subscriber;
        }

        internal void Clear() => _arrived.Clear();

        internal long First()
        {
            (long At, double LatencyMs) first;
            while (!_arrived.TryPeek(out first))
            {
                Thread.Sleep(1);
            }

            return first.At;
        }

        internal double[] LatenciesMs() => [.. _arrived.Select(each => each.LatencyMs).Order()];

        public async ValueTask DisposeAsync() => await _link.DisposeAsync();

        private void Note(MqttReceived message)
        {
            DateTime now = DateTime.UtcNow;
            using JsonDocument forecast = JsonDocument.Parse(message.Payload);
            _arrived.Enqueue(
                (
                    Stopwatch.GetTimestamp(),
                    (now - forecast.RootElement.GetProperty("time").GetDateTime().ToUniversalTime()).TotalMilliseconds));
        }
    }
}
