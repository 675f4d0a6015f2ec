using System.Globalization;
using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A live stream keeps its pace while the disk does not.</summary>
[Trait("Time", "real")]
[Collection(RealTime.Name)]
public sealed class SlowDiskTests : IDisposable
{
    private const int Stalls = 4;

    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(250);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // A disk that takes most of a second for each fsync, and one whose writes stall now and then, as those of SD cards do. A stream that
    // waits for a stall misses a tick in each of them, because each is longer than two periods. A busy machine may cause a gap as well,
    // but not in every stall: the test waits for stalls that the stream passed without a gap.
    [SlowDiskTheory]
    [InlineData("fsync,fdatasync", "1+3", 0.8)]
    [InlineData("pwrite64", "40+20", 1.5)]
    public async Task A_slow_disk_loses_no_tick_of_a_live_stream(string calls, string when, double seconds)
    {
        string chip = Directory.CreateDirectory(Path.Combine(_folder.Path, "sys/class/hwmon/hwmon0")).FullName;
        File.WriteAllText(Path.Combine(chip, "name"), "board\n");
        for (int i = 0; i < 4; i++)
        {
            File.WriteAllText(Path.Combine(chip, $"in{i}_input"), "21000\n");
        }

        await using TestBroker broker = await TestBroker.StartAsync();
        string channels = string.Join(
            ", ",
            new[]
            {
                "temperature",
                "humidity",
                "light",
                "co2",
            }.Select((name, i) => $"{name}: {{ hwmon: {{ chip: board, input: in{i} }} }}"));
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            sysfs: sys
            durability: 1s
            mqtt: { host: 127.0.0.1, port: {{broker.Port}} }
            streams:
              - { name: climate, model: demo, period: {{Period.TotalMilliseconds}}ms, channels: { {{channels}} } }
            """);
        string log = _folder.File("calls");
        var delay = TimeSpan.FromSeconds(seconds);
        using RuntimeProcess run = RuntimeProcess.StartWithSlowDisk(calls, when, delay, log, "run", "--config", config);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/reading");
        await subscriber.UntilAsync(seen => PassedWithoutGap(seen, log, delay) >= Stalls);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        long[] seqs = [.. subscriber.All.Select(item => Delivery.Seq(item.Payload))];
        Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
    }

    // Stalls in whose time every tick came, among those that are over.
    private static int PassedWithoutGap(IReadOnlyList<Seen> readings, string log, TimeSpan delay)
    {
        (DateTime Time, bool HasGap)[] ticks = [.. readings.Select(reading => Tick(reading.Payload))];
        return ticks.Length == 0 ? 0 : StallsOf(log).Count(begin =>
        {
            DateTime end = begin + delay + (2 * Period);
            return begin > ticks[0].Time && end < ticks[^1].Time
                && !ticks.Any(tick => tick.HasGap && tick.Time >= begin && tick.Time <= end);
        });
    }

    private static (DateTime Time, bool HasGap) Tick(string payload)
    {
        using JsonDocument reading = JsonDocument.Parse(payload);
        return (reading.RootElement.GetProperty("time").GetDateTime(), reading.RootElement.TryGetProperty("gap_ticks", out _));
    }

    // strace writes one file per thread: the time in seconds, the call, its result, and whether it was delayed.
    private static IEnumerable<DateTime> StallsOf(string log) =>
        from file in Directory.GetFiles(Path.GetDirectoryName(log)!, Path.GetFileName(log) + ".*")
        from line in File.ReadAllLines(file)
        where line.EndsWith("(DELAYED)", StringComparison.Ordinal)
        select DateTime.UnixEpoch.AddSeconds(double.Parse(line.Split(' ', 2)[0], CultureInfo.InvariantCulture));
}
