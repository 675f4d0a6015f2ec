using System.Text;
using Edge.Cluster.Tests.Servers;
using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.Cluster.Tests;

/// <summary>What is wrong is one sentence, and all other streams go on.</summary>
[Collection(ServersCollection.Name)]
public sealed class BadInputTests(ServersFixture fixture)
{
    [ClusterFact]
    public async Task Bad_rows_a_missing_model_and_repeated_rows_stop_no_other_stream()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(
            fixture.Servers, "bad", partitions: 2, streams: "  - { topics: bad/+/+/none, model: missing.safetensors }");
        await using var collector = new Collector(fixture.Servers.Broker(), "bad.collected", stream => stream.StartsWith("bad-"));
        await collector.StartAsync();
        await using var sender = new RowSender(fixture.Servers.Broker());
        WorkerProcess worker = rig.StartWorker();
        for (int index = 0; index < 20; index++)
        {
            MqttMessage[] good = RowSender.Round("bad", "bad-", 6, index);
            await sender.SendAsync(
            [
                good[0],
                Row("bad/bad-1/rows", "not json at all"),
                .. good[1..4],
                Row("bad/bad-2/rows", """{"temperature":1}"""),
                Row("bad/bad-2/rows", """{"time":"2999-01-01T00:00:00Z","temperature":1}"""),
                Row("bad/bad-2/rows", """{"time":"tomorrow"}"""),
                Row("bad/bad-2/rows", new string('[', 5000)),
                Row("bad/bad-2/rows", ""),
                Row("bad/Bad Name/rows", """{"time":"2026-01-01T00:00:00Z"}"""),
                Row("bad/a/b/none", """{"time":"2026-01-01T00:00:00Z"}"""),
                .. good[4..],
                .. good,
                .. good[..2],
            ]);
        }

        await Eventually.Async(() => collector.StreamsAt(20) == 6, "every good row came out");
        Assert.Empty(collector.Problems);
        Assert.All(collector.Counts().Values, counts => Assert.Equal((20, 19), counts));
        await Eventually.Async(
            async () => await rig.CountAsync("SELECT count(*) FROM edge_outbox") == 0, "messages that are published are forgotten");
        List<string> reasons = await rig.RefusedAsync();
        Assert.Equal(20 * 8, reasons.Count);
        string[] kinds = [.. reasons.Select(reason => reason.Split(", and the clock")[0].Split("'tomorrow'")[0]).Distinct().Order()];
        Assert.Equal(
            [
                "a message came that is neither a number nor JSON: '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…'",
                "a message came that is neither a number nor JSON: 'not json at all'",
                "a message came whose time cannot be read: ",
                "a message came without its time ($.time)",
                "a row of 2999-01-01T00:00:00.000Z came",
                "an empty message came",
                "topic 'bad/Bad Name/rows' has no name of 1 to 64 of the letters a-z, digits, _ and -",
            ],
            kinds.Where(kind => !kind.Contains("missing.safetensors", StringComparison.Ordinal)));
        Assert.Single(kinds, kind => kind.Contains("missing.safetensors", StringComparison.Ordinal));

