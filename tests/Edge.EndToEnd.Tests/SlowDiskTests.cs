using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A live stream keeps its pace while the disk does not.</summary>
[Trait("Time", "real")]
[Collection(RealTime.Name)]
public sealed class SlowDiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // One that takes most of a second to force anything, and one whose writes stall now and then, as a card's do that tidies itself up.
    // A tick is lost when the one after it is due as well: either delay is longer than two periods. A machine so busy that the service gets no
    // processor for a whole period loses ticks, too.
    [SlowDiskTheory]
    [InlineData("fsync,fdatasync", "1+", 0.8)]
    [InlineData("pwrite64", "40+120", 1.5)]
    public async Task A_slow_disk_loses_no_tick_of_a_live_stream(string calls, string when, double seconds)
    {
        string chip = Directory.CreateDirectory(Path.Combine(_folder.Path, "sys/class/hwmon/hwmon0")).FullName;
        File.WriteAllText(Path.Combine(chip, "name"), "board\n");
        for (int i = 0; i < 4; i++)
        {
            File.WriteAllText(Path.Combine(chip, $"in{i}_input"), "21000\n");
        }

        await using TestBroker broker = await TestBroker.StartAsync();
        string channels = string.Join(", ", new[] { "temperature", "humidity", "light", "co2" }.Select((name, i) => $"{name}: {{ hwmon: {{ chip: board, input: in{i} }} }}"));
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            sysfs: sys
            durability: 1s
            mqtt: { host: 127.0.0.1, port: {{broker.Port}} }
            streams:
              - { name: climate, model: demo, period: 250ms, channels: { {{channels}} } }
            """);
        using RuntimeProcess run = RuntimeProcess.StartWithSlowDisk(calls, when, TimeSpan.FromSeconds(seconds), "run", "--config", config);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/reading");
        await subscriber.UntilAsync(seen => seen.Count > 8);
        int before = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > before + 32);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        Assert.All(subscriber.All.Skip(8), item => Assert.DoesNotContain("gap_ticks", item.Payload, StringComparison.Ordinal));
        long[] seqs = [.. subscriber.All.Select(item => Delivery.Seq(item.Payload))];
        Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
    }
}
