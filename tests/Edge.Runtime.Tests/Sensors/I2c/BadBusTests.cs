using Edge.Sensors.I2c;
using Edge.Sensors.Polling;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors.I2c;

/// <summary>
/// Everything a bad bus can do, through the genuine bindings, as rows see it. The bindings wait with Thread.Sleep, in real time; the
/// clock that the rows go by stands still meanwhile.
/// </summary>
public sealed class BadBusTests : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    private readonly Bme280Chip _bme280 = new(0x60, 21.5, 45, 1013.25);
    private readonly CommandChip _sht4x = Chips.Sht4x(23, 50);
    private readonly WordChip _lm75 = Chips.Lm75(25);
    private readonly Buses _buses = new();
    private readonly ManualClock _clock = new();
    private readonly Lockstep _lockstep;
    private readonly ChannelsSensor _sensor;
    private readonly Reading _row = new(3);

    public BadBusTests()
    {
        _lockstep = new Lockstep(_clock, _buses, Period) { Hangs = bus => bus == "I2C bus 1" ? _bme280.IsHanging : _lm75.IsHanging };
        SimulatedBus one = new SimulatedBus().Add(0x76, _bme280).Add(0x44, _sht4x);
        SimulatedBus two = new SimulatedBus().Add(0x48, _lm75);
        (int Bus, string Driver)[] sensors = [(1, "bme280"), (1, "sht4x"), (2, "lm75")];
        var channels = new Channel[3];
        _sensor = new ChannelsSensor(
            channels,
            new Ticker(Period, _clock, false),
            Period,
            _clock,
            new SystemClock(() => TimeSpan.Zero, () => true));
        for (int i = 0; i < sensors.Length; i++)
        {
            var config = new I2cDeviceOptions(
                sensors[i].Bus,
                I2cDrivers.Find(sensors[i].Driver).Addresses[0],
                sensors[i].Driver,
                null,
                0,
                DriverOptions.None);
            var device = new I2cPolledDevice(config, ["temperature"], bus => bus == 1 ? one : two);
            channels[i] = new Channel(
                new ChannelOptions { Column = sensors[i].Driver, Device = config, Read = "temperature" },
                device.Range(0),
                null,
                _clock);
            _sensor.Add(device, [channels[i]], null, _buses[device.Bus]);
        }
    }

    [Fact]
    public async Task A_single_nack_is_not_seen()
    {
        await TicksAsync(2);
        _bme280.Nacks = 1;
        await TicksAsync(1);
        Assert.Equal([Quality.Good, Quality.Good, Quality.Good], _row.Quality);
    }

    [Fact]
    public async Task A_corrupted_transfer_is_read_again()
    {
        await TicksAsync(2);
        _sht4x.Corruptions = 1;
        await TicksAsync(1);
        Assert.Equal(Quality.Good, _row.Quality[1]);
        Assert.InRange(_row.Values[1], 22.9, 23.1);
    }

    [Fact]
    public async Task A_bus_that_always_corrupts_is_missing_with_its_reason()
    {
        _sht4x.Corruptions = int.MaxValue;
        await TicksAsync(3);
        Assert.Equal(
            (Quality.Missing, "sht4x at 0x44 on I2C bus 1 does not answer: its checksum is wrong"),
            (_row.Quality[1], _row.Faults[1]));
    }

    [Fact]
    public async Task Unplugged_is_missing_and_plugged_in_again_is_good()
    {
        await TicksAsync(2);
        _lm75.IsGone = true;
        await TicksAsync(2);
        Assert.Equal(
            (Quality.Missing, "lm75 at 0x48 on I2C bus 2 does not answer: no device acknowledges the address"),
            (_row.Quality[2], _row.Faults[2]));
        Assert.Equal([Quality.Good, Quality.Good], _row.Quality[..2]);
        _lm75.IsGone = false;
        await TicksAsync(10);
        Assert.Equal(Quality.Good, _row.Quality[2]);
    }

    [Fact]
    public async Task A_stretched_clock_makes_values_late_not_wrong()
    {
        await TicksAsync(2);
        _lm75.Hang();
        await TicksAsync(1);
        Assert.Equal([Quality.Good, Quality.Good, Quality.Missing], _row.Quality);
        _lm75.GoOn();
        await TicksAsync(1);
        Assert.Equal((Quality.Good, 25), (_row.Quality[2], _row.Values[2]));
    }

    [Fact]
    public async Task A_stuck_bus_costs_its_device_only()
    {
        await TicksAsync(2);
        _bme280.Hang();
        await TicksAsync(15);
        Assert.Equal([Quality.Missing, Quality.Good, Quality.Good], _row.Quality);
        Assert.Equal("bme280 at 0x76 on I2C bus 1 did not answer within 1 s", _row.Faults[0]);
        _bme280.GoOn();
        await TicksAsync(10);
        Assert.Equal([Quality.Good, Quality.Good, Quality.Good], _row.Quality);
    }

    public void Dispose()
    {
        _bme280.GoOn();
        _lm75.GoOn();
        _sensor.Dispose();
        _buses.Dispose();
    }

    private async Task TicksAsync(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Task<bool> row = _sensor.ReadAsync(_row, CancellationToken.None).AsTask();
            await _lockstep.TickAsync(() => row.IsCompleted);
            Assert.True(await row);
        }
    }
}
