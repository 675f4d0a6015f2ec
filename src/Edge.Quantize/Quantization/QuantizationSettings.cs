namespace Edge.Quantize.Quantization;

/// <summary>How the int8 range of a hidden unit is found from its calibrated values.</summary>
internal enum RangeMethod
{
    /// <summary>The largest value.</summary>
    MinMax,

    /// <summary>The value that one in a thousand exceeds.</summary>
    Percentile,

    /// <summary>The range with the least mean squared error of rounding and clipping together.</summary>
    Mse,
}

/// <summary>How far beyond the calibrated ranges the integers reach, and how wide the states are.</summary>
internal sealed record QuantizationSettings
{
    /// <summary>Input range over the largest calibrated reading: an anomaly must still be seen. At least 1.</summary>
    internal double InputHeadroom { get; init; } = 8;

    /// <summary>Standard deviations that the input range reaches beyond the largest calibrated reading, whatever the headroom.</summary>
    internal double InputMargin { get; init; } = 32;

    /// <summary>Cell range over the largest calibrated cell state; rounded up to a power of two. At least 1.</summary>
    internal double CellHeadroom { get; init; } = 4;

    /// <summary>Hidden range of a bounded unit over its calibrated range, never beyond 1, which no such unit exceeds. At least 1.</summary>
    internal double HiddenHeadroom { get; init; } = 1.5;

    /// <summary>Range of a unit that nothing bounds (relu) over its calibrated range. At least 1.</summary>
    internal double OpenHeadroom { get; init; } = 4;

    /// <summary>How the calibrated range of a hidden unit is found.</summary>
    internal RangeMethod Range { get; init; } = RangeMethod.MinMax;

    /// <summary>Layers, by number, whose hidden state is kept in int16.</summary>
    internal IReadOnlySet<int> WideLayers { get; init; } = new HashSet<int>();
}
