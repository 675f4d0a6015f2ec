using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A disk that is full, that others have filled, and one that is slow.</summary>
[Collection("services")]
public sealed class DiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SmallDiskFact]
    public async Task A_disk_that_the_outbox_fills_costs_the_oldest_messages_and_is_well_again_once_they_are_delivered()
    {
        using var disk = new SmallDisk(24);
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        await broker.KillAsync();
        string config = Config(disk.Path, broker.Port, "300x");
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", config))
        {
            await UntilAsync(() => run.Error.Contains("the disk is full", StringComparison.Ordinal));
            await Task.Delay(3000);
            await broker.StartAgainAsync();
            await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
            await UntilAsync(() => run.Error.Contains("the disk has space again", StringComparison.Ordinal));
            int before = subscriber.All.Count;
            await subscriber.UntilAsync(seen => seen.Count > before + 1000);
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync(10));

            // Readings went first. If forecasts had to go too, they were the oldest that lay on the disk: one piece; nothing twice,
            // nothing out of order.
            long[] steps = [.. Seqs(subscriber).Zip(Seqs(subscriber).Skip(1), (seq, next) => next - seq)];
            Assert.All(steps, step => Assert.True(step >= 1));
            Assert.InRange(steps.Count(step => step > 1), 0, 1);
            Assert.DoesNotContain("cannot be used", run.Error, StringComparison.Ordinal);
        }

        await GoesOnAsync(config, broker);
    }

    [SmallDiskFact]
    public async Task A_disk_that_others_have_filled_costs_nothing_while_the_broker_is_there()
    {
        using var disk = new SmallDisk(24);
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        string config = Config(disk.Path, broker.Port, "50x");
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", config))
        {
            await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
            await subscriber.UntilAsync(seen => seen.Count > 100);
            await UntilAsync(() => File.Exists(Path.Combine(disk.Path, "state", "edge.reserve")));
            FillUp(Path.Combine(disk.Path, "others"));
            await UntilAsync(() => run.Error.Contains("the disk is full", StringComparison.Ordinal));
            int before = subscriber.All.Count;
            await subscriber.UntilAsync(seen => seen.Count > before + 2000);
            File.Delete(Path.Combine(disk.Path, "others"));
            await UntilAsync(() => run.Error.Contains("the disk has space again", StringComparison.Ordinal));
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync(10));
            long[] seqs = Seqs(subscriber);
            Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
            Assert.DoesNotContain("cannot be used", run.Error, StringComparison.Ordinal);
        }

        await GoesOnAsync(config, broker);
    }

    // One that takes most of a second to force anything, and one whose writes stall now and then, as a card's do that tidies itself up.
    [SlowDiskTheory]
    [InlineData("fsync,fdatasync", "1+", 0.8)]
    [InlineData("pwrite64", "100+300", 1.5)]
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
              - { name: climate, model: demo, period: 100ms, channels: { {{channels}} } }
            """);
        using RuntimeProcess run = RuntimeProcess.StartWithSlowDisk(calls, when, TimeSpan.FromSeconds(seconds), "run", "--config", config);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/reading");
        await subscriber.UntilAsync(seen => seen.Count > 20);
        int before = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > before + 80);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync(20));
        Assert.All(subscriber.All.Skip(20), item => Assert.DoesNotContain("gap_ticks", item.Payload, StringComparison.Ordinal));
        long[] seqs = Seqs(subscriber);
        Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
    }

    // What it was is not on the disk yet, and no number may be used twice.
    [SlowDiskFact]
    public async Task A_stream_is_not_begun_anew_while_the_disk_stalls()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        string config = Config("", broker.Port, "10x");
        File.AppendAllText(config, "\ncommands: [reset]\n");
        using RuntimeProcess run = RuntimeProcess.StartWithSlowDisk(
            "pwrite64",
            "500+60000",
            TimeSpan.FromSeconds(6),
            "run",
            "--config",
            config);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/reading");
        await subscriber.UntilAsync(seen => seen.Count > 5);
        for (int before = -1; before != subscriber.All.Count; await Task.Delay(500))
        {
            before = subscriber.All.Count;
        }

        (bool ok, string message) = CommandServiceTests.Ask(broker.Port, "reset", """{"stream":"climate"}""");
        Assert.False(ok);
        Assert.Contains("does not answer: the disk is stalled", message, StringComparison.Ordinal);
        int stalled = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > stalled + 300);
        Assert.True(CommandServiceTests.Ask(broker.Port, "reset", """{"stream":"climate"}""").Ok);
        int reset = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > reset + 20);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync(20));
        long[] seqs = Seqs(subscriber);
        Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
        Assert.DoesNotContain("A bug in edge-runtime", run.Error, StringComparison.Ordinal);
    }

    // State and numbers are where they were.
    private static async Task GoesOnAsync(string config, TestBroker broker)
    {
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
        await subscriber.UntilAsync(seen => seen.Count > 10);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync(10));
        Assert.Contains("continues after tick", run.Error, StringComparison.Ordinal);
    }

    private string Config(string disk, int port, string speed) => _folder.Write("edge.yaml", $$"""
        device: house
        state: {{Path.Combine(disk, "state")}}
        durability: 1s
        mqtt: { host: 127.0.0.1, port: {{port}} }
        streams:
          - { name: climate, model: demo, source: { simulated: { seed: 3, speed: {{speed}} } } }
        """);

    private static void FillUp(string file)
    {
        using var stream = new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] block = new byte[4096];
        try
        {
            while (true)
            {
                stream.Write(block);
            }
        }
        catch (IOException)
        {
            // Full.
        }
    }

    private static long[] Seqs(Subscriber subscriber) =>
        [.. subscriber.All.Select(item => JsonDocument.Parse(item.Payload).RootElement.GetProperty("seq").GetInt64())];

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (int i = 0; i < 600 && !condition(); i++)
        {
            await Task.Delay(50);
        }

        Assert.True(condition());
    }
}
