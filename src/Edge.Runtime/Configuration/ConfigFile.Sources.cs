using System.Globalization;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.Polling;
using Edge.Sensors.Replay;
using Edge.Sensors.Simulated;
using Edge.Sensors.Timing;

namespace Edge.Runtime.Configuration;

/// <summary>The part of edge.yaml that says where a stream's rows come from.</summary>
internal static partial class ConfigFile
{
    private static readonly string[] SourceKinds = ["mqtt", "replay", "simulated"];

    private static SourceOptions ReadSource(YamlMap stream, string name, string folder, TimeOptions times)
    {
        var nothing = new SimulatedOptions();
        DataReadyOptions? tick = ReadTick(stream);
        Dictionary<string, ValueRange> ranges = ReadRanges(stream);
        if (stream.Map("channels") is { } channels)
        {
            if (stream.Has("source"))
            {
                stream.Fail("source", "give either 'channels' or 'source', not both");
                stream.Map("source");
            }

            if (stream.Has("ranges"))
            {
                stream.Fail("ranges", "'ranges' is for 'source'; each of the 'channels' has its own 'min' and 'max'");
            }

            return ReadChannels(channels, tick, times);
        }

        if (tick is not null)
        {
            stream.Fail("tick", "'tick' needs 'channels'");
        }

        if (stream.Map("source") is not { } map)
        {
            if (!stream.Has("source") && !stream.Has("channels"))
            {
                stream.Fail("source", "'channels' is missing (i2c, iio, hwmon, mqtt, gpio), or 'source' (mqtt, replay or simulated)");
            }

            return nothing;
        }

        int kinds = SourceKinds.Count(map.Has);
        if (kinds != 1)
        {
            stream.Fail("source", $"'source' must have exactly one of {string.Join(", ", SourceKinds)}");
        }

        if (kinds > 1)
        {
            return nothing;
        }

        SourceOptions source = map.Map("mqtt") is { } mqtt ? ReadRows(mqtt, name, times)
            : map.Map("replay") is { } replay ? ReadReplay(replay, folder, times)
            : map.Map("simulated") is { } simulated ? ReadSimulated(simulated, folder)
            : nothing;
        map.RejectUnknown();
        return source with { Ranges = ranges };
    }

    private static Dictionary<string, ValueRange> ReadRanges(YamlMap stream)
    {
        var ranges = new Dictionary<string, ValueRange>();
        if (stream.Map("ranges") is { } map)
        {
            foreach (string column in map.Keys)
            {
                if (map.Map(column) is { } range)
                {
                    ranges[column] = ReadRange(range);
                    if (!ranges[column].IsLimited)
                    {
                        map.Fail(column, $"the range of '{column}' needs 'min', 'max' or both");
                    }

                    range.RejectUnknown();
                }
            }
        }

        return ranges;
    }

    private static MqttRowOptions ReadRows(YamlMap map, string stream, TimeOptions times)
    {
        var source = new MqttRowOptions
        {
            Stream = stream,
            Topic = OneTopic(map, "the topic whose messages are the rows"),
            TimePath = JsonPathText(map, "time"),
            RowsPath = JsonPathText(map, "rows"),
            Values = ReadPaths(map),
            Numbers = ReadNumbers(map),
            Times = times,
        };
        source = source with { Session = map.Duration("session", MqttRowOptions.SessionMin, MqttRowOptions.SessionMax) ?? source.Session };
        map.RejectUnknown();
        return source;
    }

    internal static Dictionary<string, string> ReadPaths(YamlMap map)
    {
        var paths = new Dictionary<string, string>();
        if (map.Map("values") is { } values)
        {
            foreach (string column in values.Keys)
            {
                paths[column] = JsonPathText(values, column) ?? "$";
            }
        }

        return paths;
    }

