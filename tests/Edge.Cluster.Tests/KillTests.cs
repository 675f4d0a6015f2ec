using System.Diagnostics;
using System.Globalization;
using Edge.Cluster.Tests.Servers;
using Edge.Testing;

namespace Edge.Cluster.Tests;

/// <summary>The promise: whatever is killed, every forecast comes, in order, and is the one of an unbroken run, byte for byte.</summary>
[Collection(ServersCollection.Name)]
public sealed class KillTests(ServersFixture fixture)
{
    [ClusterFact]
    public async Task Workers_killed_and_stopped_at_random_instants_change_nothing_that_comes_out()
    {
        const int Streams = 40;
        const int RowsEach = 120;
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "kill", partitions: 4);
        await using var collector = new Collector(fixture.Servers.Broker(), "kill.collected", stream => stream.StartsWith('k'));
        await collector.StartAsync();
        await using var sender = new RowSender(fixture.Servers.Broker());
        var random = new Random(1);
        List<WorkerProcess> alive = [rig.StartWorker(), rig.StartWorker()];
        Task sending = Task.Run(async () =>
        {
            for (int index = 0; index < RowsEach; index++)
            {
                await sender.SendAsync(RowSender.Round("kill", "k", Streams, index));
                await Task.Delay(60);
            }
        });

        // Each kill at an instant of its own while rows are worked on.
        for (int kill = 0; kill < 4; kill++)
        {
            long before = collector.Messages;
            await Eventually.Async(() => collector.Messages > before + 200 || collector.StreamsAt(RowsEach) == Streams);
            await Task.Delay(random.Next(150));
            int victim = random.Next(alive.Count);
            alive[victim].Kill();
            alive[victim] = rig.StartWorker();
        }

        // One is stopped until others have all its partitions, and then goes on as if nothing had happened.
        WorkerProcess stopped = alive[0];
        await Eventually.Async(async () => await HeldAsync(rig, stopped) > 0 || sending.IsCompleted, "a worker has a partition");
        stopped.Send(WorkerProcess.SigStop);
        await Eventually.Async(async () => await HeldAsync(rig, stopped) == 0 || sending.IsCompleted, "another worker has them");
        stopped.Send(WorkerProcess.SigContinue);
        await sending;
        await UntilAllCameAsync(collector, rig, Streams, RowsEach);
        Assert.Empty(collector.Problems);
        using var folder = new TemporaryFolder();
        for (int stream = 0; stream < Streams; stream++)
        {
            await collector.AssertEqualsReplayAsync(folder, $"k{stream}", stream, RowsEach);
        }

