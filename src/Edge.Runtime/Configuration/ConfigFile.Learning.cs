using System.Globalization;
using Edge.Runtime.Control;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.I2c;
using Edge.Sensors.Polling;
using Edge.Sensors.Replay;
using Edge.Sensors.Simulated;
using Edge.Streams.Detection;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Configuration;

/// <summary>The part of edge.yaml that says how a stream learns its model.</summary>
internal static partial class ConfigFile
{
    private static readonly string[] KeysOfTraining = ["horizons", "cell", "budget"];

    private static LearnOptions? ReadLearn(YamlMap stream, SourceOptions source, TimeSpan? period, bool hasModel, string folder)
    {
        string[] columns = [.. stream.TextOrTexts("columns")];
        if (stream.Map("learn") is not { } map)
        {
            if (columns.Length > 0)
            {
                stream.Fail("columns", "'columns' is for a stream that learns its model: add 'learn: {}', or remove it");
            }

            return null;
        }

        LearnedPart what = map.Choice("what", LearnedPart.Model);
        bool isProfile = what == LearnedPart.Profile;
        if (isProfile && !hasModel)
        {
            map.Fail("what", "'what: profile' needs 'model', which keeps its weights: name it, or remove 'what' to learn a model");
        }

        if (period is null && !isProfile)
        {
            stream.Fail("learn", "'learn' needs 'period', the time from tick to tick: a stream without a model has none");
        }

        if (hasModel && columns.Length > 0)
        {
            stream.Fail("columns", "'columns' is for a stream without a model: this one has those of its 'model'");
        }

        TimeSpan tick = period ?? TimeSpan.FromSeconds(1);
        (TimeSpan shortest, TimeSpan longest) = LearnOptions.TimeRange;
        var defaults = new LearnOptions { Horizons = [] };
        string cell = map.Text("cell") ?? defaults.Cell;
        if (!LearnOptions.Cells.Contains(cell))
        {
            map.Fail("cell", $"'cell' must be one of {string.Join(", ", LearnOptions.Cells)}, not '{cell}'");
        }

        long memory = map.Bytes("memory", defaults.MemoryMaxBytes);
        if (memory < LearnOptions.MemoryMinBytes)
        {
            map.Fail("memory", $"'memory' must be at least {LearnOptions.MemoryMinBytes >> 20}MB");
        }

        var learn = new LearnOptions
        {
            What = what,
            Columns = hasModel || isProfile ? [] : ColumnsOf(stream, source, columns),
            Horizons = ReadHorizons(map, tick),
            After = map.Duration("after", shortest, longest) ?? defaults.After,
            Every = map.Duration("every", shortest, longest) ?? defaults.Every,
            At = ReadTimeOfDay(map),
            Cell = cell,
            Budget = map.Duration("budget", shortest, longest) ?? defaults.Budget,
            MemoryMaxBytes = memory,
            Priority = map.Choice("priority", defaults.Priority),
            Program = map.Text("program") is { } program ? Path.Combine(folder, program) : null,
        };
        string[] ofTraining = isProfile ? [.. KeysOfTraining.Where(map.Has)] : [];
        foreach (string key in ofTraining)
        {
            map.Fail(key, $"'{key}' is for training a model, and 'what: profile' trains none: remove it");
        }

        if (hasModel && map.Has("horizons") && !isProfile)
        {
            map.Fail("horizons", "'horizons' is for a stream without a model: this one keeps those of its 'model'");
        }

        map.RejectUnknown();
        return learn;
    }

    // Channels and paths name the columns; other sources need them named.
    private static (string Column, string Unit)[] ColumnsOf(YamlMap stream, SourceOptions source, string[] named)
    {
        (string, string)[] own = source switch
        {
            ChannelsOptions channels => [.. channels.Channels.Select(channel => (channel.Column, UnitOf(channel)))],
            MqttRowOptions { Values.Count: > 0 } rows => [.. rows.Values.Keys.Select(column => (column, ""))],
            SimulatedOptions { Shape: SimulatedShape.Greenhouse } => [.. Greenhouse.ChannelNames.Zip(Greenhouse.Units)],
            _ => [],
        };
        if (own.Length == 0 && named.Length == 0)
        {
            stream.Fail("columns", "'columns' is missing (what this source measures, as [temperature:degC, load])");
        }
        else if (source is ChannelsOptions && named.Length > 0)
        {
            stream.Fail("columns", "'columns' is not for 'channels', which are the columns; a channel may have a 'unit'");
        }

        (string Column, string Unit)[] columns = named.Length == 0 ? own : [.. named.Select(Column)];
        foreach (string twice in columns.GroupBy(each => each.Column).Where(group => group.Count() > 1).Select(group => group.Key))
        {
            stream.Fail("columns", $"'columns' has '{twice}' twice");
        }

        if (columns.Length > NormalProfileLearner.ColumnsMax)
        {
            stream.Fail(
                "learn",
                $"'learn' is for at most {NormalProfileLearner.ColumnsMax} columns, and these are {columns.Length}: divide the stream");
        }

        return columns;

        static (string, string) Column(string text) =>
            text.LastIndexOf(':') is > 0 and var colon ? (text[..colon], text[(colon + 1)..]) : (text, "");
    }

    // What a driver measures is known, unless it is converted.
    private static string UnitOf(ChannelOptions channel) =>
        channel.Unit.Length > 0 || channel is not { Scale: 1, Offset: 0, Device: I2cDeviceOptions device }
            ? channel.Unit
            : I2cDrivers.All.FirstOrDefault(driver => driver.Name == device.Driver)?.Channels
                .FirstOrDefault(each => each.Name == channel.Read).Unit ?? "";

    private static int[] ReadHorizons(YamlMap map, TimeSpan period)
    {
        var horizons = new List<int>();
        foreach (string text in map.TextOrTexts("horizons"))
        {
            if (Duration.TryParse(text, out TimeSpan span) && Math.Round(span / period) is >= 1 and <= 100_000 and var ticks)
            {
                horizons.Add((int)ticks);
            }
            else
            {
                map.Fail("horizons", $"'horizons' must be times such as [1m, 10m, 1h], of 1 to 100000 periods, not '{text}'");
            }
        }

        return horizons.Count > 0 ? [.. horizons.Distinct().Order()] : UsualHorizons.Of(period);
    }

    private static TimeOnly? ReadTimeOfDay(YamlMap map)
    {
        if (map.Text("at") is not { } text)
        {
            return null;
        }

        if (TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly time))
        {
            return time;
        }

        map.Fail("at", $"'at' must be a time of day such as \"03:00\", not '{text}'");
        return null;
    }
}
