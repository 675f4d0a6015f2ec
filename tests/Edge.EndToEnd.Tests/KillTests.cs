using System.Text;
using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// The service killed at random instants, again and again: a subscriber has at the end what an unkilled run would have sent.
/// EDGE_KILLS=300 is the long run.
/// </summary>
public sealed class KillTests : IDisposable
{
    private static readonly int Kills = KillsOr(12);
    private static readonly int KillsOverMqtt = KillsOr(7);

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Killed_at_any_instant_nothing_is_missing_and_nothing_differs(string version)
    {
        string data = await Delivery.RecordAsync(_folder.Path, 80 * Kills);
        Dictionary<string, string> expected = await Delivery.ExpectAsync(_folder.Path, data);

        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            mqtt: { host: 127.0.0.1, port: {{broker.Port}}, version: {{version}} }
            streams:
              - { name: climate, model: demo, source: { replay: { file: {{data}}, speed: 150x } } }
            """);
        var random = new Random(7);
        int killed = 0;
        for (int code = -1; code != 0;)
        {
            using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
            Task<int> exit = run.ExitAsync(120 + Kills);
            if (killed < Kills)
            {
                await Task.WhenAny(exit, Task.Delay(random.Next(150, 900)));
            }
            else
            {
                await exit;
            }

            if (exit.IsCompleted)
            {
                code = await exit;
                Assert.Equal(0, code);
            }
            else
            {
                killed++;
                run.Kill();
            }
        }

        await subscriber.UntilAsync(seen => seen.LastOrDefault(item => item.Topic == "edge/house/status")?.Payload == "offline");
        Assert.Equal(Kills, killed);
        Delivery.AssertSame(expected, subscriber);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Rows_that_come_over_MQTT_are_each_taken_in_once_however_often_it_is_killed_stopped_or_reloaded(string version)
    {
        string data = await Delivery.RecordAsync(_folder.Path, 80 * KillsOverMqtt);
        Dictionary<string, string> expected = await Delivery.ExpectAsync(_folder.Path, data);
        string[] rows = RowMessages(data);

        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            mqtt: { host: 127.0.0.1, port: {{broker.Port}}, version: {{version}} }
            streams:
              - { name: climate, model: demo, source: { mqtt: { topic: plant/rows, time: $.time } } }
            """);
        var random = new Random(7);
        using var plant = new RowPublisher(broker.Port, "plant/rows");
        Task publishing = Task.CompletedTask;
        var logs = new StringBuilder();
        for (int killed = 0; killed <= KillsOverMqtt; killed++)
        {
            using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
            if (killed == 0)
            {
                // The same row until it is seen: the broker keeps rows from the first subscription on.
                while (subscriber.On("edge/house/climate/reading").Count == 0)
                {
                    plant.Write(rows[0]);
                    await Task.Delay(50);
                }

                publishing = Task.Run(() => plant.WriteAsync(rows.AsMemory(1), rowsASecond: 150));
            }

            if (killed < KillsOverMqtt)
            {
                await Task.Delay(random.Next(150, 900));
                if (killed % 4 is 1 or 2)
                {
                    // A signal before it listens for signals is but another kill.
                    await Eventually.Async(() => run.Error.Length > 0, "the service says its first line");
                }

                if (killed % 4 == 1)
                {
                    // Reading its configuration again closes the stream and opens it where it stood.
                    run.Hangup();
                    await Task.Delay(random.Next(150, 900));
                }

                if (killed % 4 == 2)
                {
                    run.Terminate();
                    Assert.Equal(0, await run.ExitAsync());
                }

                run.Kill();
                logs.Append(run.Error);
                continue;
            }

            await publishing;
            await subscriber.UntilAsync(
                seen =>
                    seen.LastOrDefault(item => item.Topic == "edge/house/climate/reading") is { } last
                        && Delivery.Seq(last.Payload) == rows.Length,
                120 + KillsOverMqtt,
                () => $"of {rows.Length} rows without {Missing(subscriber, rows.Length)}; {logs}{run.Error}");
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync());
        }

        await subscriber.UntilAsync(seen => seen.LastOrDefault(item => item.Topic == "edge/house/status")?.Payload == "offline");
        Delivery.AssertSame(expected, subscriber);
    }

    private static string Missing(Subscriber subscriber, int rows)
    {
        long[] seen = [.. subscriber.On("edge/house/climate/reading").Select(each => Delivery.Seq(each.Payload)).Distinct().Order()];
        long[] missing = [.. Enumerable.Range(1, rows).Select(seq => (long)seq).Except(seen)];
        return $"{missing.Length} from {missing.FirstOrDefault()} on, and the last number is {seen[^1]}";
    }

    // A recording's lines as JSON of their column names.
    private static string[] RowMessages(string data)
    {
        string[] lines = File.ReadAllLines(data);
        string[] names = lines[0].Split(',');
        return
        [
            .. lines.Skip(1)
                .Select(line => JsonSerializer.Serialize(names.Zip(line.Split(',')).ToDictionary(cell => cell.First, cell => cell.Second))),
        ];
    }

    private static int KillsOr(int few) => int.TryParse(Environment.GetEnvironmentVariable("EDGE_KILLS"), out int kills) ? kills : few;
}
