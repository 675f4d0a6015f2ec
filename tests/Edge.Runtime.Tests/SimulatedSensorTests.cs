using System.Security.Cryptography;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Sensors.Simulated;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests;

public sealed class SimulatedSensorTests
{
    // The bundled model was trained on these very readings: docs/demo.md.
    private const string GoldenSha256 = "8526a0ca13be83a07cc5f4b8d6743a8751198be852f95f7da94425d7513cd8d2";
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(0.2);

    [Fact]
    public void A_seed_gives_the_same_readings_on_every_machine()
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var greenhouse = new Greenhouse(1);
        double[] values = new double[4];
        for (int i = 0; i < 5000; i++)
        {
            greenhouse.Step(values);
            sha.AppendData(System.Runtime.InteropServices.MemoryMarshal.AsBytes<double>(values));
        }

        string actual = Convert.ToHexStringLower(sha.GetHashAndReset());
        Assert.True(actual == GoldenSha256, $"the readings hash to {actual}");
    }

    [Theory]
    [InlineData(nameof(FaultKind.Spike), 1)]
    [InlineData(nameof(FaultKind.Bias), 10)]
    [InlineData(nameof(FaultKind.Drift), 10)]
    [InlineData(nameof(FaultKind.Stuck), 10)]
    [InlineData(nameof(FaultKind.Noise), 10)]
    [InlineData(nameof(FaultKind.Dropout), 10)]
    public async Task A_fault_changes_its_channel_for_its_time_and_nothing_else(string name, int ticks)
    {
        FaultKind kind = Enum.Parse<FaultKind>(name);
        var fault = new FaultOptions(TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(2), kind, "humidity", null);
        List<(double[] Values, Quality[] Quality)> well = await ReadAsync([], 50);
        List<(double[] Values, Quality[] Quality)> ill = await ReadAsync([fault], 50);
        int[] changed = Enumerable.Range(0, 50).Where(i => !well[i].Values.SequenceEqual(ill[i].Values)).ToArray();
        Assert.Equal(Enumerable.Range(20, ticks), changed);
        foreach (int tick in changed)
        {
            Assert.Equal(well[tick].Values[0], ill[tick].Values[0]);
            Assert.Equal(kind == FaultKind.Dropout ? Quality.Missing : Quality.Good, ill[tick].Quality[1]);
        }
    }

    [Fact]
    public void A_channel_the_greenhouse_does_not_have_is_named() =>
        Assert.Contains(
            "'pressure', but the simulated greenhouse has temperature",
            Assert.Throws<InputException>(
                () => new SimulatedSensor(new SimulatedOptions(), new Greenhouse(1), ["pressure"], Period, TimeProvider.System)).Message,
            StringComparison.Ordinal);

    [Fact]
    public async Task Swapped_channels_have_each_others_values()
    {
        var fault = new FaultOptions(TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(2), FaultKind.Swap, "humidity", null);
        List<(double[] Values, Quality[] Quality)> well = await ReadAsync([], 50);
        List<(double[] Values, Quality[] Quality)> ill = await ReadAsync([fault], 50);
        Assert.Equal((well[25].Values[2], well[25].Values[1]), (ill[25].Values[1], ill[25].Values[2]));
        Assert.Equal(well[35].Values, ill[35].Values);
    }

    [Fact]
    public async Task The_truth_says_of_each_tick_what_was_injected()
    {
        using var folder = new TemporaryFolder();
        var config = new SimulatedOptions
        {
            Speed = PlaybackSpeed.Max,
            TruthFile = folder.File("truth.csv"),
            Faults = [new FaultOptions(TimeSpan.FromSeconds(0.4), TimeSpan.FromSeconds(0.4), FaultKind.Bias, "co2", null)],
        };
        using (var sensor = new SimulatedSensor(config, new Greenhouse(1), Greenhouse.ChannelNames, Period, new FakeTimeProvider()))
        {
            for (int i = 0; i < 5; i++)
            {
                await sensor.ReadAsync(new Reading(4), default);
            }
        }

        string[] lines = File.ReadAllLines(folder.File("truth.csv"));
        Assert.Equal(
            ["time,anomaly,kind,channel", "0,,", "0,,", "1,bias,co2", "1,bias,co2", "0,,"],
            lines.Select((line, i) => i == 0 ? line : line[(line.IndexOf(',', StringComparison.Ordinal) + 1)..]));
    }

    [Theory]
    [InlineData("Daily")]
    [InlineData("Cycle")]
    public void A_shape_gives_any_models_columns_around_their_means(string shape)
    {
        Edge.Inference.Models.ModelManifest manifest = EngineFactory.LoadInt8("demo").Manifest;
        var config = new SimulatedOptions { Shape = Enum.Parse<SimulatedShape>(shape), Seed = 3, Turn = TimeSpan.FromSeconds(20) };
        SimulatedPlant plant = SimulatedPlant.Create(config, manifest, Period);
        SimulatedPlant again = SimulatedPlant.Create(config, manifest, Period);
        Assert.Equal(manifest.Columns, plant.Channels);
        double[] values = new double[4];
        double[] same = new double[4];
        var seen = new List<double>();
        for (int i = 0; i < 2000; i++)
        {
            plant.Step(values);
            again.Step(same);
            Assert.Equal(values, same);
            seen.Add((values[0] - manifest.Mean[0]) / manifest.Std[0]);
        }

        Assert.InRange(seen.Average(), -0.5, 0.5);
        Assert.InRange(Math.Sqrt(seen.Average(value => value * value)), 0.6, 1.6);
        Assert.All(seen, value => Assert.InRange(value, -4, 4));
    }

    [Fact]
    public async Task In_real_time_a_tick_comes_when_it_is_due()
    {
        var clock = new FakeTimeProvider();
        using var sensor = new SimulatedSensor(new SimulatedOptions(), new Greenhouse(1), Greenhouse.ChannelNames, Period, clock);
        var reading = new Reading(4);
        Assert.True(await sensor.ReadAsync(reading, default));
        Assert.Equal(clock.Start.UtcDateTime, reading.Time);
        Task<bool> next = sensor.ReadAsync(reading, default).AsTask();
        await Task.Delay(20);
        Assert.False(next.IsCompleted);
        clock.Advance(Period);
        Assert.True(await next.WaitAsync(Eventually.Bound));
        Assert.Equal(clock.Start.UtcDateTime + Period, reading.Time);
    }

    private static async Task<List<(double[] Values, Quality[] Quality)>> ReadAsync(FaultOptions[] faults, int ticks)
    {
        using var sensor = new SimulatedSensor(
            new SimulatedOptions { Speed = PlaybackSpeed.Max, Faults = faults },
            new Greenhouse(1),
            Greenhouse.ChannelNames,
            Period,
            new FakeTimeProvider());
        var reading = new Reading(4);
        var rows = new List<(double[], Quality[])>();
        for (int i = 0; i < ticks; i++)
        {
            await sensor.ReadAsync(reading, default);
            rows.Add(([.. reading.Values], [.. reading.Quality]));
        }

        return rows;
    }
}
