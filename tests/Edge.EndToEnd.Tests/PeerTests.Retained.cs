using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Testing;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.EndToEnd.Tests;

/// <summary>Whose retained messages are removed, and whose stay.</summary>
public sealed partial class PeerTests
{
    [Fact]
    public async Task What_is_renamed_takes_its_retained_messages_along()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        string config = Write(broker.Port, "discovery: homeassistant", state: "state: state\n");
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", config))
        {
            await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "#");
            await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/health"));

            // The stream while it runs, then the device while it does not.
            Rename(config, "name: climate", "name: greenhouse");
            run.Hangup();
            await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/greenhouse/health"));
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync());
        }

        Assert.DoesNotContain(await RetainedAsync(broker.Port), topic => topic.Contains("climate", StringComparison.Ordinal));
        Rename(config, "device: house", "device: home");
        using RuntimeProcess again = RuntimeProcess.Start("run", "--config", config);
        await Eventually.Async(
            async () => (await RetainedAsync(broker.Port)).Contains("edge/home/greenhouse/health"), "the new names are retained");
        string[] retained = await RetainedAsync(broker.Port);
        string[] others = [.. retained.Select(topic => topic.Replace("greenhouse/", "", StringComparison.Ordinal))];
        Assert.All(others, topic => Assert.DoesNotContain("house/", topic, StringComparison.Ordinal));
        Assert.Contains("homeassistant/device/home-greenhouse/config", retained);
        Assert.DoesNotContain("homeassistant/device/house/config", retained);
    }

    [Fact]
    public async Task A_copied_state_leaves_the_retained_messages_of_the_device_that_it_was_copied_from()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        string config = Write(broker.Port, "discovery: homeassistant", state: "state: state\n");
        using RuntimeProcess first = RuntimeProcess.Start("run", "--config", config);
        await Eventually.Async(
            async () => (await RetainedAsync(broker.Port)).Contains("edge/house/climate/health"), "the first device retains");
        string[] before = await RetainedAsync(broker.Port);
        first.Kill();
        await first.ExitAsync();

        // At another place, and at the same one after another boot, as on a second machine.
        CopyState("copy");
        Rename(config, "device: house\nstate: state", "device: home\nstate: copy");
        await LeavesAsync("home");
        using (var state = new SqliteConnection($"Data Source={_folder.File("state/edge.db")};Pooling=False"))
        {
            state.Open();
            SqliteCommand command = state.CreateCommand();
            command.CommandText = "UPDATE meta SET value = 'before ' || substr(value, 38) WHERE key = 'retained_place'";
            Assert.Equal(1, command.ExecuteNonQuery());
        }

        Rename(config, "device: home\nstate: copy", "device: hut\nstate: state");
        await LeavesAsync("hut");

        async Task LeavesAsync(string name)
        {
            using RuntimeProcess second = RuntimeProcess.Start("run", "--config", config);
            await Eventually.Async(
                async () => (await RetainedAsync(broker.Port)).Contains($"edge/{name}/climate/health"), "the second device retains");
            second.Terminate();
            Assert.Equal(0, await second.ExitAsync());
            Assert.Empty(before.Except(await RetainedAsync(broker.Port)));
            Assert.Contains(
                $"is that of device 'house', which may still run: its retained messages stay at the broker. If it was renamed to '{name}', "
                    + $"remove them: mosquitto_sub -h 127.0.0.1 -p {broker.Port} --retained-only --remove-retained -W 2 -t 'edge/house/#' "
                    + "-t 'homeassistant/device/house/config' -t 'homeassistant/device/house-climate/config'",
                second.Error,
                StringComparison.Ordinal);
        }
    }

    // It was on its way when the topics of that configuration were cleared, and would be retained for ever.
    [Fact]
    public async Task What_an_earlier_configuration_left_is_delivered_and_not_retained()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "#");
        var outbox = new Outbox(long.MaxValue);
        outbox.Enqueue(Message("edge/h/before/health", "old") with { Retain = true });
        outbox.Enqueue(Message("edge/h/now/health", "new") with { Retain = true });
        outbox.Complete();
        var publisher = new Publisher(
            outbox,
            () => new MqttNetLink(new MqttLinkOptions { Host = "127.0.0.1", Port = broker.Port, ClientId = "house" }),
            new Announcements(StatusMessage.Write("h", true), StatusMessage.Write("h", false), () => Message("info", "info"))
            {
                Retained = new HashSet<string> { "edge/h/now/health" },
                Stale = ["edge/h/before/health"],
            },
            TimeProvider.System,
            NullLogger.Instance);
        await publisher.RunAsync(default).WaitAsync(Eventually.Bound);
        await subscriber.UntilAsync(seen => seen.Count(item => item.Payload is "old" or "new") == 2);
        string[] retained = await RetainedAsync(broker.Port);
        Assert.Contains("edge/h/now/health", retained);
        Assert.DoesNotContain("edge/h/before/health", retained);
    }

    private static void Rename(string config, string from, string to) =>
        File.WriteAllText(config, File.ReadAllText(config).Replace(from, to, StringComparison.Ordinal));

    private void CopyState(string to)
    {
        Directory.CreateDirectory(_folder.File(to));
        foreach (string file in Directory.GetFiles(_folder.File("state")))
        {
            File.Copy(file, Path.Combine(_folder.File(to), Path.GetFileName(file)));
        }
    }

    private static async Task<string[]> RetainedAsync(int port)
    {
        var start = new System.Diagnostics.ProcessStartInfo(
            "mosquitto_sub", ["-p", $"{port}", "-t", "#", "--retained-only", "-F", "%t", "-W", "1"])
        { RedirectStandardOutput = true };
        using var process = System.Diagnostics.Process.Start(start)!;
        string topics = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return topics.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