    private static ReplayOptions ReadReplay(YamlMap map, string folder, TimeOptions times)
    {
        var replay = new ReplayOptions
        {
            File = Path.Combine(folder, map.RequiredText("file", "a CSV file with the model's columns")),
            TimeColumns = map.TextOrTexts("time_column"),
            Times = times,
            Order = ReadOrder(map),
            Speed = ReadSpeed(map),
            Loop = map.Flag("loop", false),
        };
        map.RejectUnknown();
        return replay;
    }

    private static RowOrder ReadOrder(YamlMap map)
    {
        switch (map.Text("order"))
        {
            case null or "oldest_first":
                return RowOrder.OldestFirst;
            case "newest_first":
                return RowOrder.NewestFirst;
            case var text:
                map.Fail("order", $"'order' must be oldest_first or newest_first, not '{text}'");
                return RowOrder.OldestFirst;
        }
    }

    // How the times of a stream's source are written.
    internal static TimeOptions ReadTimes(YamlMap stream)
    {
        string? format = stream.Text("time_format");
        if (format is not null && !TimeOptions.IsFormat(format))
        {
            stream.Fail(
                "time_format",
                $"'time_format' must be {string.Join(", ", TimeOptions.KnownFormats)} or a format of date and time such as "
                    + $"dd.MM.yyyy HH:mm, not '{format}'");
        }

        return new TimeOptions { Format = format, Zone = ReadZone(stream) };
    }

    private static TimeZoneInfo? ReadZone(YamlMap stream)
    {
        string? name = stream.Text("timezone");
        if (name is null)
        {
            return null;
        }

        try
        {
            return TimeOptions.FindZone(name);
        }
        catch (Exception e) when (e is TimeZoneNotFoundException or InvalidTimeZoneException or IOException or UnauthorizedAccessException
            or System.Security.SecurityException or ArgumentException)
        {
            stream.Fail("timezone", $"this system knows no time zone '{name}'; names are as in Europe/Berlin (Debian: package tzdata)");
            return null;
        }
    }

    private static SimulatedOptions ReadSimulated(YamlMap map, string folder)
    {
        var simulated = new SimulatedOptions
        {
            Seed = map.Whole("seed", 1, 0, int.MaxValue),
            Shape = map.Choice("shape", SimulatedShape.Greenhouse),
            Turn = map.Duration("turn"),
            Speed = ReadSpeed(map),
            TruthFile = map.Text("truth") is { } truth ? Path.Combine(folder, truth) : null,
            Faults = map.Maps("faults").Select(ReadFault).ToArray(),
        };
        map.RejectUnknown();
        return simulated;
    }

    private static FaultOptions ReadFault(YamlMap map)
    {
        TimeSpan? at = map.Duration("at");
        if (at is null && !map.Has("at"))
        {
            map.Fail("at", "'at' is missing (when the fault begins, from the stream's first tick)");
        }

        if (!map.Has("kind"))
        {
            map.Fail("kind", $"'kind' is missing ({string.Join(", ", Enum.GetNames<FaultKind>()).ToLowerInvariant()})");
        }

        var fault = new FaultOptions(
            at ?? TimeSpan.Zero,
            map.Duration("duration") ?? FaultOptions.DefaultDuration,
            map.Choice("kind", FaultKind.Spike),
            map.RequiredText("channel", "the channel that fails"),
            map.NumberOrNull("magnitude", -FaultOptions.MagnitudeMax, FaultOptions.MagnitudeMax));
        map.RejectUnknown();
        return fault;
    }

    private static PlaybackSpeed ReadSpeed(YamlMap map)
    {
        string text = map.Text("speed") ?? "1x";
        if (text == "max")
        {
            return PlaybackSpeed.Max;
        }

        ReadOnlySpan<char> number = text.AsSpan(0, Math.Max(0, text.Length - 1));
        if (text.EndsWith('x')
            && double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double factor)
            && factor is > 0 and <= PlaybackSpeed.FactorMax)
        {
            return new PlaybackSpeed(factor);
        }

        map.Fail("speed", $"'speed' must be max or a factor such as 1x or 60x, not '{text}'");
        return PlaybackSpeed.Max;
    }
}
