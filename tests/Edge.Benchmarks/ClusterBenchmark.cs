using System.Diagnostics;
using System.Globalization;
using Edge.Cluster.Pipeline;
using Edge.Cluster.Storage;
using Edge.Cluster.Tests.Servers;
using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Streams.Engines;

namespace Edge.Benchmarks;

/// <summary>
/// edge-cluster on this machine, everything on loopback: three RabbitMQ nodes, PostgreSQL, and 1, 2 and 3 workers. Rows a second from full
/// queues, processor time per row of each part, time to take over after kill -9, bytes of a stream, and a worker with idle streams.
/// </summary>
internal static class ClusterBenchmark
{
    private const int Streams = 10_000;
    private const int IdleStreams = 100_000;
    private const int Kills = 12;

    // Linux counts processor time in hundredths of a second.
    private const double TicksPerSecond = 100;

    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(20);

    /// <param name="what">Rows to measure with, or <c>idle</c> for the idle streams alone.</param>
    internal static async Task<int> RunAsync(string what)
    {
        if (ServerPrograms.Missing is { } missing)
        {
            await Console.Error.WriteLineAsync(missing);
            return 1;
        }

        using var servers = new ClusterServers(nodes: 3);
        await servers.StartAsync();
        if (what == "idle")
        {
            await IdleAsync(servers);
            return 0;
        }

        int rows = int.Parse(what, CultureInfo.InvariantCulture);
        Pipeline();
        foreach (int workers in new[] { 1, 2, 3 })
        {
            await ThroughputAsync(servers, workers, rows);
        }

        await TakeOverAsync(servers);
        await IdleAsync(servers);
        return 0;
    }

    // The worker's own part of a row, without broker and database.
    private static void Pipeline()
    {
        const int Count = 500;
        const int Rounds = 60;
        EdgeModel model = ((Int8Engine)EngineFactory.LoadInt8("demo")).Model;
        var rule = new StreamRule
        {
            Topics = TopicPattern.Parse("plant/+/rows")!,
            Name = "climate",
            Model = "demo",
            Options = new StreamOptions { Name = "climate" },
        };
        var shared = new PartitionModel(rule, model);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        ClusterStream[] streams =
        [
            .. Enumerable.Range(0, Count).Select(i => new ClusterStream($"d{i}/climate", $"d{i}", "climate", shared, null)),
        ];
        var parser = new RowParser(TimeProvider.System);
        var messages = new List<MqttMessage>();
        var ticks = new StreamTick[Count];
        double parse = 0;
        double step = 0;
        double render = 0;
        double save = 0;
        long state = 0;
        long tail = 0;
        for (int round = 0; round < Rounds; round++)
        {
            byte[][] bodies = [.. Enumerable.Range(0, Count).Select(i => Rows.Json(i, round))];
            var rows = new Reading[Count];
            long at = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                rows[i] = shared.Rent();
                if (parser.Read(bodies[i], shared, streams[i].LastTime, rows[i], out long number) is { } problem)
                {
                    throw new InvalidOperationException(problem);
                }

                streams[i].Accept(rows[i], number);
            }

            long parsed = Stopwatch.GetTimestamp();
            shared.Batch.Step([.. streams.Select(stream => stream.Stream)], rows, ticks);
            long stepped = Stopwatch.GetTimestamp();
            messages.Clear();
            for (int i = 0; i < Count; i++)
            {
                streams[i].Render(ticks[i], messages);
                shared.Return(rows[i]);
            }

            long rendered = Stopwatch.GetTimestamp();
            StoredState[] saved = [.. streams.Select(stream => stream.Save())];
            long end = Stopwatch.GetTimestamp();
            foreach (ClusterStream stream in streams)
            {
                stream.Stored();
            }

            // The first round compiles.
            if (round > 0)
            {
                parse += Stopwatch.GetElapsedTime(at, parsed).TotalMicroseconds;
                step += Stopwatch.GetElapsedTime(parsed, stepped).TotalMicroseconds;
                render += Stopwatch.GetElapsedTime(stepped, rendered).TotalMicroseconds;
                save += Stopwatch.GetElapsedTime(rendered, end).TotalMicroseconds;
            }

            state = Math.Max(state, saved.Max(each => each.State.Length));
            tail += saved.Sum(each => each.Tail.Length);
        }

