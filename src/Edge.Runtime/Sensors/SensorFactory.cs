using Edge.Runtime.Configuration;
using Edge.Runtime.Sensors.Replay;
using Edge.Runtime.Sensors.Simulated;

namespace Edge.Runtime.Sensors;

/// <summary>Opens what a stream's configuration names.</summary>
internal static class SensorFactory
{
    /// <exception cref="InputException">The source cannot be opened or does not have the model's columns.</exception>
    internal static ISensor Open(SourceConfig source, IReadOnlyList<string> columns, TimeSpan period, TimeProvider clock) => source switch
    {
        ReplayConfig replay => new ReplaySensor(replay, columns, period, clock),
        SimulatedConfig simulated => new SimulatedSensor(simulated, columns, period, clock),
        _ => throw new InvalidOperationException($"No sensor for {source.GetType().Name}."),
    };
}
