using System.Globalization;
using System.Text.RegularExpressions;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.Gpio;
using Edge.Sensors.Hwmon;
using Edge.Sensors.I2c;
using Edge.Sensors.Iio;
using Edge.Sensors.Polling;

namespace Edge.Runtime.Configuration;

/// <summary>The part of edge.yaml that says where live channels come from.</summary>
internal static partial class ConfigFile
{
    private static readonly string[] DeviceKinds = ["i2c", "iio", "hwmon", "mqtt", "gpio"];

    private static ChannelsOptions ReadChannels(YamlMap map, DataReadyOptions? tick, TimeOptions times)
    {
        ChannelOptions[] channels =
        [
            .. map.Keys
                .Select(column => map.Map(column) is { } channel ? ReadChannel(channel, column, times) : null)
                .OfType<ChannelOptions>(),
        ];
        return new ChannelsOptions { Channels = channels, Tick = tick };
    }

    private static ChannelOptions ReadChannel(YamlMap map, string column, TimeOptions times)
    {
        string[] kinds = [.. DeviceKinds.Where(map.Has)];
        if (kinds.Length != 1)
        {
            map.Fail(
                kinds.Length > 1 ? kinds[1] : "i2c",
                $"channel '{column}' must have one source, one of {string.Join(", ", DeviceKinds)}");
        }

        (DeviceOptions device, string read) = ReadDevice(map, times);
        var config = new ChannelOptions
        {
            Column = column,
            Device = device,
            Read = read,
            Unit = map.Text("unit") ?? "",
            Scale = map.Number("scale", 1, -ChannelOptions.NumberMax, ChannelOptions.NumberMax),
            Offset = map.Number("offset", 0, -ChannelOptions.NumberMax, ChannelOptions.NumberMax),
            Range = ReadRange(map),
            Aggregate = map.Choice("aggregate", Aggregate.Last),
            Every = map.Duration("every", PeriodMin, TimerMax),
            AgeMax = map.Duration("max_age"),
            StuckTicks = map.Whole("stuck", 0, 0, ChannelOptions.StuckTicksMax),
        };
        bool arrives = device is MqttTopicOptions;
        if (arrives && config.Every is not null)
        {
            map.Fail("every", "'every' is for polled sources only; a message is used when it arrives");
        }

        if (!arrives && config.AgeMax is not null)
        {
            map.Fail("max_age", "'max_age' is for mqtt only; other sources are polled at every tick");
        }

        map.RejectUnknown();
        return config;
    }

    private static ValueRange ReadRange(YamlMap map)
    {
        var range = new ValueRange(
            map.Number("min", double.NaN, -ChannelOptions.NumberMax, ChannelOptions.NumberMax),
            map.Number("max", double.NaN, -ChannelOptions.NumberMax, ChannelOptions.NumberMax));
        if (range.Min >= range.Max)
        {
            map.Fail("max", "'max' must be greater than 'min'");
        }

        return range;
    }

    private static (DeviceOptions Device, string Read) ReadDevice(YamlMap channel, TimeOptions times)
    {
        (DeviceOptions, string) device = (new MqttTopicOptions("", null), "$");
        foreach (string kind in DeviceKinds)
        {
            if (channel.Map(kind) is { } map)
            {
                device = kind switch
                {
                    "i2c" => ReadI2c(map),
                    "iio" =>
                        (
                            new IioDeviceOptions(map.RequiredText("device", "the text of its name file"), map.Text("at")),
                            FileName(map, "channel", "temp, pressure, voltage0, ...")),
                    "hwmon" =>
                        (
                            new HwmonDeviceOptions(map.RequiredText("chip", "the text of its name file"), map.Text("at")),
                            FileName(map, "input", "temp1, in0, ...")),
                    "mqtt" => ReadTopic(map, times),
                    _ =>
                        (
                            new GpioInputOptions(
                                Chip(map),
                                map.RequiredWhole("pin", "the line's number", 0, PinMax),
                                map.Choice("pull", Pull.None)),
                            "value"),
                };
                map.RejectUnknown();
            }
        }

        return device;
    }

