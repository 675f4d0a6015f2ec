using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Sensors.Channels;
using Edge.Runtime.Sensors.Hwmon;
using Edge.Runtime.Sensors.Iio;
using Edge.Runtime.Sensors.Mqtt;
using Edge.Runtime.Sensors.Replay;
using Edge.Runtime.Sensors.Simulated;

namespace Edge.Runtime.Sensors;

/// <summary>Opens what a stream's configuration names.</summary>
internal static class SensorFactory
{
    /// <exception cref="InputException">The source cannot be opened or does not have the model's columns.</exception>
    internal static ISensor Open(SourceConfig source, ModelManifest manifest, TimeSpan period, SensorContext context) => source switch
    {
        ReplayConfig replay => new ReplaySensor(replay, manifest.Columns, period, context.Clock),
        SimulatedConfig simulated => new SimulatedSensor(simulated, SimulatedPlant.Create(simulated, manifest, period), manifest.Columns, period, context.Clock),
        MqttSourceConfig rows => new MqttRowSensor(rows, manifest.Columns, period, context.Clock, context.System, () => context.OpenRows(rows), context.Log),
        ChannelsConfig channels => OpenChannels(channels, manifest.Columns, period, context),
        _ => throw new InvalidOperationException($"No sensor for {source.GetType().Name}."),
    };

    /// <exception cref="InputException">A source cannot be opened, or the channels are not the columns.</exception>
    internal static ChannelsSensor OpenChannels(ChannelsConfig config, IReadOnlyList<string> columns, TimeSpan period, SensorContext context)
    {
        RequireColumns(config, columns);
        var channels = new Channel[columns.Count];
        var ticker = new Ticker(period, context.Clock, config.Tick is not null);
        var sensor = new ChannelsSensor(channels, ticker, period, context.Clock, context.System);
        try
        {
            // A device is read once for all of its channels.
            foreach (IGrouping<DeviceConfig, ChannelConfig> device in config.Channels.GroupBy(channel => channel.Device))
            {
                Add(sensor, device.Key, [.. device], columns, channels, period, context);
            }

            if (config.Tick is { } tick)
            {
                sensor.Add(context.GpioTick(tick, ticker.Pulse));
            }

            return sensor;
        }
        catch
        {
            sensor.Dispose();
            throw;
        }
    }

    private static void Add(
        ChannelsSensor sensor, DeviceConfig config, ChannelConfig[] configs, IReadOnlyList<string> columns, Channel[] channels, TimeSpan period, SensorContext context)
    {
        string[] reads = [.. configs.Select(channel => channel.Read)];
        Channel[] Make(Func<int, (double, double)> range, TimeSpan? ageMax) => [.. configs.Select((channel, i) =>
            channels[IndexOf(columns, channel.Column)] = new Channel(channel, range(i), ageMax is null ? null : channel.AgeMax ?? ageMax, context.Clock))];

        if (config is MqttDeviceConfig topic)
        {
            Channel[] fed = Make(_ => (double.NegativeInfinity, double.PositiveInfinity), period);
            var feed = new MqttTopicFeed(topic, fed.Select((channel, i) => (channel, reads[i], configs[i].AgeMax ?? period)), context.Clock);
            sensor.Add(context.Mqtt.Subscribe(topic.Topic, message => feed.Take(message.Payload)));
            return;
        }

        PolledDevice device = OpenDevice(config, reads, context);
        TimeSpan? every = configs.Min(channel => channel.Every);

        // A sensor that is read less often than there are rows counts as current until its next sample is overdue.
        sensor.Add(device, Make(device.Range, every * 2), every, context.Buses[device.Bus]);
    }

    /// <summary>The device of a configuration, not opened yet.</summary>
    /// <exception cref="InputException">There is no such driver, or it has no such channel.</exception>
    internal static PolledDevice OpenDevice(DeviceConfig config, IReadOnlyList<string> reads, SensorContext context) => config switch
    {
        IioDeviceConfig iio => new IioDevice(iio, reads, context.IioRoot),
        HwmonDeviceConfig hwmon => new HwmonChip(hwmon, reads, context.HwmonRoot),
        I2cDeviceConfig i2c => context.I2c(i2c, reads),
        GpioDeviceConfig gpio => context.GpioInput(gpio),
        _ => throw new InvalidOperationException($"No device for {config.GetType().Name}."),
    };

    private static void RequireColumns(ChannelsConfig config, IReadOnlyList<string> columns)
    {
        string[] given = [.. config.Channels.Select(channel => channel.Column)];
        string[] missing = [.. columns.Except(given)];
        string[] unknown = [.. given.Except(columns)];
        if (missing.Length + unknown.Length > 0)
        {
            throw new InputException(
                (missing.Length > 0 ? $"'channels' lacks {string.Join(", ", missing)}, which the model reads. " : "")
                + (unknown.Length > 0 ? $"'channels' has {string.Join(", ", unknown)}, which the model does not read. " : "")
                + $"The model's columns are {string.Join(", ", columns)}.");
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
