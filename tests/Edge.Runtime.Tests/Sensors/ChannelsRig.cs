using Edge.Sensors.Iio;
using Edge.Sensors.Polling;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>Scripted devices, one channel each, on real bus threads under a clock that the test moves.</summary>
internal sealed class ChannelsRig : IDisposable
{
    private readonly IReadOnlyList<ScriptedDevice> _devices;
    private readonly ChannelsSensor _sensor;
    private readonly Buses _buses = new();
    private readonly TimeSpan _period;
    private readonly Ticker _ticker;
    private bool _isStarted;

    internal ChannelsRig(IReadOnlyList<ScriptedDevice> devices, Func<ChannelOptions, ChannelOptions>? configure = null, TimeSpan? period = null, bool edges = false)
    {
        _devices = devices;
        _period = period ?? TimeSpan.FromSeconds(1);
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
        if (!await DoneAsync(row, 3))
        {
            // To the tick, and where a device hangs, to the end of the row's patience; the others have answered by then.
            Clock.Advance(_period - TimeSpan.FromTicks(Clock.GetTimestamp() % _period.Ticks));
            await UntilAsync(() => row.IsCompleted || _devices.Any(device => device.IsHanging));
            if (!row.IsCompleted)
            {
                await Task.Delay(50);
                Clock.Advance(_period / 2);
            }
        }

        Assert.True(await row.WaitAsync(TimeSpan.FromSeconds(5)));
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

    /// <summary>Waits for what another thread is about to do.</summary>
    internal static async Task UntilAsync(Func<bool> condition)
    {
        for (int i = 0; !condition(); i++)
        {
            Assert.True(i < 1000, "It never happened.");
            await Task.Delay(5);
        }
    }

    public void Dispose()
    {
        _sensor.Dispose();
        _buses.Dispose();
    }

    // Devices answer in real time, on threads of their own.
    private static async Task<bool> DoneAsync(Task row, int milliseconds) => await Task.WhenAny(row, Task.Delay(milliseconds)) == row;
}