        Assert.Equal(Streams * RowsEach, await rig.CountAsync("SELECT sum(row_count) FROM edge_partition"));
    }

    [ClusterFact]
    public async Task A_worker_that_starts_later_gets_its_share_of_the_partitions()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "share", partitions: 4);
        await using var sender = new RowSender(fixture.Servers.Broker());
        WorkerProcess[] workers = [rig.StartWorker()];
        int index = 0;
        await Eventually.Async(async () => await NextAsync(workers[0]) == 4, "the first worker has all partitions");
        workers = [workers[0], rig.StartWorker()];
        await Eventually.Async(
            async () => await NextAsync(workers[0]) == 2 && await HeldAsync(rig, workers[1]) == 2, "each has half of them");

        async Task<long> NextAsync(WorkerProcess worker)
        {
            await sender.SendAsync(RowSender.Round("share", "s", 20, index++));
            await Task.Delay(50);
            return await HeldAsync(rig, worker);
        }
    }

    [LongClusterFact]
    public async Task Ten_thousand_streams_outlive_kills_of_workers_broker_nodes_and_the_database()
    {
        int streams = Size("EDGE_CLUSTER_STREAMS", 10_000);
        int rowsEach = Size("EDGE_CLUSTER_ROWS", 100);
        int kills = Size("EDGE_CLUSTER_KILLS", 30);
        using var servers = new ClusterServers(nodes: 3);
        await servers.StartAsync();
        await using ClusterRig rig = await ClusterRig.StartAsync(servers, "long", partitions: 8, "worker: { streams: 20000 }");
        var random = new Random(Size("EDGE_CLUSTER_SEED", 1));
        int[] drawn = [.. Enumerable.Range(0, streams)];
        random.Shuffle(drawn);
        HashSet<string> kept = [.. drawn.Take(200).Select(stream => $"l{stream}/climate")];
        await using var collector = new Collector(servers.Broker(), "long.collected", kept.Contains);
        await collector.StartAsync();
        await using var sender = new RowSender(servers.Broker());
        List<WorkerProcess> alive = [rig.StartWorker(), rig.StartWorker(), rig.StartWorker()];
        long sent = 0;
        long started = Stopwatch.GetTimestamp();
        Task sending = Task.Run(async () =>
        {
            for (int index = 0; index < rowsEach; index++)
            {
                await sender.SendAsync(RowSender.Round("long", "l", streams, index));
                Interlocked.Add(ref sent, streams);

                // No more on the way than the broker's disk should hold.
                while (Interlocked.Read(ref sent) - collector.ReadingsSum > 100_000)
                {
                    await Task.Delay(100);
                }
            }
        });
        long all = (long)streams * rowsEach;
        (long At, Action What)[] events =
        [
            .. Enumerable.Range(0, kills).Select(i => ((long)(all * (0.03 + (0.9 * random.NextDouble()))), (Action)(() => KillOne()))),
            (all / 4, () => KillNode(1)),
            (all / 2, () => CrashDatabase()),
            (all * 3 / 4, () => KillNode(2)),
            (all * 2 / 5, () => StopOne()),
        ];
        foreach ((long at, Action what) in events.OrderBy(each => each.At))
        {
            await UntilAsync(() => collector.ReadingsSum >= at || sending.IsFaulted, TimeSpan.FromMinutes(5), collector, rig);
            what();
        }

        await sending;
        await UntilAsync(() => collector.StreamsAt(rowsEach) == streams, TimeSpan.FromMinutes(10), collector, rig);
        TimeSpan took = Stopwatch.GetElapsedTime(started);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{all} rows of {streams} streams in {took.TotalSeconds:0} s ({all / took.TotalSeconds:0}/s) with {kills} kills of workers, 2 "
                + $"of broker nodes, a crash of the database and a stopped worker; {collector.Messages} messages, {collector.Duplicates} "
                + $"of them again; {sender.Repeated} chunks sent again"));
        Assert.Empty(collector.Problems);
        Assert.All(collector.Counts().Values, counts => Assert.Equal((rowsEach, rowsEach - 1), (counts.Readings, counts.Forecasts)));
        using var folder = new TemporaryFolder();
        foreach (int stream in drawn.Take(200))
        {
            await collector.AssertEqualsReplayAsync(folder, $"l{stream}", stream, rowsEach);
        }

        void KillOne()
        {
            int victim = random.Next(alive.Count);
            alive[victim].Kill();
            alive[victim] = rig.StartWorker();
        }

        void KillNode(int node)
        {
            servers.Rabbit.Kill(node);
            servers.Rabbit.RestartAsync(node).GetAwaiter().GetResult();
        }

        void CrashDatabase()
        {
            servers.Postgres.Crash();
            servers.Postgres.RestartAsync().GetAwaiter().GetResult();
        }

        void StopOne()
        {
            WorkerProcess stopped = alive[random.Next(alive.Count)];
            stopped.Send(WorkerProcess.SigStop);
            long begun = Stopwatch.GetTimestamp();
            while (HeldAsync(rig, stopped).GetAwaiter().GetResult() > 0 && Stopwatch.GetElapsedTime(begun) < Eventually.Bound)
            {
                Thread.Sleep(100);
            }

            Assert.Equal(0, HeldAsync(rig, stopped).GetAwaiter().GetResult());
            stopped.Send(WorkerProcess.SigContinue);
        }
    }

    private static int Size(string variable, int usual) =>
        Environment.GetEnvironmentVariable(variable) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : usual;

    private static async Task UntilAsync(Func<bool> condition, TimeSpan bound, Collector collector, ClusterRig rig)
    {
        for (long started = Stopwatch.GetTimestamp(); !condition(); await Task.Delay(20))
        {
            Assert.True(collector.Problems.Count == 0, string.Join('\n', collector.Problems.Take(5)));
            Assert.True(Stopwatch.GetElapsedTime(started) < bound, $"It did not happen within {bound}.\n{rig.Logs}");
        }
    }

    private static Task<long> HeldAsync(ClusterRig rig, WorkerProcess worker) =>
        rig.CountAsync($"SELECT count(*) FROM edge_partition WHERE owner = '{worker.Name}'");

    private static async Task UntilAllCameAsync(Collector collector, ClusterRig rig, int streams, int rowsEach)
    {
        try
        {
            await Eventually.Async(() => collector.StreamsAt(rowsEach) == streams);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{collector.StreamsAt(rowsEach)} of {streams} streams are complete.\n{rig.Logs}", e);
        }
    }
}
