namespace Edge.Sensors.Simulated;

/// <summary>An injected fault while it is active.</summary>
internal sealed class SimulatedFault(FaultOptions config, int channel, IReadOnlyList<double> typicalStd, TimeSpan period)
{
    private readonly long _begin = (long)Math.Round(config.At / period);
    private readonly long _end = config.Kind == FaultKind.Spike
        ? (long)Math.Round(config.At / period) + 1
        : (long)Math.Round((config.At + config.Duration) / period);

    private readonly double _magnitude = typicalStd[channel] * (config.Magnitude ?? config.Kind switch
    {
        FaultKind.Spike => 6,
        FaultKind.Bias => 4,
        FaultKind.Drift => 0.05,
        _ => 1,
    });

    private double _stuckAt;

    internal string Kind { get; } = config.Kind.ToString().ToLowerInvariant();

    internal string ChannelName { get; } = config.Channel;

    internal bool IsActive(long tick) => tick >= _begin && tick < _end;

    internal void Apply(long tick, double[] values, bool[] dropped, SeededNoise noise)
    {
        if (!IsActive(tick))
        {
            _stuckAt = values[channel];
            return;
        }

        switch (config.Kind)
        {
            case FaultKind.Spike or FaultKind.Bias:
                values[channel] += _magnitude;
                break;
            case FaultKind.Drift:
                values[channel] += _magnitude * (tick - _begin + 1);
                break;
            case FaultKind.Stuck:
                values[channel] = _stuckAt;
                break;
            case FaultKind.Noise:
                values[channel] += _magnitude * noise.Normal();
                break;
            case FaultKind.Swap:
                int next = (channel + 1) % values.Length;
                (values[channel], values[next]) = (values[next], values[channel]);
                break;
            default:
                dropped[channel] = true;
                break;
        }
    }
}
