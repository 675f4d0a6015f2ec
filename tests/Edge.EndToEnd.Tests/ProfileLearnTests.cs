using System.Globalization;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Sensors.Simulated;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A model that comes from elsewhere learns on the device what is normal there, and keeps its weights.</summary>
public sealed class ProfileLearnTests : IDisposable
{
    private const int LearnedRows = 6000;
    private const int CalmRows = 3000;
    private const int FaultRows = 600;
    private const int Seconds = 300;

    private readonly TemporaryFolder _folder = new();
    private readonly Greenhouse _plant = new(5);
    private int _row;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Where_sensors_are_off_by_a_deviation_a_profile_of_this_device_is_calm_and_finds_a_fault()
    {
        byte[] shipped = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        File.WriteAllBytes(_folder.File("m.safetensors"), shipped);
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            durability: 200ms
            mqtt: { host: 127.0.0.1, port: {{broker.Port}} }
            streams:
              - name: climate
                model: m.safetensors
                publish: [reading]
                source: { mqtt: { topic: plant/rows, time: $.time } }
                learn: { what: profile, after: 20m, every: 30d, priority: normal }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        using var plant = new RowPublisher(broker.Port, "plant/rows");
        string first = Row();
        while (subscriber.On("edge/house/climate/reading").Count == 0)
        {
            plant.Write(first);
            await Task.Delay(50);
        }

        // The profile that came with the model does not fit: the sensors are off.
        await SendAsync(LearnedRows - 1);
        await subscriber.UntilAsync(_ => Said("trial").Length > 0 || Said("failed").Length > 0, Seconds, () => run.Error);
        Assert.Empty(Said("failed"));
        Assert.NotEmpty(Opened(from: 1));
        while (Said("taken").Length == 0)
        {
            Assert.True(_row < 10 * LearnedRows, run.Error);
            await SendAsync(200);
        }

        int taken = _row;
        await SendAsync(CalmRows);
        Assert.Empty(Opened(from: taken));
        await SendAsync(FaultRows, off: 6);
        await subscriber.UntilAsync(_ => Opened(from: taken).Length > 0, Seconds, () => run.Error);
        Assert.Equal("temperature", Opened(from: taken)[0].GetProperty("channels").EnumerateObject().First().Name);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync(Seconds));

        JsonElement info = Json(subscriber.On("edge/house/info")[^1]).GetProperty("streams").GetProperty("climate");
        Assert.Equal("house", info.GetProperty("profile_learned_on").GetString());
        Assert.Contains("Learns what is normal again", info.GetProperty("learning").GetString(), StringComparison.Ordinal);
        Assert.Equal(shipped, File.ReadAllBytes(_folder.File("m.safetensors.previous")));
        (EdgeModel before, EdgeModel after) = (EdgeModel.Parse(shipped), EdgeModel.Load(_folder.File("m.safetensors")));
        Assert.Equal(before.Architecture, after.Architecture);
        Assert.Equal(before.Manifest.Mean, after.Manifest.Mean);
        Assert.False(before.Manifest.NormalProfile.Span.SequenceEqual(after.Manifest.NormalProfile.Span));

        JsonElement[] Said(string change) => [.. subscriber.On("edge/house/climate/model").Select(Json).Where(
            each => each.GetProperty("event").GetString() == change)];

        JsonElement[] Opened(int from) => [.. subscriber.On("edge/house/climate/anomaly").Select(Json).Where(
            each => each.GetProperty("event").GetString() == "opened" && each.GetProperty("seq").GetInt64() > from)];

        async Task SendAsync(int rows, double off = 0)
        {
            await plant.WriteAsync(Enumerable.Range(0, rows).Select(_ => Row(off)).ToArray(), rowsASecond: 1000);
            await subscriber.UntilAsync(
                seen => seen.LastOrDefault(item => item.Topic == "edge/house/climate/reading") is { } last
                    && Delivery.Seq(last.Payload) == _row,
                Seconds,
                () => run.Error);
        }
    }

    // A row of a device whose sensors are each off by a deviation, up or down; of a faulty one the temperature by more.
    private string Row(double off = 0)
    {
        var values = new double[Greenhouse.ChannelNames.Length];
        _plant.Step(values);
        values[0] += off;
        string time = DateTime.UnixEpoch.AddYears(56).AddSeconds(_row++ * Greenhouse.StepSeconds)
            .ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        IEnumerable<string> cells = values.Select((value, channel) => string.Create(
            CultureInfo.InvariantCulture,
            $"\"{Greenhouse.ChannelNames[channel]}\":{value + ((channel % 2 == 0 ? 1 : -1) * _plant.TypicalStd[channel]):0.####}"));
        return $"{{\"time\":\"{time}\",{string.Join(',', cells)}}}";
    }

    private static JsonElement Json(Seen seen) => JsonDocument.Parse(seen.Payload).RootElement.Clone();
}
