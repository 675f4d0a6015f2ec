using Edge.Inference.Models;

namespace Edge.Sensors.Simulated;

/// <summary>A simulated process whose sensors are read tick by tick. The same seed gives the same readings on every machine.</summary>
/// <param name="name">Its name in messages.</param>
/// <param name="channels">What its sensors measure.</param>
/// <param name="typicalStd">A typical standard deviation of each, in its unit: the measure of an injected fault.</param>
internal abstract class SimulatedPlant(string name, IReadOnlyList<string> channels, IReadOnlyList<double> typicalStd)
{
    internal string Name { get; } = name;

    internal IReadOnlyList<string> Channels { get; } = channels;

    internal IReadOnlyList<double> TypicalStd { get; } = typicalStd;

    internal static SimulatedPlant Create(SimulatedOptions config, ModelManifest manifest, TimeSpan period) =>
        config.Shape == SimulatedShape.Greenhouse ? new Greenhouse(config.Seed) : new ShapedPlant(config, manifest, period);

    /// <summary>Moves on by a tick and reads the sensors, in the order of <see cref="Channels"/>.</summary>
    internal abstract void Step(Span<double> values);
}