        // Each is said, and so is where the row is; a flood of them is not.
        string[] said = [.. worker.Error.Split('\n').Where(line => line.Contains(": refused: ", StringComparison.Ordinal))];
        Assert.InRange(said.Length, 1, 5);
        Assert.All(said, line => Assert.Contains("The row is on queue bad.refused", line, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", worker.Error, StringComparison.Ordinal);
        worker.Send(WorkerProcess.SigTerm);
        await Eventually.Async(() => worker.HasExited);
        Assert.Equal(0, worker.ExitCode);
    }

    [ClusterFact]
    public async Task A_database_that_is_away_is_one_sentence_and_rows_wait_at_the_broker()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "away", partitions: 2);
        await using var collector = new Collector(fixture.Servers.Broker(), "away.collected", stream => stream.StartsWith("away"));
        await collector.StartAsync();
        await using var sender = new RowSender(fixture.Servers.Broker());
        WorkerProcess worker = rig.StartWorker();
        await sender.SendAsync(RowSender.Round("away", "away", 5, 0));
        await Eventually.Async(() => collector.StreamsAt(1) == 5, "the first rows came out");
        fixture.Servers.Postgres.Crash();
        await sender.SendAsync(RowSender.Round("away", "away", 5, 1));
        await Eventually.Async(() => worker.Error.Contains("PostgreSQL at 127.0.0.1:", StringComparison.Ordinal), "it says so");
        Assert.DoesNotContain("   at ", worker.Error, StringComparison.Ordinal);
        await fixture.Servers.Postgres.RestartAsync();
        await sender.SendAsync(RowSender.Round("away", "away", 5, 2));
        await Eventually.Async(() => collector.StreamsAt(3) == 5, "all rows came out");
        Assert.Empty(collector.Problems);
    }

    [ClusterFact]
    public async Task Wrong_passwords_and_other_partitions_are_a_sentence_each()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "wrong", partitions: 2);
        string good = await File.ReadAllTextAsync(rig.ConfigFile);
        await File.WriteAllTextAsync(rig.ConfigFile, good.Replace("prefix: wrong", "prefix: wrong\n  password: no-such-password"));
        (int code, string output, string error) = await rig.RunAsync("check");
        Assert.Equal(1, code);
        Assert.Contains("PostgreSQL: the tables are there", output, StringComparison.Ordinal);
        Assert.Contains(
            "refuses the user 'guest' or its password; check rabbitmq.username and rabbitmq.password.", error, StringComparison.Ordinal);
        Assert.DoesNotContain("no-such-password", error, StringComparison.Ordinal);
        await File.WriteAllTextAsync(rig.ConfigFile, good.Replace("username: edge", "username: guarded, password: wrong"));
        (code, output, error) = await rig.RunAsync("check");
        Assert.Equal(1, code);
        Assert.Contains("RabbitMQ: the queues are there", output, StringComparison.Ordinal);
        Assert.Contains("refuses the user 'guarded' or its password; check postgresql.username", error, StringComparison.Ordinal);
        await File.WriteAllTextAsync(rig.ConfigFile, good.Replace("partitions: 2", "partitions: 3"));
        (code, _, error) = await rig.RunAsync("init");
        Assert.Equal(1, code);
        Assert.Contains("are made for 2 partitions, and 'partitions' is 3. Streams cannot move", error, StringComparison.Ordinal);
        await File.WriteAllTextAsync(rig.ConfigFile, good);
        (code, output, error) = await rig.RunAsync("status");
        Assert.True(code == 0, error);
        Assert.Contains(
            "0 workers, 0 streams, 0 rows, 0 rows/s, 0 rows waiting, newest row - old, 0 refused rows on wrong.refused",
            output,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broker_that_is_not_there_is_one_sentence()
    {
        using var folder = new TemporaryFolder();
        string config = folder.Write(
            "cluster.yaml",
            """
            rabbitmq: { hosts: "127.0.0.1:1" }
            postgresql: { host: 127.0.0.1, port: 1 }
            streams: [{ topics: a/+/rows, name: s, model: demo }]
            """);
        var error = new StringWriter();
        Assert.Equal(1, await Program.RunAsync(["check", "--config", config], TextWriter.Null, error));
        string[] lines = error.ToString().Trim().Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.Equal("PostgreSQL at 127.0.0.1:1 cannot be used: Connection refused.", lines[0]);
        Assert.Equal("RabbitMQ at 127.0.0.1:1 cannot be reached: Connection refused.", lines[1].Trim());
        Assert.Equal(2, await Program.RunAsync(["run"], TextWriter.Null, error));
    }

    private static MqttMessage Row(string topic, string text) =>
        new() { Topic = topic, Payload = Encoding.UTF8.GetBytes(text), Class = MessageClass.Reading };
}
