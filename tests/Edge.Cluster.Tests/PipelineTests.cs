using System.Runtime.CompilerServices;
using System.Text;
using Edge.Cluster.Broker;
using Edge.Cluster.Pipeline;
using Edge.Cluster.Storage;
using Edge.Cluster.Tests.Servers;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Cluster.Tests;

/// <summary>The streams of a partition come from the database and go back to it.</summary>
[Collection(ServersCollection.Name)]
public sealed class PipelineTests(ServersFixture fixture)
{
    [ClusterFact]
    public async Task Idle_streams_leave_memory_and_come_back_as_if_they_had_stayed()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "leave", partitions: 1);
        await using var own = new PartitionRig(fixture.Servers, rig.Name, Rule("demo"));
        await using var staying = new PartitionRig(fixture.Servers, rig.Name, Rule("demo"));
        List<string> expected = [];
        List<string> came = [];
        for (int index = 0; index < 130; index++)
        {
            expected.AddRange(await staying.StepAsync(index));
            came.AddRange(await own.StepAsync(index, commits: true));

            // Every eleventh row finds memory empty: the state, and the rows since then, are loaded.
            if (index % 11 == 10)
            {
                own.Clock.Advance(TimeSpan.FromMinutes(10));
                own.Pipeline.Evict();
                Assert.Equal(0, own.Budget.Streams);
            }
        }

        Assert.Equal(expected, came);
        Assert.Equal(PartitionRig.Streams, staying.Budget.Streams);
    }

    [ClusterFact]
    public async Task No_more_streams_stay_in_memory_than_are_allowed()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "limited", partitions: 1);
        await using var own = new PartitionRig(fixture.Servers, rig.Name, Rule("demo"), streamsMax: 4);
        await own.StepAsync(0, commits: true);
        for (int stream = 0; stream < PartitionRig.Streams; stream++)
        {
            await own.StepAsync(1, commits: true, only: stream);
            Assert.InRange(own.Budget.Streams, 1, 5);
        }
    }

    [ClusterFact]
    public async Task A_stream_that_has_left_memory_is_not_kept_by_the_batch_in_which_it_had_a_row()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "gone", partitions: 1);
        await using var own = new PartitionRig(fixture.Servers, rig.Name, Rule("demo"));
        await own.StepAsync(0, commits: true);
        await own.StepAsync(1, commits: true);
        WeakReference[] streams = WeakReferences(own.Pipeline);
        Assert.Equal(PartitionRig.Streams, streams.Length);
        own.Clock.Advance(TimeSpan.FromMinutes(10));
        own.Pipeline.Evict();
        GC.Collect();
        Assert.DoesNotContain(streams, stream => stream.IsAlive);
    }

    [ClusterFact]
    public async Task A_model_that_is_replaced_is_used_and_numbers_go_on()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "replaced", partitions: 1);
        using var folder = new TemporaryFolder();
        string model = folder.File("model.safetensors");
        File.Copy(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"), model);
        await using var own = new PartitionRig(fixture.Servers, rig.Name, Rule(model));
        IReadOnlyList<string> before = await own.StepAsync(0, commits: true);
        before = [.. before, .. await own.StepAsync(1, commits: true)];
        Assert.Contains("\"seq\":2", before[^1], StringComparison.Ordinal);
        Assert.Contains("\"horizon_seconds\"", before[^1], StringComparison.Ordinal);

        // A file that is no model changes nothing; another model does.
        File.WriteAllText(model, "not a model");
        own.Clock.Advance(RuleModel.LookEvery);
        IReadOnlyList<string> same = await own.StepAsync(2, commits: true);
        File.WriteAllBytes(model, OtherModel());
        own.Clock.Advance(RuleModel.LookEvery);
        IReadOnlyList<string> after = await own.StepAsync(3, commits: true);
        Assert.Equal(Model(before[^1]), Model(same[^1]));
        Assert.NotEqual(Model(before[^1]), Model(after[^1]));
        Assert.All(after, text => Assert.Contains("\"seq\":4", text, StringComparison.Ordinal));
        Assert.Empty(own.Refused);
    }

    // A method of its own: no local variable of a test keeps a stream.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference[] WeakReferences(PartitionPipeline pipeline) =>
        [.. pipeline.Streams.Select(stream => new WeakReference(stream.Stream))];

    private static string Model(string payload) => payload.Split("\"model\":\"")[1][..6];

    // The same model with another name.
    private static byte[] OtherModel()
    {
        byte[] bytes = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        int at = bytes.AsSpan().IndexOf("greenhouse"u8);
        "Greenhouse"u8.CopyTo(bytes.AsSpan(at));
        return bytes;
    }

    private static StreamRule Rule(string model) => new()
    {
        Topics = TopicPattern.Parse("plant/+/rows")!,
        Name = "climate",
        Model = model,
        Options = new StreamOptions { Name = "climate" },
    };

    /// <summary>A partition without a broker: rows in, payloads out, commits to the database.</summary>
    private sealed class PartitionRig : IAsyncDisposable
    {
        internal const int Streams = 6;

        private readonly ClusterDatabase _database;
        private long _epoch;
        private long _batch;

        internal PartitionRig(ClusterServers servers, string database, StreamRule rule, int streamsMax = 1000)
        {
            _database = new ClusterDatabase(
                new DatabaseOptions { Host = "127.0.0.1", Port = servers.Postgres.Port, Database = database, Username = "edge" }, "test");
            Budget = new MemoryBudget(streamsMax, TimeSpan.FromMinutes(5));
            var model = new RuleModel(rule, Clock, NullLogger.Instance);
            Pipeline = new PartitionPipeline([model], _database, Budget, Clock, NullLogger.Instance);
        }

        internal FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 6, 1, 0, 0, 0, TimeSpan.Zero));

        internal MemoryBudget Budget { get; }

        internal PartitionPipeline Pipeline { get; }

        internal List<string> Refused { get; } = [];

        internal async Task<IReadOnlyList<string>> StepAsync(int index, bool commits = false, int? only = null)
        {
            RowDelivery[] rows =
            [
                .. Enumerable.Range(0, Streams)
                    .Where(stream => only is null || stream == only)
                    .Select(stream => new RowDelivery((ulong)stream, $"plant/d{stream}/rows", Rows.Json(stream, index))),
            ];
            PartitionBatch batch = await Pipeline.RunAsync(rows, default);
            Refused.AddRange(batch.Refused.Select(refused => refused.Reason));
            if (commits)
            {
                _epoch = _epoch == 0 ? (await _database.TakeAsync(0, "test", default)).Epoch : _epoch;
                await _database.CommitAsync(new BatchCommit(0, _epoch, ++_batch, _batch, batch.Rows, batch.States, []), default);
            }

            Pipeline.Committed();
            return [.. batch.Messages.Where(message => message.ContentType is not null).Select(Text)];
        }

        public async ValueTask DisposeAsync()
        {
            Pipeline.Dispose();
            await _database.DisposeAsync();
        }

        private static string Text(MqttMessage message) => Encoding.UTF8.GetString(message.Payload.Span);
    }
}
