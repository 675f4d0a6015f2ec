using Edge.Cluster.Storage;
using Edge.Cluster.Tests.Servers;
using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.Cluster.Tests;

/// <summary>Who has lost a partition cannot commit.</summary>
[Collection(ServersCollection.Name)]
public sealed class CommitTests(ServersFixture fixture)
{
    private static readonly DateTime Time = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    [ClusterFact]
    public async Task A_commit_of_an_older_epoch_fails_and_changes_nothing()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "fence", partitions: 2);
        await using ClusterDatabase first = Open(rig);
        await using ClusterDatabase second = Open(rig);
        long old = (await first.TakeAsync(1, "first", default)).Epoch;
        await first.CommitAsync(Commit(1, old, 1, State("a/s", 0, 5)), default);
        TakenPartition taken = await second.TakeAsync(1, "second", default);
        Assert.Equal((old + 1, 1, Time), (taken.Epoch, taken.Batch, taken.NewestRow));
        Assert.Equal([7], Assert.Single(taken.Unpublished));
        await Assert.ThrowsAsync<PartitionLostException>(() => first.CommitAsync(Commit(1, old, 2, State("a/s", 5, 9)), default));
        Assert.Equal(5, Assert.Single(await second.LoadAsync(["a/s", "b/s"], default)).Seq);
        Assert.Equal(1, await rig.CountAsync("SELECT count(*) FROM edge_outbox"));

        // The other partition is untouched, and the taker goes on.
        await second.CommitAsync(Commit(1, taken.Epoch, 2, State("a/s", 5, 6)), default);
        await first.CommitAsync(Commit(0, (await first.TakeAsync(0, "first", default)).Epoch, 1, State("c/s", 0, 1)), default);
    }

    [ClusterFact]
    public async Task A_stream_that_another_partition_has_stored_meanwhile_is_not_overwritten()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "moved", partitions: 2);
        await using ClusterDatabase database = Open(rig);
        long zero = (await database.TakeAsync(0, "w", default)).Epoch;
        long one = (await database.TakeAsync(1, "w", default)).Epoch;
        await database.CommitAsync(Commit(0, zero, 1, State("a/s", 0, 5)), default);
        await Assert.ThrowsAsync<PartitionLostException>(
            () => database.CommitAsync(Commit(1, one, 1, State("b/s", 0, 1), State("a/s", 0, 3)), default));
        Assert.Equal(5, Assert.Single(await database.LoadAsync(["a/s", "b/s"], default)).Seq);
    }

    [ClusterFact]
    public async Task A_worker_that_stops_within_a_transaction_holds_its_partition_for_two_seconds_only()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "patience", partitions: 1);
        await using var stopped = new Npgsql.NpgsqlConnection(rig.DatabaseText + ";Options=-c idle_in_transaction_session_timeout=2000");
        await stopped.OpenAsync();
        await using Npgsql.NpgsqlTransaction transaction = await stopped.BeginTransactionAsync();
        await using var hold = new Npgsql.NpgsqlCommand("UPDATE edge_partition SET batch = 99", stopped, transaction);
        await hold.ExecuteNonQueryAsync();
        await using ClusterDatabase taker = Open(rig);
        Assert.Equal((1, 0), await EpochAndBatchAsync(taker));
        await Assert.ThrowsAnyAsync<Npgsql.NpgsqlException>(() => transaction.CommitAsync());
    }

    [ClusterFact]
    public async Task What_a_killed_worker_has_committed_but_not_published_its_successor_publishes()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "outbox", partitions: 1);
        await using var collector = new Collector(fixture.Servers.Broker(), "outbox.collected", _ => true);
        await collector.StartAsync();
        await using (ClusterDatabase killed = Open(rig))
        {
            long epoch = (await killed.TakeAsync(0, "killed", default)).Epoch;
            byte[][] blocks = [Block("""{"seq":1}"""), Block("""{"seq":2}""")];
            await killed.CommitAsync(new BatchCommit(0, epoch, 1, 0, 1, [State("ghost/climate", 0, 1)], blocks[0]), default);
            await killed.CommitAsync(new BatchCommit(0, epoch, 2, 0, 1, [State("ghost/climate", 1, 2)], blocks[1]), default);
        }

        rig.StartWorker();
        await using var sender = new RowSender(fixture.Servers.Broker());
        await sender.SendAsync(RowSender.Round("outbox", "d", 1, 0));
        await Eventually.Async(() => collector.StreamsAt(1) == 1, "the row came out");
        Assert.Equal(["""{"seq":1}""", """{"seq":2}"""], collector.Payloads("ghost/climate"));
        await Eventually.Async(async () => await rig.CountAsync("SELECT count(*) FROM edge_outbox") == 0, "then they are forgotten");
    }

    private static byte[] Block(string payload) => MessageBlock.Write(
    [
        new MqttMessage
        {
            Topic = "edge/ghost/climate/forecast",
            Payload = System.Text.Encoding.UTF8.GetBytes(payload),
            Class = MessageClass.Forecast,
            ContentType = "application/json",
        },
    ]);

    private static async Task<(long Epoch, long Batch)> EpochAndBatchAsync(ClusterDatabase database)
    {
        TakenPartition taken = await database.TakeAsync(0, "taker", default);
        return (taken.Epoch, taken.Batch);
    }

    private static StoredState State(string key, long before, long seq) => new(key, before, seq, Time, 0, [1, 2, 3], []);

    private static BatchCommit Commit(int partition, long epoch, long batch, params StoredState[] states) =>
        new(partition, epoch, batch, 0, states.Length, states, [7]);

    private ClusterDatabase Open(ClusterRig rig) => new(
        new DatabaseOptions
        {
            Host = "127.0.0.1",
            Port = fixture.Servers.Postgres.Port,
            Database = rig.Name,
            Username = "edge",
            Patience = TimeSpan.FromSeconds(2),
        },
        "test");
}
