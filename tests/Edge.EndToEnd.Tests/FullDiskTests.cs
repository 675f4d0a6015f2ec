using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A disk that the outbox has filled, until the broker is back.</summary>
[Trait("Time", "real")]
[Collection(RealTime.Name)]
public sealed class FullDiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SmallDiskFact]
    public async Task A_disk_that_the_outbox_fills_costs_the_oldest_messages_and_is_well_again_once_they_are_delivered()
    {
        using var disk = new SmallDisk(24);
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        await broker.KillAsync();
        string config = DiskTests.Config(_folder, disk.Path, broker.Port, "300x");
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", config))
        {
            await Eventually.Async(() => run.Error.Contains("the disk is full", StringComparison.Ordinal));
            await Task.Delay(3000);

            // However busy the machine is, messages are delivered faster than this makes them.
            DiskTests.Config(_folder, disk.Path, broker.Port, "10x");
            run.Hangup();
            await run.UntilSaidAsync("continues after tick");
            await broker.StartAgainAsync();
            await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
            await Eventually.Async(() => File.Exists(Path.Combine(disk.Path, "state", "edge.reserve")));
            int before = subscriber.All.Count;
            await subscriber.UntilAsync(seen => seen.Count > before + 100);
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync());

            // Readings went first. If forecasts had to go too, they were the oldest that lay on the disk: one piece; nothing out of
            // order. The reload may send again what the broker had not acknowledged yet.
            long[] seqs = [.. DiskTests.Seqs(subscriber).Distinct()];
            long[] steps = [.. seqs.Zip(seqs.Skip(1), (seq, next) => next - seq)];
            Assert.All(steps, step => Assert.True(step >= 1));
            Assert.InRange(steps.Count(step => step > 1), 0, 1);

            // The history may have met the full disk: it says so and tries again.
            Assert.DoesNotContain("The streams continue in memory", run.Error, StringComparison.Ordinal);
        }

        await DiskTests.GoesOnAsync(config, broker);
    }
}