    private static (DeviceOptions Device, string Read) ReadI2c(YamlMap map)
    {
        int? multiplexer = null;
        int channel = 0;
        if (map.Map("multiplexer") is { } behind)
        {
            multiplexer = Address(behind);
            channel = behind.RequiredWhole("channel", "0 to 7", 0, 7);
            behind.RejectUnknown();
        }

        var options = new DriverOptions(map.Number("gain", double.NaN, 0, 100), map.Number("shunt", double.NaN, 1e-6, 1e3));
        return (
            new I2cDeviceOptions(
                map.RequiredWhole("bus", "1 is /dev/i2c-1", 0, 255),
                Address(map),
                map.RequiredText("driver", "such as bme280"),
                multiplexer,
                channel,
                options),
            map.RequiredText("read", "which of the driver's channels"));
    }

    // Hexadecimal or decimal: 0x76 or 118.
    private static int Address(YamlMap map)
    {
        string text = map.RequiredText("address", "such as 0x76");
        bool isNumber = text.StartsWith("0x", StringComparison.Ordinal)
            ? int.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int address)
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out address);
        if (text.Length > 0 && (!isNumber || address is < I2cDeviceOptions.AddressMin or > I2cDeviceOptions.AddressMax))
        {
            map.Fail("address", $"'address' must be from 0x03 to 0x77, not '{text}'");
        }

        return address;
    }

    private static (DeviceOptions Device, string Read) ReadTopic(YamlMap map, TimeOptions times)
    {
        string topic = OneTopic(map, "the topic that carries the value");
        return (
            new MqttTopicOptions(topic, JsonPathText(map, "time")) { Numbers = ReadNumbers(map), Times = times },
            JsonPathText(map, "path") ?? "$");
    }

    internal static NumberOptions ReadNumbers(YamlMap map)
    {
        string? mark = map.Text("decimal");
        if (mark is not null and not "point" and not "comma")
        {
            map.Fail("decimal", $"'decimal' must be point or comma, not '{mark}'");
        }

        return new NumberOptions(map.Text("suffix") is { Length: > 0 } suffix ? suffix : null, mark == "comma");
    }

    private static string OneTopic(YamlMap map, string meaning)
    {
        string topic = map.RequiredText("topic", meaning);
        bool isShared = topic.StartsWith("$share/", StringComparison.Ordinal);
        if (topic.AsSpan().IndexOfAny('#', '+', '\0') >= 0 || topic.Length > 512)
        {
            map.Fail("topic", "'topic' must be one topic of at most 512 characters, without wildcards");
        }
        else if (isShared && !SharedPattern().IsMatch(topic))
        {
            map.Fail("topic", "a shared subscription must be $share/GROUP/TOPIC");
        }

        return topic;
    }

    internal static string? JsonPathText(YamlMap map, string key)
    {
        string? text = map.Text(key);
        if (text is not null && !JsonPath.TryParse(text, out _))
        {
            map.Fail(key, $"'{key}' must name one value, such as $.kw, $['my key'] or $.list[0], not '{text}'");
            return null;
        }

        return text;
    }

    private static string FileName(YamlMap map, string key, string meaning)
    {
        string text = map.RequiredText(key, meaning);
        if (text.Length > 0 && !FileNamePattern().IsMatch(text))
        {
            map.Fail(key, $"'{key}' is '{text}'; use letters, digits, _ and -");
        }

        return text;
    }

    private static DataReadyOptions? ReadTick(YamlMap stream)
    {
        if (stream.Map("tick") is not { } map)
        {
            return null;
        }

        DataReadyOptions? tick = null;
        if (map.Map("gpio") is { } gpio)
        {
            tick = new DataReadyOptions(
                Chip(gpio),
                gpio.RequiredWhole("pin", "the data-ready line's number", 0, PinMax),
                gpio.Choice("edge", LineEdge.Rising));
            gpio.RejectUnknown();
        }
        else
        {
            stream.Fail("tick", "'tick' must be gpio: { pin: ... }; without 'tick' there is a tick every period");
        }

        map.RejectUnknown();
        return tick;
    }

    private static int? Chip(YamlMap map) => map.WholeOrNull("chip", 0, 255);

    [GeneratedRegex(@"^[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex FileNamePattern();

    [GeneratedRegex(@"^\$share/[^/]+/.+\z")]
    private static partial Regex SharedPattern();
}
