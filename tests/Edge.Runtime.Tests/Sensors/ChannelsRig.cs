using Edge.Sensors.Iio;
using Edge.Sensors.Polling;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>Scripted devices, one channel each, on real bus threads under a clock that the test moves.</summary>
internal sealed class ChannelsRig : IDisposable
{
    private readonly ChannelsSensor _sensor;
    private readonly Buses _buses = new();
    private readonly TimeSpan _period;
    private readonly Ticker _ticker;
    private readonly Lockstep _lockstep;
    private bool _isStarted;

    internal ChannelsRig(
        IReadOnlyList<ScriptedDevice> devices,
        Func<ChannelOptions, ChannelOptions>? configure = null,
        TimeSpan? period = null,
        bool edges = false)
    {
        _period = period ?? TimeSpan.FromSeconds(1);
        _lockstep = new Lockstep(Clock, _buses, _period) { Hangs = bus => devices.Any(device => device.Bus == bus && device.IsHanging) };
        ChannelOptions[] configs = [.. devices.Select(device =>
        {
            var config = new ChannelOptions { Column = device.Name, Device = new IioDeviceOptions(device.Name, null), Read = "temp" };
            return configure?.Invoke(config) ?? config;
        })];
        Channels = [.. configs.Select((config, i) => new Channel(config, devices[i].Range(0), config.Every * 2, Clock))];
        _ticker = new Ticker(_period, Clock, edges);
        _sensor = new ChannelsSensor(Channels, _ticker, _period, Clock, new SystemClock(() => Suspended, () => IsClockSet));
        for (int i = 0; i < devices.Count; i++)
        {
            _sensor.Add(devices[i], [Channels[i]], configs[i].Every, _buses[devices[i].Bus]);
        }

        Reading = new Reading(devices.Count);
    }

    internal ManualClock Clock { get; } = new();

    internal Channel[] Channels { get; }

    internal Reading Reading { get; }

    internal TimeSpan Suspended { get; set; }

    internal bool IsClockSet { get; set; } = true;

    internal void Pulse() => _ticker.Pulse();

    /// <summary>Reads the next row; the clock moves as far as it must.</summary>
    internal async Task TickAsync()
    {
        Task<bool> row = _sensor.ReadAsync(Reading, CancellationToken.None).AsTask();
        await _lockstep.TickAsync(() => row.IsCompleted);
        Assert.True(await row);
    }

    /// <summary>Reads the next row of devices that answer at once. The first is due at once, too.</summary>
    internal async Task FastTickAsync()
    {
        ValueTask<bool> row = _sensor.ReadAsync(Reading, CancellationToken.None);
        Clock.Advance(_isStarted ? _period : TimeSpan.Zero);
        _isStarted = true;
        Assert.True(await row);
    }

    internal async Task TicksAsync(int count)
    {
        for (int i = 0; i < count; i++)
        {
            await TickAsync();
        }
    }

    /// <summary>Lets time pass between rows, and the devices answer that fall due in it.</summary>
    internal async Task PassAsync(TimeSpan time)
    {
        Clock.Advance(time);
        await _lockstep.SettleAsync();
    }

    public void Dispose()
    {
        _sensor.Dispose();
        _buses.Dispose();
    }
}
