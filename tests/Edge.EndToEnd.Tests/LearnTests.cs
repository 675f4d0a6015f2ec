using System.Globalization;
using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A service that has sensors and nothing else learns its model by itself, also when it is killed again and again.</summary>
public sealed class LearnTests : IDisposable
{
    private const int Kills = 10;
    private const int Seconds = 1200;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task From_nothing_to_a_first_model_and_a_better_one_and_no_tick_is_lost_to_ten_kills()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = Config(broker.Port, budget: "1s");
        var random = new Random(7);
        for (int killed = 0; killed < Kills; killed++)
        {
            using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
            Task<int> exit = run.ExitAsync(Seconds);
            await Task.WhenAny(exit, Task.Delay(random.Next(300, 7000)));
            Assert.False(exit.IsCompleted, run.Error);
            run.Kill();
        }

        // A busy machine may not have got to a first model so far.
        if (Taken(subscriber).Length == 0)
        {
            using RuntimeProcess first = RuntimeProcess.Start("run", "--config", config);
            await subscriber.UntilAsync(_ => Taken(subscriber).Length > 0, 2 * Seconds, () => first.Error);
            first.Kill();
        }

        // With more time and more rows, a better one.
        using RuntimeProcess last = RuntimeProcess.Start("run", "--config", Config(broker.Port, budget: "30s"));
        await subscriber.UntilAsync(_ => Taken(subscriber).Length >= 2, 2 * Seconds, () => last.Error);
        await subscriber.UntilAsync(
            _ => Healths(subscriber).LastOrDefault() is { ValueKind: JsonValueKind.Object } health
                && health.GetProperty("skill") is { ValueKind: JsonValueKind.Number } skill
                && skill.GetDouble() > 0,
            Seconds,
            () => last.Error);
        last.Terminate();
        Assert.Equal(0, await last.ExitAsync(Seconds));
        await subscriber.UntilAsync(seen => seen.LastOrDefault(item => item.Topic == "edge/house/status")?.Payload == "offline");

        // Every tick has its reading, from the first on; forecasts begin with the first model.
        long[] readings = [.. subscriber.On("edge/house/climate/reading").Select(seen => Delivery.Seq(seen.Payload)).Distinct().Order()];
        Assert.Equal(Enumerable.Range(1, readings.Length).Select(seq => (long)seq), readings);
        JsonElement[] taken = Taken(subscriber);

        // As far as a canary phase can tell; what a starved second of training is worth, it must.
        Assert.True(Ratio(taken[0]) <= 1.05, $"the first model is no worse than the last value: {taken[0]}");
        Assert.True(Ratio(taken[1]) <= 1.05, $"the second is no worse than the first: {taken[1]}");
        long forecast = subscriber.On("edge/house/climate/forecast").Select(seen => Delivery.Seq(seen.Payload)).Min();
        Assert.InRange(forecast, 600, readings[^1]);
        JsonElement stream = Json(subscriber.On("edge/house/info")[^1]).GetProperty("streams").GetProperty("climate");
        Assert.Equal("house", stream.GetProperty("learned_on").GetString());
        Assert.Contains("Learns again", stream.GetProperty("learning").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Columns_whose_names_look_like_options_and_files_are_learned()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        _folder.Write("rows.csv", "time,-oil,@load,--output=x\n" + string.Concat(Enumerable.Range(0, 2000).Select(i => string.Create(
            CultureInfo.InvariantCulture, $"{1767225600 + i},{20 + Math.Sin(i / 9.0):0.0000},{Math.Cos(i / 7.0):0.0000},{i % 31}\n"))));
        string config = _folder.Write("edge.yaml", $$"""
            device: -house
            state: state
            mqtt: { host: 127.0.0.1, port: {{broker.Port}} }
            streams:
              - name: -x
                period: 1s
                columns: ["-oil:degC", "@load", "--output=x"]
                source: { replay: { file: rows.csv, time_column: time, speed: 200x, loop: true } }
                learn: { after: 10m, every: 10s, budget: 1s, cell: gru, horizons: [1s], priority: normal }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", $"--config={config}");
        await subscriber.UntilAsync(seen => seen.Any(each => each.Topic == "edge/-house/-x/forecast"), Seconds);
        JsonElement forecast = Json(subscriber.On("edge/-house/-x/forecast")[0]).GetProperty("channels");
        Assert.Equal(["-oil", "@load", "--output=x"], forecast.EnumerateObject().Select(each => each.Name));
    }

    private string Config(int port, string budget) => _folder.Write("edge.yaml", $$"""
        device: house
        state: state
        mqtt: { host: 127.0.0.1, port: {{port}} }
        streams:
          - name: climate
            period: 200ms
            source: { simulated: { seed: 3, speed: 50x } }
            learn: { after: 2m, every: 10s, budget: {{budget}}, cell: lstm, horizons: [200ms, 2s], priority: normal }
        """);

    private static JsonElement[] Taken(Subscriber subscriber) =>
    [
        .. subscriber.On("edge/house/climate/model").Select(Json).Where(each => each.GetProperty("event").GetString() == "taken"),
    ];

    // A kill between a model's taking over and its being said leaves no ratio to say.
    private static double Ratio(JsonElement taken) => taken.TryGetProperty("error_ratio", out JsonElement ratio) ? ratio.GetDouble() : 0;

    private static IEnumerable<JsonElement> Healths(Subscriber subscriber) => subscriber.On("edge/house/climate/health").Select(Json);

    private static JsonElement Json(Seen seen) => JsonDocument.Parse(seen.Payload).RootElement.Clone();
}
