using Edge.Sensors;
using Edge.Sensors.Polling;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>Live channels: what a bad device, a bad clock and a slow bus do to the rows.</summary>
public sealed class ChannelsSensorTests
{
    [Fact]
    public async Task Devices_are_read_once_a_tick()
    {
        var device = new ScriptedDevice("a");
        using var rig = new ChannelsRig([device]);
        await rig.TicksAsync(5);
        Assert.Equal((5, 1, 20, Quality.Good), (device.ReadCount, device.Opened, rig.Reading.Values[0], rig.Reading.Quality[0]));
    }

    [Fact]
    public async Task Ticks_fall_on_multiples_of_the_period()
    {
        using var rig = new ChannelsRig([new ScriptedDevice("a")], period: TimeSpan.FromSeconds(10));
        rig.Clock.Advance(TimeSpan.FromSeconds(3.7));
        await rig.TickAsync();
        Assert.Equal(new DateTime(2026, 1, 1, 0, 0, 10, DateTimeKind.Utc), rig.Reading.Time);
        await rig.TickAsync();
        Assert.Equal(new DateTime(2026, 1, 1, 0, 0, 20, DateTimeKind.Utc), rig.Reading.Time);
    }

    [Fact]
    public async Task A_single_failure_is_read_again_at_once_and_nobody_hears_of_it()
    {
        var device = new ScriptedDevice("a");
        using var rig = new ChannelsRig([device]);
        await rig.TickAsync();
        int reads = 0;
        device.Value = () => reads++ == 0 ? throw new IOException("NACK") : 21;
        await rig.TickAsync();
        Assert.Equal((Quality.Good, 21, 2), (rig.Reading.Quality[0], rig.Reading.Values[0], device.Opened));
    }

    [Fact]
    public async Task A_wrong_checksum_is_read_again_and_then_invalid()
    {
        var device = new ScriptedDevice("a");
        using var rig = new ChannelsRig([device]);
        int reads = 0;
        device.Value = () => reads++ == 0 ? double.NaN : 21;
        await rig.TickAsync();
        Assert.Equal((Quality.Good, 21), (rig.Reading.Quality[0], rig.Reading.Values[0]));
        device.Value = () => double.NaN;
        await rig.TickAsync();
        Assert.Equal((Quality.Invalid, "the value is not a valid number"), (rig.Reading.Quality[0], rig.Reading.Faults[0]));
    }

    [Fact]
    public async Task Unplugged_and_back_is_set_up_again_within_ten_seconds_and_says_why_meanwhile()
    {
        var device = new ScriptedDevice("a");
        var other = new ScriptedDevice("b", "other bus");
        using var rig = new ChannelsRig([device, other]);
        await rig.TicksAsync(3);
        device.Failure = "no device acknowledges the address";
        for (int i = 0; i < 100; i++)
        {
            await rig.TickAsync();
            Assert.Equal(
                (Quality.Missing, "IIO device 'a' does not answer: no device acknowledges the address"),
                (rig.Reading.Quality[0], rig.Reading.Faults[0]));
            Assert.Equal(Quality.Good, rig.Reading.Quality[1]);
        }

        // Backoff: a hundred seconds are far fewer than a hundred tries.
        Assert.InRange(device.Opened, 10, 45);
        device.Failure = null;
        await rig.TicksAsync(12);
        Assert.Equal((Quality.Good, (string?)null), (rig.Reading.Quality[0], rig.Reading.Faults[0]));
    }

    [Fact]
    public async Task A_device_that_hangs_costs_neither_its_bus_nor_the_other_and_comes_back()
    {
        var hung = new ScriptedDevice("hung");
        var sameBus = new ScriptedDevice("same bus");
        var otherBus = new ScriptedDevice("other bus", "other");
        using var rig = new ChannelsRig([hung, sameBus, otherBus]);
        await rig.TicksAsync(2);
        hung.Hang();
        await rig.TicksAsync(3);
        for (int i = 0; i < 20; i++)
        {
            await rig.TickAsync();
            Assert.Equal([Quality.Missing, Quality.Good, Quality.Good], rig.Reading.Quality);
            Assert.Equal("IIO device 'hung' did not answer within 1 s", rig.Reading.Faults[0]);
        }

        // Left alone while it hangs: one thread waits with it, not one a tick.
        Assert.True(hung.IsHanging);
        int reads = hung.ReadCount;
        hung.GoOn();
        await Eventually.Async(() => !hung.IsHanging && hung.Closed > 0);
        await rig.TicksAsync(15);
        Assert.Equal([Quality.Good, Quality.Good, Quality.Good], rig.Reading.Quality);
        Assert.True(hung.ReadCount > reads);
    }

