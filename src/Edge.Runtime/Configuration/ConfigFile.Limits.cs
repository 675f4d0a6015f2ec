using Edge.Runtime.Payloads;
using Edge.Sensors.Polling;
using Edge.Streams.Limits;

namespace Edge.Runtime.Configuration;

/// <summary>The parts of a stream that say what is reported of it: limits of channels, and entities in Home Assistant.</summary>
internal static partial class ConfigFile
{
    internal static LimitOptions[] ReadLimits(YamlMap stream)
    {
        if (stream.Map("limits") is not { } map)
        {
            return [];
        }

        return [.. map.Keys.Select(column => map.Map(column) is { } limit ? ReadLimit(limit, column) : null).OfType<LimitOptions>()];
    }

    private static LimitOptions ReadLimit(YamlMap map, string column)
    {
        const double NumberMax = ChannelOptions.NumberMax;
        var limit = new LimitOptions
        {
            Column = column,
            High = map.Number("high", double.NaN, -NumberMax, NumberMax),
            Low = map.Number("low", double.NaN, -NumberMax, NumberMax),
            Hysteresis = map.Number("hysteresis", double.NaN, 0, NumberMax),
            Probability = map.Number(
                "probability", new LimitOptions { Column = "" }.Probability, LimitOptions.ProbabilityMin, LimitOptions.ProbabilityMax),
        };
        if (!map.Has("high") && !map.Has("low"))
        {
            map.Fail("high", $"the limits of '{column}' need 'high' or 'low'");
        }

        if (limit.Low >= limit.High)
        {
            map.Fail("high", "'high' must be greater than 'low'");
        }

        map.RejectUnknown();
        return limit;
    }

    private static EntityOptions ReadEntities(YamlMap stream)
    {
        var defaults = new EntityOptions();
        if (stream.Map("homeassistant") is not { } map)
        {
            return defaults;
        }

        (TimeSpan min, TimeSpan max) = EntityOptions.EveryRange;
        var entities = new EntityOptions
        {
            Every = map.Duration("every", min, max) ?? defaults.Every,
            OnChange = map.Flag("on_change", defaults.OnChange),
        };
        map.RejectUnknown();
        return entities;
    }
}
