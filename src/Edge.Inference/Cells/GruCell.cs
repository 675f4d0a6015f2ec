namespace Edge.Inference.Cells;

/// <summary>
/// The parameters of one int8 GRU layer. Rows are gate-major in the order reset, update, candidate. The state is the int16
/// output; with 8 hidden bits the products read its rounding to int8.
/// </summary>
internal sealed class GruCell : GateLayer
{
    internal override string Type => "gru";

    internal override int GateCount => 3;

    /// <summary>
    /// r, z, and the candidate's; where the reset gate follows the product, the candidate's two: of the input, of the state.
    /// </summary>
    internal override int BiasCount => ResetAfterProduct ? 4 : 3;

    internal override int WideStates => 1;

    /// <summary>
    /// Whether r multiplies W_h·h + b (ONNX <c>linear_before_reset</c> 1, PyTorch, Keras <c>reset_after</c>) or h itself.
    /// </summary>
    internal required bool ResetAfterProduct { get; init; }

    /// <summary>Of r and z: <see cref="Activation.Sigmoid"/> or, for a hard sigmoid, <see cref="Activation.Ramp"/>.</summary>
    internal Activation GateActivation { get; init; } = Activation.Sigmoid;

    /// <summary>
    /// Of the candidate: <see cref="Activation.Tanh"/>, <see cref="Activation.Sigmoid"/>, or <see cref="Activation.Ramp"/> in the
    /// output's format.
    /// </summary>
    internal Activation CandidateActivation { get; init; } = Activation.Tanh;
}
