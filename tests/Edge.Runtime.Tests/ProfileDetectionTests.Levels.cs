using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>Channels that are switched between levels far apart, such as the power of a machine that is on or off.</summary>
public sealed partial class ProfileDetectionTests
{
    private const double On = 50;
    private const double Off = 10;

    // Where there was never a value, and beside each level; all within the usual range, or little beyond it.
    [Theory]
    [InlineData(18)]
    [InlineData(-18)]
    [InlineData(6)]
    [InlineData(-5)]
    public void A_machine_off_its_levels_is_one_anomaly_that_says_where_it_should_be(double shift)
    {
        const int Until = Before + 300;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Machine(Until + 1000, seed);
            List<Event> events = Run(
                manifest, live, (row, reading) => reading.Values[0] += row is >= Before and < Until ? shift : 0);
            output.WriteLine($"{seed}: {string.Join("; ", events.Select(each => $"{each.Opened} to {each.Closed}, {each.Message}"))}");
            Event only = Assert.Single(events);
            Assert.InRange(only.Opened, Before, Before + 40);
            Assert.InRange(only.Closed, Until, Until + 150);
            Assert.Equal(AnomalyCause.Level, only.Cause);
            string pattern = live[only.Opened][0] > (On + Off) / 2 ? "(49|50)[.0-9]*" : "(9|10)[.0-9]*";
            Assert.Matches(
                $"{(shift > 0 ? "higher" : "lower")} than usual" + (Math.Abs(shift) > 10 ? $": about {pattern} was expected" : ""),
                only.Message);
        }
    }

    // Off, it says nothing about what is wrong while it is on: neither that this is over, nor that it is another fault each time.
    [Fact]
    public void A_fault_that_shows_while_a_machine_is_on_lasts_until_it_is_on_without_it()
    {
        const int Until = Before + 1000;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Machine(Until + 1000, seed + 60);
            List<Event> events = Run(
                manifest, live, (row, reading) => reading.Values[0] += row is >= Before and < Until && live[row][0] > 30 ? 8 : 0);
            output.WriteLine($"{seed}: {string.Join("; ", events.Select(each => $"{each.Opened} to {each.Closed}, {each.Message}"))}");
            Event only = Assert.Single(events);
            int isOn = Array.FindIndex(live, Until, row => row[0] > 30);
            Assert.InRange(only.Closed, isOn, isOn + 300);
        }
    }

    [Fact]
    public void A_machine_that_stays_between_its_levels_is_found_and_one_that_stays_on_is_not_by_its_level()
    {
        (ModelManifest manifest, double[][] live) = Machine(Before + 200, seed: 20);
        Event found = Assert.Single(Run(
            manifest, live, (row, reading) => reading.Values[0] = row >= Before ? 30 + (row % 3) : live[row][0]));
        Assert.InRange(found.Opened, Before, Before + 5);
        Assert.Empty(Run(manifest, live, (row, reading) => reading.Values[0] = row >= Before ? On + (row % 3) - 1 : live[row][0]));
    }

    [Fact]
    public void A_drift_of_a_machine_is_found_while_it_is_a_small_part_of_its_swing()
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Machine(Before + 2000, seed + 30);
            List<Event> events = Run(manifest, live, (row, reading) => reading.Values[0] += row >= Before ? (row - Before) * 0.02 : 0);
            Assert.InRange(events[0].Opened, Before, Before + 300);
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(-8)]
    public void New_levels_of_a_machine_are_accepted_and_their_end_is_no_anomaly(double shift)
    {
        const int Until = Before + 4000;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Machine(Until + 1000, seed + 40);
            Event only = Assert.Single(Run(
                manifest, live, (row, reading) => reading.Values[0] += row is >= Before and < Until ? shift : 0));
            Assert.Equal(AnomalyChange.Accepted, only.Closing);
        }
    }

    // Also while there are no values, when it is not known at which level the machine is.
    [Fact]
    public void Restarts_amid_a_fault_of_a_switched_channel_change_nothing()
    {
        (ModelManifest manifest, double[][] live) = Machine(3000, seed: 50);
        int events = AssertRestartsChangeNothing(manifest, live, [37], (row, reading) =>
        {
            reading.Values[0] += row is >= 1500 and < 2000 ? 8 : 0;
            reading.Quality[0] = row is >= 1000 and < 2900 && row % 97 < 20 ? Quality.Missing : Quality.Good;
        });
        Assert.NotEqual(0, events);
    }

    [Fact]
    public void Levels_are_those_between_which_a_channel_is_switched()
    {
        var random = new Random(9);
        AssertLevels([Off, On], Rows(row => row / 70 % 2 == 0 ? Off : On));
        AssertLevels([0, 6, 20], Rows(row => (row / 50 % 3) switch { 0 => 0, 1 => 6, _ => 20 }));
        Assert.Empty(OperatingLevels.Of(Rows(_ => 0)));
        Assert.Empty(OperatingLevels.Of(Rows(row => 20 * Math.Sin(row / 100.0))));

        // Each level once; counts; a door; a coarse sensor, whose values change from row to row; two too close; a rare one; a constant.
        Assert.Empty(OperatingLevels.Of(Rows(row => row / 800 * 10)));
        Assert.Empty(OperatingLevels.Of([.. Enumerable.Range(0, 4000).Select(row => (float)(row / 30 % 5))]));
        Assert.Empty(OperatingLevels.Of([.. Enumerable.Range(0, 4000).Select(row => (float)(row / 30 % 2))]));
        Assert.Empty(OperatingLevels.Of(Rows(_ => 10 * random.Next(4))));
        Assert.Empty(OperatingLevels.Of(Rows(row => row / 70 % 2 * 2.5)));
        Assert.Empty(OperatingLevels.Of(Rows(row => row % 1000 < 8 ? On : Off)));
        Assert.Empty(OperatingLevels.Of(new float[4000]));

        float[] Rows(Func<int, double> level) =>
            [.. Enumerable.Range(0, 4000).Select(row => (float)(level(row) + random.NextDouble() + random.NextDouble() - 1))];

        static void AssertLevels(double[] expected, float[] rows)
        {
            float[] levels = OperatingLevels.Of(rows);
            Assert.Equal(expected.Length, levels.Length);
            Assert.All(expected.Zip(levels), pair => Assert.InRange(pair.Second, pair.First - 0.2, pair.First + 0.2));
        }
    }

    // A door is open or not: what makes a room warmer by a degree does not make it half open.
    [Fact]
    public void A_switch_is_not_named_for_a_small_shift_of_another_channel()
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Room(Before + 600, seed);
            List<Event> events = Run(
                manifest, live, (row, reading) => reading.Values[1] += row >= Before ? Math.Min(1, (row - Before) / 100.0) : 0);
            Event first = events.Find(each => each.Opened >= Before)!;
            Assert.InRange(first.Opened, Before, Before + 200);
            Assert.All(first.Named, channel => Assert.NotEqual(0, channel));
        }
    }

    [Fact]
    public void A_switch_is_named_where_it_is_in_the_wrong_position_or_in_none()
    {
        int named = 0;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Room(Before + 600, seed);
            named += IsNamed(position => 1 - position) ? 1 : 0;
            Assert.True(IsNamed(position => position + 0.3));

            bool IsNamed(Func<double, double> wrong) => Run(
                manifest, live, (row, reading) => reading.Values[0] = row >= Before ? wrong(live[row][0]) : live[row][0])
                .Find(each => each.Opened >= Before)!.Channel == 0;
        }

        Assert.True(named > Cases / 2, $"In {named} of {Cases}");
    }

    [Fact]
    public void States_are_the_few_values_of_a_channel_that_stays_at_each()
    {
        Assert.Equal([0, 1], OperatingLevels.StatesOf([.. Enumerable.Range(0, 1000).Select(row => (float)(row / 30 % 2))]));
        Assert.Equal([0, 1, 2], OperatingLevels.StatesOf([.. Enumerable.Range(0, 1000).Select(row => (float)(row / 30 % 3))]));
        Assert.Empty(OperatingLevels.StatesOf([.. Enumerable.Range(0, 1000).Select(row => (float)(row % 2))]));
        Assert.Empty(OperatingLevels.StatesOf([.. Enumerable.Range(0, 1000).Select(row => (float)(row / 30 % 7))]));
        Assert.Empty(OperatingLevels.StatesOf(new float[1000]));
    }

    // A door, and a temperature that falls while it is open, besides one that is outside.
    private static (ModelManifest Manifest, double[][] Live) Room(int rows, int seed)
    {
        var random = new Random(seed);
        bool isOpen = false;
        int left = 0;
        double room = 20;
        double outside = 5;
        double[][] all =
        [
            .. Enumerable.Range(0, CalmRows + rows).Select(_ =>
            {
                (isOpen, left) = left == 0 ? (!isOpen, random.Next(20, 100)) : (isOpen, left - 1);
                outside = 5 + (0.99 * (outside - 5)) + (0.4 * (random.NextDouble() - 0.5));
                room += 0.3 * ((isOpen ? 0.5 * (20 + outside) : 20) - room);
                return new[] { isOpen ? 1 : 0, room + (0.4 * (random.NextDouble() - 0.5)), outside };
            }),
        ];
        return (Manifest(all[..CalmRows]), all[CalmRows..]);
    }

    // On and off at any time of the day, for 20 to 300 rows.
    private static (ModelManifest Manifest, double[][] Live) Machine(int rows, int seed)
    {
        var random = new Random(seed);
        bool isOn = false;
        int left = 0;
        double wander = 0;
        double[][] all =
        [
            .. Enumerable.Range(0, CalmRows + rows).Select(_ =>
            {
                (isOn, left) = left == 0 ? (!isOn, random.Next(20, 300)) : (isOn, left - 1);
                wander = (0.9 * wander) + (0.4 * (random.NextDouble() - 0.5));
                return new[] { (isOn ? On : Off) + wander + random.NextDouble() + random.NextDouble() - 1 };
            }),
        ];
        return (Manifest(all[..CalmRows]), all[CalmRows..]);
    }
}