    [Fact]
    public async Task A_device_without_a_measurement_yet_is_missing_not_wrong()
    {
        var device = new ScriptedDevice("a") { HasMeasurement = false };
        using var rig = new ChannelsRig([device]);
        await rig.TickAsync();
        Assert.Equal((Quality.Missing, "IIO device 'a' has no measurement yet"), (rig.Reading.Quality[0], rig.Reading.Faults[0]));
        Assert.Equal(1, device.ReadCount);
        device.HasMeasurement = true;
        await rig.TickAsync();
        Assert.Equal(Quality.Good, rig.Reading.Quality[0]);
    }

    [Theory]
    [InlineData(-41)]
    [InlineData(200)]
    public async Task A_value_the_sensor_cannot_measure_is_out_of_range(double value)
    {
        var device = new ScriptedDevice("a") { Value = () => value };
        using var rig = new ChannelsRig([device]);
        await rig.TickAsync();
        Assert.Equal((Quality.OutOfRange, 0), (rig.Reading.Quality[0], rig.Reading.Values[0]));
    }

    [Fact]
    public async Task Scale_offset_and_configured_limits_are_in_the_channels_unit()
    {
        var device = new ScriptedDevice("a") { Value = () => 10 };
        using var rig = new ChannelsRig([device], config => config with { Scale = 2, Offset = 1, Range = new ValueRange(0, 30) });
        await rig.TickAsync();
        Assert.Equal((Quality.Good, 21), (rig.Reading.Quality[0], rig.Reading.Values[0]));
        device.Value = () => 15;
        await rig.TickAsync();
        Assert.Equal(Quality.OutOfRange, rig.Reading.Quality[0]);
    }

    [Fact]
    public async Task A_value_outside_the_limits_stays_so_until_a_device_that_is_read_seldom_is_read_again()
    {
        var device = new ScriptedDevice("a");
        using var rig = new ChannelsRig(
            [device], config => config with { Every = TimeSpan.FromSeconds(5), Range = new ValueRange(double.NaN, 30) });
        await rig.TicksAsync(4);
        Assert.Equal((Quality.Good, 20), (rig.Reading.Quality[0], rig.Reading.Values[0]));
        device.Value = () => 31;
        var seen = new List<Quality>();
        for (int i = 0; i < 12; i++)
        {
            await rig.TickAsync();
            seen.Add(rig.Reading.Quality[0]);
        }

        Assert.Equal("the value is above 'max', which is 30: '31'", rig.Reading.Faults[0]);
        Assert.DoesNotContain(Quality.Good, seen.SkipWhile(quality => quality == Quality.Good));
        Assert.InRange(seen.Count(quality => quality == Quality.OutOfRange), 10, 12);
    }

    [Fact]
    public async Task The_very_same_value_for_too_long_is_stuck_and_still_used()
    {
        var device = new ScriptedDevice("a");
        using var rig = new ChannelsRig([device], config => config with { StuckTicks = 5 });
        await rig.TicksAsync(5);
        Assert.Equal(Quality.Good, rig.Reading.Quality[0]);
        await rig.TickAsync();
        Assert.Equal((Quality.Stuck, 20), (rig.Reading.Quality[0], rig.Reading.Values[0]));
        device.Value = () => 20.1;
        await rig.TickAsync();
        Assert.Equal(Quality.Good, rig.Reading.Quality[0]);
    }

    [Theory]
    [InlineData("Last", 4)]
    [InlineData("Mean", 2.5)]
    [InlineData("Min", 1)]
    [InlineData("Max", 4)]
    public async Task Samples_between_ticks_are_brought_together(string aggregate, double expected)
    {
        using var rig = new ChannelsRig(
            [new ScriptedDevice("a") { Failure = "only the samples below count" }],
            config => config with { Aggregate = Enum.Parse<Aggregate>(aggregate) });
        foreach (double value in (double[])[1, 3, 2, 4])
        {
            rig.Channels[0].Add(value, rig.Clock.GetTimestamp());
        }

        await rig.TickAsync();
        Assert.Equal((Quality.Good, expected), (rig.Reading.Quality[0], rig.Reading.Values[0]));
    }

    [Fact]
    public async Task A_device_that_is_read_more_often_than_there_are_rows_gives_their_mean()
    {
        int reads = 0;
        var device = new ScriptedDevice("a");
        using var rig = new ChannelsRig(
            [device],
            config => config with { Every = TimeSpan.FromMilliseconds(100), Aggregate = Aggregate.Mean });
        device.Value = () => reads++;
        await rig.TickAsync();
        for (int i = 1; i < 10; i++)
        {
            await rig.PassAsync(TimeSpan.FromMilliseconds(100));
            Assert.Equal(i + 1, device.ReadCount);
        }

        await rig.TickAsync();
        Assert.InRange(rig.Reading.Values[0], 5, 5.5);
    }

