namespace Edge.Quantize.Quantization;

/// <summary>How far beyond the calibrated ranges the integers reach.</summary>
internal sealed record QuantizationSettings
{
    /// <summary>Input range over the largest calibrated reading: an anomaly must still be seen. At least 1.</summary>
    internal double InputHeadroom { get; init; } = 8;

    /// <summary>Cell range over the largest calibrated cell state; rounded up to a power of two. At least 1.</summary>
    internal double CellHeadroom { get; init; } = 2;

    /// <summary>Hidden range of a unit over its largest calibrated value, never beyond 1, which no hidden state exceeds. At least 1.</summary>
    internal double HiddenHeadroom { get; init; } = 1.5;
}
