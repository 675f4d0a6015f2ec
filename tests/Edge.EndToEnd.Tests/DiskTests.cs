using System.Text.Json;
using Edge.Runtime.Delivery;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A disk that others have filled, and one that stalls.</summary>
public sealed class DiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SmallDiskFact]
    public async Task A_disk_that_others_have_filled_costs_nothing_while_the_broker_is_there()
    {
        using var disk = new SmallDisk(24);
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        string config = Config(disk.Path, broker.Port, "20x");
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", config))
        {
            await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
            await subscriber.UntilAsync(seen => seen.Count > 100);
            await Eventually.Async(() => File.Exists(Path.Combine(disk.Path, "state", "edge.reserve")));
            FillUp(Path.Combine(disk.Path, "others"));
            await Eventually.Async(() => run.Error.Contains("the disk is full", StringComparison.Ordinal));
            int before = subscriber.All.Count;
            await subscriber.UntilAsync(seen => seen.Count > before + 2000);
            File.Delete(Path.Combine(disk.Path, "others"));
            await Eventually.Async(() => run.Error.Contains("the disk has space again", StringComparison.Ordinal));
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync());
            long[] seqs = Seqs(subscriber);
            Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
            Assert.DoesNotContain("cannot be used", run.Error, StringComparison.Ordinal);
        }

        await GoesOnAsync(config, broker);
    }

    // The service frees its reserve, and the others take that, too: not a byte of the log, of the state or of the history can be written.
    [SmallDiskFact]
    public async Task A_disk_without_any_room_stops_no_tick_and_no_message_and_is_used_again_once_there_is_room()
    {
        using var disk = new SmallDisk(24);
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        string config = Config(disk.Path, broker.Port, "20x");
        string state = Path.Combine(disk.Path, "state");
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
        await subscriber.UntilAsync(seen => seen.Count > 100);
        await Eventually.Async(() => File.Exists(Path.Combine(state, "edge.reserve")));
        int others = 0;
        while (!run.Error.Contains("cannot be used", StringComparison.Ordinal))
        {
            FillUp(Path.Combine(disk.Path, $"others-{others++}"));
            Assert.False(run.HasExited, run.Error);
            await Task.Delay(100);
        }

        int before = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > before + 2000);
        long full = Seqs(subscriber)[^1];
        for (int i = 0; i < others; i++)
        {
            File.Delete(Path.Combine(disk.Path, $"others-{i}"));
        }

        await run.UntilSaidAsync("is written again");
        await run.UntilSaidAsync("the disk has space again");

        // The history goes on, from the log and once a file of it is closed.
        await Eventually.Async(
            () => File.Exists(HistoryFile.PathIn(state)) && new History(state).Rows("climate", DateTime.MinValue, DateTime.MaxValue)
                .Any(row => row.Seq > full + 500), "rows are stored again");
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        long[] seqs = Seqs(subscriber);
        Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
        string[] errors = [.. run.Error.Split('\n').Where(line => line.Contains("cannot be used", StringComparison.Ordinal))];
        Assert.InRange(errors.Count(line => line.Contains("State '", StringComparison.Ordinal)), 1, 1);
        Assert.InRange(errors.Count(line => line.Contains("History '", StringComparison.Ordinal)), 0, 1);
        Assert.DoesNotContain("A bug in edge-runtime", run.Error, StringComparison.Ordinal);
        await GoesOnAsync(config, broker);
    }

    // As after a power cut on a device whose disk others have filled.
    [SmallDiskFact]
    public async Task A_service_that_starts_without_any_room_continues_its_streams_and_uses_no_number_twice()
    {
        using var disk = new SmallDisk(24);
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        string config = Config(disk.Path, broker.Port, "20x");
        string reserve = Path.Combine(disk.Path, "state", "edge.reserve");
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", config))
        {
            await subscriber.UntilAsync(seen => seen.Count > 100);
            await Eventually.Async(() => File.Exists(reserve));
            run.Kill();
        }

        File.Delete(reserve);
        string filler = disk.Fill();
        int before = subscriber.All.Count;
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", config))
        {
            await subscriber.UntilAsync(seen => seen.Count > before + 200);
            Assert.Contains("continues after tick", run.Error, StringComparison.Ordinal);
            Assert.Contains("The streams continue in memory", run.Error, StringComparison.Ordinal);
            File.Delete(filler);
            await run.UntilSaidAsync("is written again");
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync());
            Assert.DoesNotContain("A bug in edge-runtime", run.Error, StringComparison.Ordinal);
        }

        // After a kill, messages that were not acknowledged yet are sent again.
        long[] seqs = [.. Seqs(subscriber).Distinct()];
        Assert.Equal(seqs.Order(), seqs);
        await GoesOnAsync(config, broker);
    }

    // What it was is not on the disk yet, and no number may be used twice.
    [SlowDiskFact]
    public async Task A_stream_is_not_reset_while_the_disk_stalls()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        string config = Config("", broker.Port, "10x");
        File.AppendAllText(config, "\ncommands: [reset]\n");
        using RuntimeProcess run = RuntimeProcess.StartWithSlowDisk(
            "pwrite64",
            "500+60000",
            TimeSpan.FromSeconds(10),
            _folder.File("calls"),
            "run",
            "--config",
            config);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/reading");
        await subscriber.UntilAsync(seen => seen.Count > 5);

        // Fifty ticks a second, and then none for longer than a busy machine would take for one.
        for (int before = -1; before != subscriber.All.Count; await Task.Delay(1500))
        {
            before = subscriber.All.Count;
        }

        (bool ok, string message) = CommandClient.Ask(broker.Port, "reset", """{"stream":"climate"}""");
        Assert.False(ok);
        Assert.Contains("does not answer: the disk is stalled", message, StringComparison.Ordinal);
        int stalled = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > stalled + 300);
        await Eventually.Async(() => CommandClient.Ask(broker.Port, "reset", """{"stream":"climate"}""").Ok);
        int reset = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > reset + 20);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        long[] seqs = Seqs(subscriber);
        Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
        Assert.DoesNotContain("A bug in edge-runtime", run.Error, StringComparison.Ordinal);
    }

    // State and numbers are where they were.
    internal static async Task GoesOnAsync(string config, TestBroker broker)
    {
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
        await subscriber.UntilAsync(seen => seen.Count > 10);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        Assert.Contains("continues after tick", run.Error, StringComparison.Ordinal);
    }

    private string Config(string disk, int port, string speed) => Config(_folder, disk, port, speed);

    internal static string Config(TemporaryFolder folder, string disk, int port, string speed) => folder.Write("edge.yaml", $$"""
        device: house
        state: {{Path.Combine(disk, "state")}}
        durability: 1s
        mqtt: { host: 127.0.0.1, port: {{port}} }
        streams:
          - { name: climate, model: demo, source: { simulated: { seed: 3, speed: {{speed}} } } }
        """);

    /// <summary>Writes a file until the disk is full.</summary>
    /// <param name="file">The file.</param>
    /// <param name="leftBytes">Bytes of the disk that stay free.</param>
    /// <returns>The file.</returns>
    internal static string FillUp(string file, long leftBytes = 0)
    {
        using var stream = new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] block = new byte[4096];
        try
        {
            while (leftBytes == 0 || new DriveInfo(file).AvailableFreeSpace > leftBytes)
            {
                stream.Write(block);
            }
        }
        catch (IOException)
        {
            // Full.
        }

        return file;
    }

    internal static long[] Seqs(Subscriber subscriber) =>
        [.. subscriber.All.Select(item => JsonDocument.Parse(item.Payload).RootElement.GetProperty("seq").GetInt64())];
}
