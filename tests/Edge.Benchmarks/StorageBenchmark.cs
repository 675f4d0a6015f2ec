using System.Diagnostics;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Payloads;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Benchmarks;

/// <summary>
/// <c>storage</c>: what a tick writes, what a start costs when 10,000 rows came after the snapshot, and what a year of one stream at 1 Hz
/// takes and how long it takes to read it for a page.
/// </summary>
internal static class StorageBenchmark
{
    private const int RowsAfterSnapshot = 10_000;
    private const int Channels = 4;
    private const int Points = 1_000;
    private static readonly DateTime Start = new(2025, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <param name="days">Days of history.</param>
    /// <param name="seconds">Seconds of ticks at 10 Hz, for each durability.</param>
    internal static async Task RunAsync(double days, double seconds)
    {
        string folder = Directory.CreateTempSubdirectory("edge-storage-").FullName;
        try
        {
            foreach (string durability in new[] { "tick", "5s" })
            {
                await BytesAsync(Path.Combine(folder, durability), durability, TimeSpan.FromSeconds(seconds));
            }

            await RestartAsync(Path.Combine(folder, "restart"));
            Year(Path.Combine(folder, "year"), days);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // A service without a broker and without messages, for so long; what this process writes meanwhile is written by it.
    private static async Task BytesAsync(string folder, string durability, TimeSpan span)
    {
        Directory.CreateDirectory(folder);
        EdgeConfig config = ConfigFile.Parse(
            $$"""
            device: bench
            state: state
            durability: {{durability}}
            mqtt: { host: 127.0.0.1, port: 1 }
            streams:
              - { name: s, model: demo, period: 100ms, publish: [], source: { simulated: { seed: 3 } } }
            """,
            Path.Combine(folder, "edge.yaml"));
        using var service = new EdgeService(config, TimeProvider.System, NullLogger.Instance);
        long ticks = 0;
        service.Hosts[0].Ticked = _ => Interlocked.Increment(ref ticks);
        using var stop = new CancellationTokenSource();
        Task running = service.RunAsync(stop.Token);
        await Task.Delay(TimeSpan.FromSeconds(10));
        (long ticksBefore, (long Written, long Disk) before) = (Interlocked.Read(ref ticks), Io());
        await Task.Delay(span);
        (long Written, long Disk) after = Io();
        double count = Interlocked.Read(ref ticks) - ticksBefore;
        Console.WriteLine(
            $"durability {durability}, no messages, {count} ticks at 10 Hz: {(after.Written - before.Written) / count:0} bytes a tick to "
                + $"the kernel, {(after.Disk - before.Disk) / count:0} of the pages that it writes");
        await stop.CancelAsync();
        await running;
    }

    // Bytes of this process: what it wrote, and the pages that go to the disk for it.
    private static (long Written, long Disk) Io()
    {
        Dictionary<string, long> lines = File.ReadLines("/proc/self/io")
            .Select(line => line.Split(": "))
            .ToDictionary(parts => parts[0], parts => long.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture));
        return (lines["wchar"], lines["write_bytes"]);
    }

    // The store as a kill leaves it, then the service on it, to its first tick.
    private static async Task RestartAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        string killed = Path.Combine(folder, "killed");
        const string Yaml = """
            device: bench
            state: state
            mqtt: { host: 127.0.0.1, port: 1 }
            streams:
              - { name: s, model: demo, source: { simulated: { seed: 3 } } }
            """;
        EdgeConfig config = ConfigFile.Parse(Yaml, Path.Combine(folder, "edge.yaml"));
        using var stream = new SensorStream(EngineFactory.LoadInt8("demo"), new StreamOptions { Name = "s" });
        using (StateStore store = StateStore.Open(
            killed, TimeSpan.FromHours(1), TimeSpan.FromDays(7), TimeProvider.System, InfoMessage.BootId(), NullLogger.Instance))
        {
            var plant = new Greenhouse(3);
            var rows = new TickRows(stream.Manifest.Columns);
            var reading = new Reading(Channels);
            store.Commit("s", 0, stream.Save(), config.Streams[0].Source.Identity, []);
            for (int row = 0; row < RowsAfterSnapshot; row++)
            {
                plant.Step(reading.Values);
                reading.Time = Start.AddSeconds(0.2 * row);
                rows.Add(reading);
                rows.Complete(stream.Step(reading), stream.AnomalyScore);
                store.Append("s", rows.ToCommitted(), []);
                rows.Clear();
            }

            Copy(killed, Path.Combine(folder, "state"));
        }

        long started = Stopwatch.GetTimestamp();
        using var service = new EdgeService(config, TimeProvider.System, NullLogger.Instance);
        TimeSpan opened = Stopwatch.GetElapsedTime(started);
        bool isSame = service.Streams[0].Seq == RowsAfterSnapshot && service.Streams[0].Save().AsSpan().SequenceEqual(stream.Save());
        var ticked = new TaskCompletionSource();
        service.Hosts[0].Ticked = _ => ticked.TrySetResult();
        using var stop = new CancellationTokenSource();
        Task running = service.RunAsync(stop.Token);
        await ticked.Task;
        TimeSpan first = Stopwatch.GetElapsedTime(started);
        await stop.CancelAsync();
        await running;
        Console.WriteLine(
            $"Restart with {RowsAfterSnapshot} rows after the snapshot: opened after {opened.TotalMilliseconds:0} ms, first tick after "
                + $"{first.TotalMilliseconds:0} ms (its period is {service.Streams[0].Period.TotalMilliseconds:0} ms); "
                + $"state {(isSame ? "equal" : "DIFFERENT")}");
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        IEnumerable<string> files = new[] { "edge.db", "edge.db-wal", "edge.numbers" }.Select(name => Path.Combine(from, name))
            .Concat(RowLog.Files(from).Select(file => file.Path));
        foreach (string file in files)
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }

    private static void Year(string folder, double days)
    {
        long rowCount = (long)(days * 86_400);
        long started = Stopwatch.GetTimestamp();
        StoredYear.Write(folder, "s", Start, rowCount);
        Console.WriteLine(
            $"{days:0} days of {Channels} channels at 1 Hz, two decimals: {rowCount} rows written in "
                + $"{Stopwatch.GetElapsedTime(started).TotalSeconds:0} s; history.db has "
                + $"{new FileInfo(HistoryFile.PathIn(folder)).Length >> 10} kB");
        DateTime end = Start.AddDays(days);
        (string Name, TimeSpan Span)[] spans =
        [
            ("all of it", end - Start),
            ("30 days", TimeSpan.FromDays(30)),
            ("a day", TimeSpan.FromDays(1)),
            ("an hour", TimeSpan.FromHours(1)),
        ];
        foreach ((string name, TimeSpan span) in spans)
        {
            double[] seconds = new double[5];
            HistoryCurve curve = null!;
            for (int i = 0; i < seconds.Length; i++)
            {
                long read = Stopwatch.GetTimestamp();
                curve = new History(folder).Curve("s", end - span, end.AddSeconds(1), Points);
                seconds[i] = Stopwatch.GetElapsedTime(read).TotalSeconds;
            }

            Array.Sort(seconds);
            Console.WriteLine($"Curve of {name}: {curve.Times.Length} points in {seconds[2] * 1000:0} ms (median of {seconds.Length})");
        }
    }
}
