using Edge.Sensors;

namespace Edge.Runtime.Mqtt;

/// <summary>Rows that arrive as messages of one topic.</summary>
internal sealed record MqttRowOptions : SourceOptions
{
    /// <summary>Shortest <see cref="Session"/>.</summary>
    internal static TimeSpan SessionMin { get; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest <see cref="Session"/>.</summary>
    internal static TimeSpan SessionMax { get; } = TimeSpan.FromDays(366);

    public required string Topic { get; init; }

    /// <summary>Name of the stream, which names its session at the broker.</summary>
    public required string Stream { get; init; }

    /// <summary>JSON path of a message's time; null if it carries none.</summary>
    public string? TimePath { get; init; }

    /// <summary>JSON paths of columns; a column without a path is the member of its name.</summary>
    public IReadOnlyDictionary<string, string> Values { get; init; } = new Dictionary<string, string>();

    /// <summary>JSON path of a list whose elements are rows; null if a message is one row.</summary>
    public string? RowsPath { get; init; }

    /// <summary>How numbers in text are written.</summary>
    public NumberOptions Numbers { get; init; } = new();

    /// <summary>How times are written.</summary>
    public TimeOptions Times { get; init; } = new();

    /// <summary>
    /// How long the broker keeps messages while this process does not run, <see cref="SessionMin"/>..<see cref="SessionMax"/>.
    /// </summary>
    public TimeSpan Session { get; init; } = TimeSpan.FromDays(7);

    internal override string Identity => $"mqtt {Topic}";
}
