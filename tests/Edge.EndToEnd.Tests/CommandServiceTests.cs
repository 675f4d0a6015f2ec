using System.Diagnostics;
using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>Commands asked for by mosquitto_rr, a client that shares no code with the service.</summary>
public sealed class CommandServiceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_is_allowed_is_done_and_answered()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = WriteConfig(broker.Port, "reset, snapshot, silence, sensitivity, reload, label");
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/climate/forecast") > 20);

        Assert.Contains("On disk: climate up to tick ", CommandClient.Ask(broker.Port, "snapshot", "").Message, StringComparison.Ordinal);
        Assert.Contains(
            "set to 5 false alarms per week",
            CommandClient.Ask(broker.Port, "sensitivity", """{"stream":"climate","value":5}""").Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "opens no anomaly until ",
            CommandClient.Ask(broker.Port, "silence", """{"stream":"climate","for":"10m"}""").Message,
            StringComparison.Ordinal);
        (bool ok, string message) = CommandClient.Ask(broker.Port, "silence", """{"stream":"climate","for":"10y"}""");
        Assert.False(ok);
        Assert.Contains("at most 7d", message, StringComparison.Ordinal);

        (ok, message) = CommandClient.Ask(
            broker.Port, "label", """{"stream":"climate","from":"2026-05-01T06:00:00Z","to":"2026-05-01T07:00:00Z","text":"a fault"}""");
        Assert.True(ok, message);
        Assert.Equal("Label 1 of 'climate' is kept.", message);

        (ok, message) = CommandClient.Ask(broker.Port, "reset", """{"stream":"climate"}""");
        Assert.True(ok, message);
        long seq = long.Parse(message.Split(' ')[^1].TrimEnd('.'), System.Globalization.CultureInfo.InvariantCulture);
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/reading" && Seq(item) > seq + 5));

        // The first row after it only wakes the state, and no number is missing or twice.
        long[] forecasts = [.. subscriber.On("edge/house/climate/forecast").Select(Seq)];
        Assert.DoesNotContain(seq + 1, forecasts);
        Assert.Contains(seq + 2, forecasts);
        long[] readings = [.. subscriber.On("edge/house/climate/reading").Select(Seq)];
        Assert.Equal(Enumerable.Range(1, readings.Length).Select(each => (long)each), readings);

        Assert.Contains("read again and is being applied", CommandClient.Ask(broker.Port, "reload", "{}").Message,
            StringComparison.Ordinal);
        long last = Seq(subscriber.On("edge/house/climate/reading")[^1]);
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/reading" && Seq(item) > last + 20));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        Assert.Contains("Command reset, answered on ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_word_in_the_configuration_nothing_listens()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(
            broker.Port,
            "edge/house/climate/#",
            "-t",
            "edge/house/command/+/response");
        long started = Stopwatch.GetTimestamp();
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port, "snapshot"));
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
        Assert.Null(CommandClient.TryAsk(broker.Port, "reset", """{"stream":"climate"}""", seconds: 2));
        Assert.True(CommandClient.Ask(broker.Port, "snapshot", "").Ok);

        // A flood from one client: all but 20 and 2 a second are dropped, none of it does anything, and the stream goes on.
        using Process flood = Process.Start(
            new ProcessStartInfo(
                "mosquitto_pub",
                [
                    "-h", "127.0.0.1", "-p", $"{broker.Port}", "-t", "edge/house/command/snapshot", "-q", "1", "--repeat", "3000",
                    "-m", new string('[', 4000),
                ])
            {
                RedirectStandardError = true,
            })!;
        await flood.WaitForExitAsync();
        long last = Seq(subscriber.On("edge/house/climate/reading")[^1]);
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/reading" && Seq(item) > last + 10));
        Assert.InRange(
            subscriber.On("edge/house/command/snapshot/response").Count,
            0,
            20 + (2 * Stopwatch.GetElapsedTime(started).TotalSeconds));
        Assert.Contains("Dropped", run.Error, StringComparison.Ordinal);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    private string WriteConfig(int port, string commands) => _folder.Write("edge.yaml", $$"""
        device: house
        state: state
        commands: [{{commands}}]
        mqtt: { host: 127.0.0.1, port: {{port}} }
        streams:
          - { name: climate, model: demo, period: 50ms, source: { simulated: { seed: 3 } } }
        """);

    private static long Seq(Seen message) => JsonDocument.Parse(message.Payload).RootElement.GetProperty("seq").GetInt64();
}
