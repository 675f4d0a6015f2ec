namespace Edge.Inference.Cells;

/// <summary>norm, two projections up of which one is gated by the other's activation, projection down, residual.</summary>
internal sealed class FeedForwardBlock : BlockLayer
{
    internal override string Type => "feedforward";

    internal override int WideCount => 0;

    internal override IReadOnlyList<(string Name, Product Product)> Products => [("gate", Gate), ("up", Up), ("down", Down)];

    /// <summary>The activation of W_g·n, a table or a ramp.</summary>
    internal required Product Gate { get; init; }

    /// <summary>W_u·n.</summary>
    internal required Product Up { get; init; }

    /// <summary>Right shift of the product of both, 0..30.</summary>
    internal required int GateShift { get; init; }

    /// <summary>Back to U values in the format of x.</summary>
    internal required Product Down { get; init; }
}