    [Fact]
    public async Task A_device_that_is_read_less_often_than_there_are_rows_stays_current()
    {
        var device = new ScriptedDevice("a");
        using var rig = new ChannelsRig([device], config => config with { Every = TimeSpan.FromSeconds(10) });
        for (int i = 0; i < 35; i++)
        {
            await rig.TickAsync();
            Assert.Equal(Quality.Good, rig.Reading.Quality[0]);
        }

        Assert.InRange(device.ReadCount, 3, 5);
        device.Failure = "gone";
        await rig.TicksAsync(25);
        Assert.Equal(Quality.Missing, rig.Reading.Quality[0]);
    }

    [Theory]
    [InlineData(3600)]
    [InlineData(-3600)]
    public async Task A_clock_that_is_set_neither_floods_nor_stalls_and_is_said(double seconds)
    {
        using var rig = new ChannelsRig([new ScriptedDevice("a")]);
        await rig.TicksAsync(3);
        DateTime before = rig.Reading.Time;
        long monotonic = rig.Clock.GetTimestamp();
        rig.Clock.WallOffset = TimeSpan.FromSeconds(seconds);
        await rig.TickAsync();
        Assert.Equal(TimeSpan.FromSeconds(1), rig.Clock.GetElapsedTime(monotonic));
        Assert.Equal(before.AddSeconds(1 + seconds), rig.Reading.Time);
        Assert.Equal((TimeSpan.FromSeconds(seconds), 0), (rig.Reading.ClockJump, rig.Reading.SkippedTicks));
        await rig.TickAsync();
        Assert.Equal((before.AddSeconds(2 + seconds), TimeSpan.Zero), (rig.Reading.Time, rig.Reading.ClockJump));
    }

    [Fact]
    public async Task Ten_minutes_of_sleep_are_a_gap_not_a_clock_that_was_set()
    {
        using var rig = new ChannelsRig([new ScriptedDevice("a")]);
        await rig.TicksAsync(3);
        long monotonic = rig.Clock.GetTimestamp();

        // Linux's monotonic clock stands still while the machine sleeps.
        rig.Clock.WallOffset = TimeSpan.FromMinutes(10);
        rig.Suspended = TimeSpan.FromMinutes(10);
        await rig.TickAsync();
        Assert.Equal((TimeSpan.Zero, 600), (rig.Reading.ClockJump, rig.Reading.SkippedTicks));
        Assert.Equal(TimeSpan.FromSeconds(1), rig.Clock.GetElapsedTime(monotonic));
        await rig.TickAsync();
        Assert.Equal(0, rig.Reading.SkippedTicks);
    }

    [Fact]
    public async Task Ten_minutes_without_a_tick_are_a_gap_not_a_burst()
    {
        using var rig = new ChannelsRig([new ScriptedDevice("a")]);
        await rig.TicksAsync(3);
        DateTime before = rig.Reading.Time;
        rig.Clock.Advance(TimeSpan.FromMinutes(10));
        await rig.TickAsync();
        Assert.Equal(599, rig.Reading.SkippedTicks);
        await rig.TickAsync();
        Assert.Equal((before.AddSeconds(601), 0), (rig.Reading.Time, rig.Reading.SkippedTicks));
    }

    [Fact]
    public async Task Times_of_a_clock_that_was_never_set_are_flagged()
    {
        using var rig = new ChannelsRig([new ScriptedDevice("a")]) { IsClockSet = false };
        await rig.TickAsync();
        Assert.True(rig.Reading.ClockIsUnset);
        rig.IsClockSet = true;
        await rig.TickAsync();
        Assert.False(rig.Reading.ClockIsUnset);
    }

    [Fact]
    public async Task A_data_ready_line_gives_the_pace()
    {
        var device = new ScriptedDevice("a");
        using var rig = new ChannelsRig([device], edges: true);
        rig.Pulse();
        await rig.TickAsync();
        Assert.Equal(1, device.ReadCount);
        rig.Pulse();
        await rig.TickAsync();
        Assert.Equal(2, device.ReadCount);
    }

    [LongFact]
    public async Task An_hour_at_100_Hz_leaves_memory_as_it_was()
    {
        ScriptedDevice[] devices = [.. Enumerable.Range(0, 8).Select(i => new ScriptedDevice($"d{i}", $"bus {i / 4}"))];
        using var rig = new ChannelsRig(devices, period: TimeSpan.FromMilliseconds(10));
        for (int tick = 0; tick < 10_000; tick++)
        {
            await rig.FastTickAsync();
        }

        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int tick = 0; tick < 360_000; tick++)
        {
            await rig.FastTickAsync();
        }

        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 64 << 10);
    }
}
