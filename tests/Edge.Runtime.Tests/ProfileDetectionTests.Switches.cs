using Edge.Inference.Models;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>A machine that keeps its levels, and switches between them too often.</summary>
public sealed partial class ProfileDetectionTests
{
    // A power in watts, and a contact.
    [Theory]
    [InlineData(500, 4)]
    [InlineData(1, 0)]
    public void A_compressor_that_starts_three_times_as_often_is_an_anomaly_that_says_so(double on, double noise)
    {
        const int Until = Before + 1000;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Compressor(on, noise, Before, 1000, shorter: 3, seed);
            List<Event> events = Run(manifest, live, (_, _) => { });
            output.WriteLine($"{seed}: {string.Join("; ", events.Select(each => $"{each.Opened} to {each.Closed}, {each.Message}"))}");

            // At first it may be an unknown pattern, which is soon known.
            Assert.InRange(events.Count, 1, 2);
            Assert.InRange(events[0].Opened, Before, Before + 200);
            Assert.Equal(AnomalyCause.Noise, events[^1].Cause);
            Assert.InRange(events[^1].Closed, Until, Until + 200);
            Assert.Matches(@"^c0 switches about [1-5]\.\d times as often as usual, over the last (75|300) readings\.$", events[^1].Message);
        }
    }

    [Theory]
    [InlineData(500, 4)]
    [InlineData(1, 0)]
    public void A_compressor_that_starts_a_third_more_often_and_gaps_are_none(double on, double noise)
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Compressor(on, noise, Before, 1500, shorter: 1.33, seed + 10);
            Assert.Empty(Run(manifest, live, (row, reading) => reading.SkippedTicks = row % 500 == 499 ? 20 : 0));
        }
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(2399)]
    [InlineData(2400)]
    public void A_profile_of_few_rows_has_levels_and_says_nothing_about_switching(int rows)
    {
        (_, double[][] live) = Compressor(on: 500, noise: 4, Before, rows: 1000, shorter: 1, seed: 20);
        ModelManifest manifest = Manifest(live[..rows]);
        NormalProfile profile = NormalProfile.Of(manifest)!;
        Assert.Equal(2, profile.Operating[0].Length);
        Assert.Equal(rows < 2400 ? 0 : 100, profile.Switching[0].Span);
        Assert.Empty(Run(manifest, live[rows..], (_, _) => { }));
    }

    // A door that is open for two minutes at times is a switch, too; what a coarse sensor gives from row to row is none.
    [Fact]
    public void States_may_be_short_where_others_are_long()
    {
        Assert.Equal([0, 1], OperatingLevels.StatesOf([.. Enumerable.Range(0, 1000).Select(row => row % 50 < 2 ? 1f : 0)]));
        Assert.Empty(OperatingLevels.StatesOf([.. Enumerable.Range(0, 1000).Select(row => row % 10 < 2 ? 1f : 0)]));
    }

    // On for 12 to 18 rows, off for 24 to 36; then both shorter for so many rows, and then as before.
    private static (ModelManifest Manifest, double[][] Live) Compressor(
        double on, double noise, int before, int rows, double shorter, int seed)
    {
        var random = new Random(seed);
        bool isOn = false;
        double left = 0;
        double[][] all =
        [
            .. Enumerable.Range(0, CalmRows + before + rows + 1500).Select(row =>
            {
                bool isShort = row >= CalmRows + before && row < CalmRows + before + rows;
                (isOn, left) = left <= 0 ? (!isOn, (isOn ? 2 : 1) * (12 + random.Next(7)) / (isShort ? shorter : 1)) : (isOn, left);
                left--;
                return new[] { (isOn ? on : 0) + (noise * (random.NextDouble() - 0.5)) };
            }),
        ];
        return (Manifest(all[..CalmRows]), all[CalmRows..]);
    }
}
