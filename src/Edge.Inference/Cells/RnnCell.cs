namespace Edge.Inference.Cells;

/// <summary>The parameters of one int8 Elman layer: output = activation(W_x·x + W_h·h + b). The state is the int16 output.</summary>
internal sealed class RnnCell : GateLayer
{
    internal override string Type => "rnn";

    internal override int GateCount => 1;

    internal override int WideStates => 1;

    /// <summary>
    /// <see cref="Activation.Tanh"/>, <see cref="Activation.Sigmoid"/>, or <see cref="Activation.Ramp"/> or
    /// <see cref="Activation.Linear"/> in the output's format.
    /// </summary>
    internal required Activation Activation { get; init; }
}
