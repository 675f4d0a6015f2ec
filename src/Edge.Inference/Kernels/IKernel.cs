namespace Edge.Inference.Kernels;

/// <summary>
/// The vectorised step of one block of 16 units, and of the head. Implementations are empty structs: the JIT makes
/// a stepper of its own for each, with no call through an interface.
/// </summary>
internal unsafe interface IKernel
{
    /// <summary>What is added to int8 activations before they come in: 128 for unsigned-by-signed dot products, else 0.</summary>
    static abstract int ActivationOffset { get; }

    /// <summary>Steps units 16·block to 16·block + 15 of a layer.</summary>
    /// <param name="layer">The packed layer.</param>
    /// <param name="block">Which block.</param>
    /// <param name="x">The layer's input: int16 pairs for the first layer, else int8 with the offset; whole groups.</param>
    /// <param name="h">The hidden state of the step before, int8 with the offset; whole groups.</param>
    /// <param name="newH">Receives 16 int8.</param>
    /// <param name="c">16 int16 of cell state, updated.</param>
    /// <param name="hidden">Receives 16 int16: the hidden state in Q0.15.</param>
    /// <returns>Bit u: the cell state of unit u was clipped; bit 16 + u: its hidden state was.</returns>
    static abstract uint StepBlock(PackedLstm layer, int block, byte* x, byte* h, sbyte* newH, short* c, short* hidden);

    /// <summary>The head over one state's Q0.15 hidden values.</summary>
    static abstract void StepDense(PackedDense dense, short* hidden, float* outputs);
}
