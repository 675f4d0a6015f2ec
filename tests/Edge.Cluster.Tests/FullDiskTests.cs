using System.Diagnostics;
using Edge.Cluster.Tests.Servers;
using Edge.Testing;

namespace Edge.Cluster.Tests;

/// <summary>A disk of the database that is full: one sentence, rows wait at the broker, and nothing is lost once there is space.</summary>
[Collection(ServersCollection.Name)]
public sealed class FullDiskTests(ServersFixture fixture)
{
    // States of so many new streams need more than what a disk has left in pages that are begun.
    private const int Streams = 200;

    [ClusterDiskFact]
    public async Task A_full_disk_of_tables_is_one_sentence_and_the_server_goes_on_when_there_is_space()
    {
        using var disk = new SmallDisk(megabytes: 32);
        string folder = Path.Combine(disk.Path, "tables");
        PostgresServer.MakeFolder(folder);
        await fixture.Servers.Postgres.ExecuteAsync($"CREATE TABLESPACE small LOCATION '{folder}'");
        try
        {
            await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "fulltables", partitions: 2, tablespace: "small");
            await FillAndGoOnAsync(rig, disk, () => Task.CompletedTask);
        }
        finally
        {
            await fixture.Servers.Postgres.ExecuteAsync("DROP DATABASE IF EXISTS fulltables WITH (FORCE)");
            await fixture.Servers.Postgres.ExecuteAsync("DROP TABLESPACE small");
        }
    }

    // Without space for its log PostgreSQL ends itself. It is started again once there is space.
    [ClusterDiskFact]
    public async Task A_full_disk_of_the_log_of_the_database_loses_nothing()
    {
        using var disk = new SmallDisk(megabytes: 48);
        using var folder = new TemporaryFolder();
        folder.ShareForReading();
        using var postgres = new PostgresServer(folder.File("postgres"), Path.Combine(disk.Path, "log"));
        await postgres.StartAsync();
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "fulllog", partitions: 2, postgres: postgres);
        await FillAndGoOnAsync(rig, disk, () =>
        {
            postgres.Crash();
            return postgres.RestartAsync();
        });
    }

    private async Task FillAndGoOnAsync(ClusterRig rig, SmallDisk disk, Func<Task> restart)
    {
        string prefix = rig.Name;
        await using var collector = new Collector(
            fixture.Servers.Broker(), $"{rig.Name}.collected", stream => stream.StartsWith(prefix, StringComparison.Ordinal));
        await collector.StartAsync();
        await using var sender = new RowSender(fixture.Servers.Broker());
        WorkerProcess worker = rig.StartWorker();
        await sender.SendAsync(RowSender.Round(rig.Name, prefix, Streams / 10, 0));
        await Eventually.Async(() => collector.StreamsAt(1) == Streams / 10, "the first rows came out");
        string filler = disk.Fill();
        int sent = 1;
        await sender.SendAsync(RowSender.Round(rig.Name, prefix, Streams, 0)[(Streams / 10)..]);
        for (long started = Stopwatch.GetTimestamp();
            !worker.Error.Contains("its disk is full; rows wait at the broker until there is space", StringComparison.Ordinal);
            sent++)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Eventually.Bound, worker.Error);
            await sender.SendAsync(RowSender.Round(rig.Name, prefix, Streams, sent));
            await Task.Delay(50);
        }

        Assert.False(worker.HasExited);
        File.Delete(filler);
        await restart();
        await Eventually.Async(() => collector.StreamsAt(sent) == Streams, "every row came out");
        Assert.Empty(collector.Problems);
        using var folder = new TemporaryFolder();
        foreach (int stream in new[] { 0, Streams - 1 })
        {
            await collector.AssertEqualsReplayAsync(folder, $"{prefix}{stream}", stream, sent);
        }

        // A sentence at once, one a minute, and none with a stack trace.
        string[] said = [.. worker.Error.Split('\n').Where(line => line.Contains("PostgreSQL at", StringComparison.Ordinal))];
        Assert.InRange(said.Length, 1, 4);
        Assert.DoesNotContain("   at ", worker.Error, StringComparison.Ordinal);
        Assert.Empty(await rig.RefusedAsync());
    }
}
