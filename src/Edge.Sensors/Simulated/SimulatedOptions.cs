using Edge.Sensors.Timing;

namespace Edge.Sensors.Simulated;

/// <summary>Kind of simulated source.</summary>
internal enum SimulatedShape
{
    /// <summary>The greenhouse of docs/demo.md, with its own channels.</summary>
    Greenhouse,

    /// <summary>The model's columns over a day.</summary>
    Daily,

    /// <summary>The model's columns over a machine's cycle.</summary>
    Cycle,
}

/// <summary>Readings from a seed.</summary>
internal sealed record SimulatedOptions : SourceOptions
{
    public SimulatedShape Shape { get; init; }

    /// <summary>How long a day or a cycle takes; null for 24 hours or 60 ticks.</summary>
    public TimeSpan? Turn { get; init; }

    /// <summary>A CSV file to write that says for each tick whether a fault was injected, or null.</summary>
    public string? TruthFile { get; init; }

    public int Seed { get; init; } = 1;

    public PlaybackSpeed Speed { get; init; } = new(1);

    public IReadOnlyList<FaultOptions> Faults { get; init; } = [];

    internal override string Identity => $"simulated {Seed}";
}