        messages.Clear();
        long memory = (GC.GetTotalMemory(forceFullCollection: true) - before) / Count;
        const double Rows1 = Count * (Rounds - 1.0);
        Say(
            $"worker alone, µs a row: read {parse / Rows1:0.0}, step and detect {step / Rows1:0.0}, render {render / Rows1:0.0}, "
                + $"save {save / Rows1:0.0}");
        Say($"a stream: {state} bytes of state, {tail / (Count * Rounds)} bytes of rows since then on average, {memory} bytes in memory");
        GC.KeepAlive(streams);
    }

    private static async Task ThroughputAsync(ClusterServers servers, int workers, int rows)
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(servers, $"rate{workers}", partitions: 12, "worker: { streams: 20000 }");
        int rounds = Math.Max(2, rows / Streams);
        rows = rounds * Streams;
        double fillBroker = -Broker(servers);
        long started = Stopwatch.GetTimestamp();
        await using (var sender = new RowSender(servers.Broker()))
        {
            for (int index = 0; index < rounds; index++)
            {
                await sender.SendAsync(RowSender.Round(rig.Name, "d", Streams, index));
            }
        }

        double fill = Stopwatch.GetElapsedTime(started).TotalSeconds;
        fillBroker += Broker(servers);
        WorkerProcess[] running = [.. Enumerable.Range(0, workers).Select(_ => rig.StartWorker())];

        // The first fifth is compiling, making the streams, and sharing the partitions out.
        long first = await UntilRowsAsync(rig, rows / 5);
        started = Stopwatch.GetTimestamp();
        double broker = -Broker(servers);
        double database = -Database(servers);
        double worker = -running.Sum(each => each.ProcessorTime.TotalSeconds);
        long last = await UntilRowsAsync(rig, rows);
        double took = Stopwatch.GetElapsedTime(started).TotalSeconds;
        broker += Broker(servers);
        database += Database(servers);
        worker += running.Sum(each => each.ProcessorTime.TotalSeconds);
        double done = last - first;
        Say(
            $"{workers} workers: {done / took:0} rows/s from full queues ({rows} rows, {Streams} streams); processor µs a row: "
                + $"broker {(broker / done * 1e6) + (fillBroker / rows * 1e6):0} ({fillBroker / rows * 1e6:0} of it taking rows in), "
                + $"database {database / done * 1e6:0}, workers {worker / done * 1e6:0}; rows taken in at {rows / fill:0}/s");
        long size = await rig.CountAsync("SELECT pg_total_relation_size('edge_stream')");
        long owners = await rig.CountAsync("SELECT count(DISTINCT owner) FROM edge_partition");
        Say($"  {owners} workers had partitions at the end; {size / Streams} bytes a stream in the database; "
                + $"a worker holds {running.Max(each => each.ResidentBytes) >> 20} MB");
    }

    private static async Task TakeOverAsync(ClusterServers servers)
    {
        const int Devices = 40;
        await using ClusterRig rig = await ClusterRig.StartAsync(servers, "takeover", partitions: 8);
        await using var sender = new RowSender(servers.Broker());
        using var stop = new CancellationTokenSource();
        Task sending = Task.Run(async () =>
        {
            for (int index = 0; !stop.IsCancellationRequested; index++)
            {
                await sender.SendAsync(RowSender.Round(rig.Name, "d", Devices, index));
                await Task.Delay(50);
            }
        });
        List<WorkerProcess> alive = [rig.StartWorker(), rig.StartWorker()];
        var seconds = new List<double>();
        for (int kill = 0; kill < Kills; kill++)
        {
            WorkerProcess victim = alive[kill % 2];
            for (long waited = Stopwatch.GetTimestamp();
                await HeldAsync(alive[0]) < 2 || await HeldAsync(alive[1]) < 2;
                await Task.Delay(50))
            {
                Require(Stopwatch.GetElapsedTime(waited) < Bound, "a worker gets no partitions");
            }

            string[] held = await PartitionsAsync(rig, victim);
            DateTime killed = DateTime.UtcNow;
            victim.Kill();
            for (long waited = Stopwatch.GetTimestamp(); await HeldAsync(victim) > 0; await Task.Delay(10))
            {
                Require(Stopwatch.GetElapsedTime(waited) < Bound, "no other worker takes the partitions");
            }

            foreach (double taken in await TakenSinceAsync(rig, killed, held))
            {
                seconds.Add(taken);
            }

            alive[kill % 2] = rig.StartWorker();
        }

        await stop.CancelAsync();
        await sending;
        seconds.Sort();
        Say(
            $"take-over after kill -9, {seconds.Count} partitions: p50 {seconds[seconds.Count / 2] * 1000:0} ms, "
                + $"p99 {seconds[(int)(seconds.Count * 0.99)] * 1000:0} ms");

        Task<long> HeldAsync(WorkerProcess worker) =>
            rig.CountAsync($"SELECT count(*) FROM edge_partition WHERE owner = '{worker.Name}'");
    }

    private static async Task<string[]> PartitionsAsync(ClusterRig rig, WorkerProcess worker)
    {
        await using var connection = new Npgsql.NpgsqlConnection(rig.DatabaseText);
        await connection.OpenAsync();
        await using var read = new Npgsql.NpgsqlCommand(
            $"SELECT coalesce(array_agg(id::text), '{{}}') FROM edge_partition WHERE owner = '{worker.Name}'", connection);
        return (string[])(await read.ExecuteScalarAsync())!;
    }

    private static async Task<List<double>> TakenSinceAsync(ClusterRig rig, DateTime killed, string[] partitions)
    {
        var seconds = new List<double>();
        await using var connection = new Npgsql.NpgsqlConnection(rig.DatabaseText);
        await connection.OpenAsync();
        await using var read = new Npgsql.NpgsqlCommand(
            "SELECT extract(epoch FROM taken - $1)::float8 FROM edge_partition WHERE taken > $1 AND id::text = ANY($2)", connection);
        read.Parameters.Add(new() { Value = killed });
        read.Parameters.Add(new() { Value = partitions });
        await using Npgsql.NpgsqlDataReader row = await read.ExecuteReaderAsync();
        while (await row.ReadAsync())
        {
            seconds.Add(row.GetDouble(0));
        }

        return seconds;
    }

    private static async Task IdleAsync(ClusterServers servers)
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(servers, "idle", partitions: 8, "worker: { idle: 5s, streams: 5000 }");
        WorkerProcess worker = rig.StartWorker();
        await using (var sender = new RowSender(servers.Broker()))
        {
            // A row of each partition, so that all of the program is in use.
            await sender.SendAsync(RowSender.Round(rig.Name, "first", 100, 0));
            await UntilRowsAsync(rig, 100);
            Say($"a worker that has begun: {Memory(worker)}");
            await sender.SendAsync(RowSender.Round(rig.Name, "d", IdleStreams, 0));
        }

        await UntilRowsAsync(rig, IdleStreams + 100);
        Say($"a worker that has just made {IdleStreams} streams: {Memory(worker)}");

        // Some streams go on, the others are idle.
        await using (var sender = new RowSender(servers.Broker()))
        {
            for (int index = 1; index <= 200; index++)
            {
                await sender.SendAsync(RowSender.Round(rig.Name, "d", 100, index));
                await Task.Delay(100);
            }
        }

        Say($"a worker with {IdleStreams} streams, of which 100 have rows: {Memory(worker)}");
    }

    // Resident bytes of a process, and those of them that are its own: no pages of files, which the system shares and can drop.
    private static string Memory(WorkerProcess worker)
    {
        Dictionary<string, long> bytes = File.ReadLines($"/proc/{worker.Id}/smaps_rollup")
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields is [_, _, "kB"])
            .ToDictionary(fields => fields[0].TrimEnd(':'), fields => long.Parse(fields[1], CultureInfo.InvariantCulture) * 1024);
        return string.Create(
            CultureInfo.InvariantCulture, $"{bytes["Rss"] / 1e6:0} MB resident, {bytes["Anonymous"] / 1e6:0} MB of it its own");
    }

    private static async Task<long> UntilRowsAsync(ClusterRig rig, long rows)
    {
        for (long started = Stopwatch.GetTimestamp(); ; await Task.Delay(50))
        {
            long now = await rig.CountAsync("SELECT sum(row_count) FROM edge_partition");
            if (now >= rows)
            {
                return now;
            }

            Require(Stopwatch.GetElapsedTime(started) < Bound, rig.Logs);
        }
    }

    private static double Broker(ClusterServers servers) =>
        servers.Rabbit.Ports.Select((_, node) => Seconds(servers.Rabbit.ProcessId(node), withChildren: true)).Sum();

    private static double Database(ClusterServers servers) => Seconds(servers.Postgres.ProcessId, withChildren: true);

    // Fields 14 to 17 of /proc/PID/stat: its own time and that of children that have ended. The others are counted one by one.
    private static double Seconds(int process, bool withChildren)
    {
        string[] fields;
        try
        {
            string stat = File.ReadAllText($"/proc/{process}/stat");
            fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return 0;
        }

        double own = fields[11..15].Sum(field => double.Parse(field, CultureInfo.InvariantCulture)) / TicksPerSecond;
        if (!withChildren)
        {
            return own;
        }

        string children = File.ReadAllText($"/proc/{process}/task/{process}/children");
        return own + children.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Sum(child => Seconds(int.Parse(child, CultureInfo.InvariantCulture), withChildren: true));
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new TimeoutException(otherwise);
        }
    }

    private static void Say(string text) => Console.WriteLine(text);
}
