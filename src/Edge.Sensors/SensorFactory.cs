using Edge.Inference;
using Edge.Inference.Models;
using Edge.Sensors.Polling;
using Edge.Sensors.Replay;
using Edge.Sensors.Simulated;
using Edge.Sensors.Timing;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Sensors;

/// <summary>Fills channels with values that arrive by themselves, until it is disposed of.</summary>
/// <param name="device">Where they come from.</param>
/// <param name="channels">Each with its read of the device, and the age after which a value expires.</param>
internal delegate IDisposable SubscribeAction(
    DeviceOptions device,
    IReadOnlyList<(Channel Channel, string Read, TimeSpan AgeMax)> channels);

/// <summary>Opens the sources of this machine.</summary>
/// <param name="devices">The machine's devices.</param>
/// <param name="buses">The threads of its buses.</param>
/// <param name="clock">Monotonic time, and wall time for rows that carry none.</param>
/// <param name="system">The clocks of the operating system.</param>
/// <param name="subscribe">Fills channels whose values arrive by themselves.</param>
/// <param name="log">What is unusual about a source.</param>
internal sealed class SensorFactory(
    Devices devices,
    Buses buses,
    TimeProvider clock,
    SystemClock system,
    SubscribeAction subscribe,
    ILogger log)
{
    /// <summary>Opens what a stream's configuration names.</summary>
    /// <exception cref="InputException">The source cannot be opened or does not have the model's columns.</exception>
    internal ISensor Open(SourceOptions source, ModelManifest manifest, TimeSpan period) => source switch
    {
        ReplayOptions replay => new ReplaySensor(replay, manifest.Columns, period, clock, log),
        SimulatedOptions simulated =>
            new SimulatedSensor(simulated, SimulatedPlant.Create(simulated, manifest, period), manifest.Columns, period, clock),
        ChannelsOptions channels => OpenChannels(channels, manifest.Columns, period),
        _ => throw new InvalidOperationException($"No sensor for {source.GetType().Name}."),
    };

    /// <exception cref="InputException">A source cannot be opened, or the channels are not the columns.</exception>
    internal ChannelsSensor OpenChannels(ChannelsOptions options, IReadOnlyList<string> columns, TimeSpan period)
    {
        RequireColumns(options, columns);
        var channels = new Channel[columns.Count];
        var ticker = new Ticker(period, clock, options.Tick is not null);
        var sensor = new ChannelsSensor(channels, ticker, period, clock, system);
        try
        {
            // A device is read once for all of its channels.
            foreach (IGrouping<DeviceOptions, ChannelOptions> device in options.Channels.GroupBy(channel => channel.Device))
            {
                Add(sensor, device.Key, [.. device], columns, channels, period);
            }

            if (options.Tick is { } tick)
            {
                sensor.Add(devices.DataReady(tick, ticker.Pulse));
            }

            return sensor;
        }
        catch
        {
            sensor.Dispose();
            throw;
        }
    }

    private void Add(
        ChannelsSensor sensor,
        DeviceOptions device,
        ChannelOptions[] options,
        IReadOnlyList<string> columns,
        Channel[] channels,
        TimeSpan period)
    {
        Channel[] Make(Func<int, (double, double)> range, TimeSpan? ageMax) =>
        [
            .. options.Select((channel, i) => channels[IndexOf(columns, channel.Column)] =
                new Channel(channel, range(i), ageMax is null ? null : channel.AgeMax ?? ageMax, clock)),
        ];

        if (device.IsPushed)
        {
            Channel[] fed = Make(_ => (double.NegativeInfinity, double.PositiveInfinity), period);
            sensor.Add(subscribe(device, [.. fed.Select((channel, i) => (channel, options[i].Read, options[i].AgeMax ?? period))]));
            return;
        }

        PolledDevice polled = devices.Open(device, [.. options.Select(channel => channel.Read)]);
        TimeSpan? every = options.Min(channel => channel.Every);

        // The value of a sensor that is read less often than there are rows counts as current until its next sample is overdue.
        sensor.Add(polled, Make(polled.Range, every * 2), every, buses[polled.Bus]);
    }

    private static void RequireColumns(ChannelsOptions options, IReadOnlyList<string> columns)
    {
        string[] given = [.. options.Channels.Select(channel => channel.Column)];
        string[] missing = [.. columns.Except(given)];
        string[] unknown = [.. given.Except(columns)];
        if (missing.Length + unknown.Length > 0)
        {
            throw new InputException(
                (missing.Length > 0 ? $"'channels' lacks {string.Join(", ", missing)}, which the model reads. " : "")
                + (unknown.Length > 0 ? $"'channels' has {string.Join(", ", unknown)}, which the model does not read. " : "")
                + $"The model's columns are {string.Join(", ", columns)}: name each channel after the column that it measures.");
        }
    }

    private static int IndexOf(IReadOnlyList<string> columns, string column)
    {
        int at = 0;
        while (columns[at] != column)
        {
            at++;
        }

        return at;
    }
}
