using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>The main job from configuration to subscriber: the service as a process, a real broker, an independent subscriber.</summary>
public sealed class MainJobTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    public void Dispose() => _folder.Dispose();

    [SharedDataTheory]
    [MemberData(nameof(Versions))]
    public async Task Every_row_of_ETTh1_after_the_first_is_a_forecast_equal_to_the_replays(string version)
    {
        string model = _folder.File("etth1.safetensors");
        Assert.Equal(0, Edge.Quantize.Program.Run(
            [
                "quantize", SharedData.Model("etth1-lstm64", "step.onnx"), "--manifest", SharedData.Model("etth1-lstm64", "model.json"),
                "--calibration", SharedData.Readings("ETTh1.csv"), "-o", model,
            ],
            TextWriter.Null, TextWriter.Null));
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = _folder.Write("edge.yaml", $$"""
            device: plant
            mqtt: { host: 127.0.0.1, port: {{broker.Port}}, version: {{version}} }
            streams:
              - name: transformer
                model: etth1.safetensors
                source: { replay: { file: {{SharedData.Readings("ETTh1.csv")}}, time_column: date, speed: max, loop: false } }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        Assert.Equal(0, await run.ExitAsync());
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/plant/status") == 2);

        Assert.Equal(["online", "offline"], subscriber.On("edge/plant/status").Select(seen => seen.Payload));
        IReadOnlyList<Seen> forecasts = subscriber.On("edge/plant/transformer/forecast");
        Assert.Equal(17_419, forecasts.Count);
        Assert.All(forecasts, seen => Assert.Equal(1, seen.QualityOfService));
        Assert.Equal(
            Enumerable.Range(2, 17_419),
            forecasts.Select(seen => JsonDocument.Parse(seen.Payload).RootElement.GetProperty("seq").GetInt32()));
        JsonElement info = JsonDocument.Parse(Assert.Single(subscriber.On("edge/plant/info")).Payload).RootElement;
        Assert.Equal(64, info.GetProperty("streams").GetProperty("transformer").GetProperty("model_sha256").GetString()!.Length);

        using RuntimeProcess replay = RuntimeProcess.Start(
            "replay",
            "--model",
            model,
            "--data",
            SharedData.Readings("ETTh1.csv"),
            "--output",
            _folder.File("events.jsonl"),
            "--device",
            "plant",
            "--stream",
            "transformer");
        Assert.Equal(0, await replay.ExitAsync());
        string[] lines = File.ReadAllLines(_folder.File("events.jsonl"));
        Assert.Equal(
            lines.Where(line => line.Contains("\"horizon_seconds\"", StringComparison.Ordinal)),
            forecasts.Select(seen => seen.Payload));
        Assert.Equal(
            lines.Where(line => line.Contains("\"event\":", StringComparison.Ordinal)),
            subscriber.On("edge/plant/transformer/anomaly").Select(seen => seen.Payload));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_will_says_offline_for_a_killed_process_and_a_stopped_one_says_so_itself(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = Simulated(broker.Port, version);
        using (RuntimeProcess killed = RuntimeProcess.Start("run", "--config", config))
        {
            await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
            killed.Kill();
        }

        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/status") == 2);
        using RuntimeProcess stopped = RuntimeProcess.Start("run", "--config", config);
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/status") == 3);
        stopped.Terminate();
        Assert.Equal(0, await stopped.ExitAsync());
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/status") == 4);
        Assert.Equal(["online", "offline", "online", "offline"], subscriber.On("edge/house/status").Select(seen => seen.Payload));
    }

    [Fact]
    public async Task An_mqtt_client_of_versions_before_is_one_sentence_in_the_log_and_the_service_goes_on()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", Simulated(broker.Port, "5", "client: mosquitto, "));
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        const string Sentence = "mqtt.client is no longer needed and is ignored: MQTTnet is the only client. Remove the line.";
        Assert.Single(run.Error.Split('\n'), line => line.Contains(Sentence, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_that_refuses_the_password_ends_the_service_with_1_and_a_sentence(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous false");
        string config = Simulated(broker.Port, version, "username: u, password: s3cret, ");
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        Assert.Equal(1, await run.ExitAsync());
        string sentence = Assert.Single(
            run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            line => line.Contains("refuses", StringComparison.Ordinal));
        Assert.Contains("user 'u'", sentence, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Readings_while_the_broker_is_away_arrive_when_it_is_back(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        string config = Simulated(broker.Port, version);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await using (Subscriber before = await Subscriber.StartAsync(broker.Port))
        {
            await before.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/climate/forecast") >= 5);
        }

        await broker.KillAsync();
        await run.UntilSaidAsync("Retrying");
        Assert.False(run.HasExited);
        await broker.StartAgainAsync();
        await using Subscriber after = await Subscriber.StartAsync(broker.Port);
        await after.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/climate/forecast") >= 30);
        int[] seqs = after.On("edge/house/climate/forecast")
            .Select(seen => JsonDocument.Parse(seen.Payload).RootElement.GetProperty("seq").GetInt32())
            .ToArray();
        Assert.Equal(Enumerable.Range(seqs[0], seqs.Length), seqs);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        Assert.Single(run.Error.Split('\n'), line => line.Contains("Retrying", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_bad_cell_is_one_line_in_the_log_and_the_service_goes_on()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        _folder.Write("x.csv", "temperature,humidity,light,co2\n" + string.Concat(Enumerable.Range(0, 20).Select(i => i switch
        {
            8 => "21,nan,10,800\n",
            12 => "21,84,,800\n",
            _ => "21,84,10,800\n",
        })));
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            mqtt: { host: 127.0.0.1, port: {{broker.Port}} }
            streams:
              - { name: climate, model: demo, source: { replay: { file: x.csv, speed: max } } }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        Assert.Equal(0, await run.ExitAsync());
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/climate/forecast") == 19);
        Assert.Contains("tick 9: 'humidity': has a value that is not a finite number", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n'), line => line.Contains("has a value again", StringComparison.Ordinal));

        // An empty cell is no line before its last value is held no longer; health counts it.
        Assert.DoesNotContain("'light'", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_demo_finds_its_fault()
    {
        // The fault comes with tick 101, after 20 s, and the demo promises to know of it 25 ticks later.
        const int FaultAt = 101;
        const int KnownBy = 126;
        int port = TestBroker.FreePort();
        using RuntimeProcess demo = RuntimeProcess.Start("demo", "--port", $"{port}");
        await using Subscriber subscriber = await Subscriber.StartAsync(port);
        await subscriber.UntilAsync(seen => seen.Any(IsOpened));
        demo.Terminate();
        Assert.Equal(0, await demo.ExitAsync());
        Assert.InRange(Delivery.Seq(subscriber.All.First(IsOpened).Payload), FaultAt, KnownBy);

        // A forecast for each tick since the subscriber came.
        long[] forecasts = [.. subscriber.On("edge/greenhouse/climate/forecast").Select(seen => Delivery.Seq(seen.Payload))];
        Assert.Equal(Enumerable.Range(0, forecasts.Length).Select(i => forecasts[0] + i), forecasts);
        Assert.InRange(forecasts[^1], FaultAt, long.MaxValue);

        static bool IsOpened(Seen seen) =>
            seen.Topic == "edge/greenhouse/climate/anomaly" && seen.Payload.Contains("\"event\":\"opened\"", StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_demo_ends_by_itself()
    {
        using RuntimeProcess demo = RuntimeProcess.Start("demo", "--for", "8s", "--port", $"{TestBroker.FreePort()}");
        Assert.Equal(0, await demo.ExitAsync());
    }

    private string Simulated(int port, string version, string credentials = "") => _folder.Write("edge.yaml", $$"""
        device: house
        mqtt: { host: 127.0.0.1, {{credentials}}port: {{port}}, version: {{version}} }
        streams:
          - { name: climate, model: demo, period: 50ms, source: { simulated: { seed: 3 } } }
        """);
}
