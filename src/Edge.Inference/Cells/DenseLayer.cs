namespace Edge.Inference.Cells;

/// <summary>The parameters of one int8 dense layer inside a model: output = activation(W_x·x + b), int16 in and out, no state.</summary>
internal sealed class DenseLayer : GateLayer
{
    internal override string Type => "dense";

    internal override int GateCount => 1;

    internal override bool IsRecurrent => false;

    internal override int WideStates => 0;

    /// <summary>
    /// <see cref="Activation.Tanh"/>, <see cref="Activation.Sigmoid"/>, or <see cref="Activation.Ramp"/> or
    /// <see cref="Activation.Linear"/> in the output's format, or <see cref="Activation.Table"/>.
    /// </summary>
    internal required Activation Activation { get; init; }

    /// <summary>Fraction bits of the argument of a table, 0..15; 0 without a table.</summary>
    internal int ArgumentFractionBits { get; init; }

    /// <summary>int16 [2049], with <see cref="Activation.Table"/>; else null.</summary>
    internal short[]? Table { get; init; }
}
