using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Sensors.Replay;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;
using Edge.Streams.Imputation;
using Edge.Testing;
using Xunit.Abstractions;

namespace Edge.EndToEnd.Tests;

/// <summary>The 90 % interval on real readings, channel by channel: over the held-out rows, and after every level has jumped.</summary>
[Trait("Runs", "kernels")]
public sealed class IntervalTests(ITestOutputHelper output)
{
    [SharedDataTheory]
    [InlineData("etth1-lstm64")]
    [InlineData("skab-lstm64x2")]
    [InlineData("ambient-lstm32")]
    public async Task It_holds_its_share_of_the_held_out_rows(string name)
    {
        (double[] coverage, string[] columns) = await CoverageAsync(name, shiftAt: null, deviations: 0, skip: 0);
        output.WriteLine(string.Join(", ", columns.Zip(coverage, (column, share) => $"{column} {share:P1}")));
        Assert.All(coverage, share => Assert.InRange(share, 0.88, 0.92));
    }

    [SharedDataTheory]
    [InlineData("etth1-lstm64", 24, 3)]
    [InlineData("etth1-lstm64", 24, -3)]
    [InlineData("etth1-lstm64", 24, 1)]
    [InlineData("skab-lstm64x2", 400, 3)]
    [InlineData("ambient-lstm32", 24, 3)]
    public async Task After_a_level_shift_it_is_back_within_a_day(string name, int rowsOfADay, double deviations)
    {
        (double[] coverage, string[] columns) = await CoverageAsync(name, shiftAt: 0.4, deviations, rowsOfADay);
        output.WriteLine(string.Join(", ", columns.Zip(coverage, (column, share) => $"{column} {share:P1}")));
        Assert.All(coverage, share => Assert.InRange(share, 0.88, 0.92));
    }

    // Share of each channel's nearest horizon inside its interval, from so many rows after the shift on, or over all held-out rows.
    private static async Task<(double[] Coverage, string[] Columns)> CoverageAsync(
        string name,
        double? shiftAt,
        double deviations,
        int skip)
    {
        using IInferenceEngine engine = EngineFactory.LoadInt8(QuantizedModels.Of(name));
        ModelManifest manifest = engine.Manifest;
        using var sensor = new ReplaySensor(
            new ReplayOptions { File = SharedData.ReadingsOf(name), Speed = PlaybackSpeed.Max },
            manifest.Columns,
            TimeSpan.FromSeconds(manifest.PeriodSeconds),
            TimeProvider.System);
        var forecaster = new Forecaster(engine, 0.9);
        var hold = new LastValueImputer(manifest, 5);
        var reading = new Reading(manifest.Columns.Count);
        (int begin, int end) = manifest.TestRows!.Value;
        int shiftRow = shiftAt is { } at ? begin + (int)((end - begin) * at) : int.MaxValue;
        int from = shiftAt is null ? begin : shiftRow + skip;
        int outputs = manifest.Outputs.Count;
        long[] seen = new long[outputs];
        long[] inside = new long[outputs];
        for (int row = 0; row < end && await sensor.ReadAsync(reading, default); row++)
        {
            for (int i = 0; row >= shiftRow && i < reading.Values.Length; i++)
            {
                reading.Values[i] += deviations * manifest.Std[i];
            }

            double[] width = [.. Enumerable.Range(0, outputs).Select(forecaster.HalfWidth)];
            bool isUsable = hold.Fill(reading);
            forecaster.Observe(row + 1, reading, isAbnormal: false);
            for (int k = 0; k < outputs && row >= from; k++)
            {
                if (!float.IsNaN(forecaster.Errors[k]))
                {
                    seen[k]++;
                    inside[k] += Math.Abs(forecaster.Errors[k]) * forecaster.Deviation(k) <= width[k] * (1 + 1e-6) ? 1 : 0;
                }
            }

            if (isUsable)
            {
                forecaster.Step(row + 1, reading, isAbnormal: false);
            }
        }

        return (
            [.. inside.Zip(seen, (hits, all) => (double)hits / all)],
            [.. manifest.Outputs.Select(each => manifest.Columns[each.Column])]);
    }
}
