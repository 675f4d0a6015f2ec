namespace Edge.Inference.Cells;

/// <summary>
/// The parameters of one int8 LSTM layer. Rows are gate-major in the order input, forget, cell, output. A coupled input and
/// forget gate is an LSTM whose forget rows are the negated input rows: 1 - sigmoid(z) = sigmoid(-z).
/// </summary>
internal sealed class LstmCell : GateLayer
{
    /// <summary>Gates i, f, g, o.</summary>
    internal const int Gates = 4;

    internal override string Type => "lstm";

    internal override int GateCount => Gates;

    /// <summary>The cell state; with 16 hidden bits the hidden state too.</summary>
    internal override int WideStates => HiddenBits == 8 ? 1 : 2;

    internal override int NarrowStates => HiddenBits == 8 ? 1 : 0;

    /// <summary>
    /// n: fraction bits of each unit's int16 cell state [U], 0..13; the range is ±2^(15-n). 13 only where all units have it.
    /// </summary>
    internal required sbyte[] CellFractionBits { get; init; }

    /// <summary>Whether all units have the same n.</summary>
    internal bool IsCellUniform => Array.TrueForAll(CellFractionBits, bits => bits == CellFractionBits[0]);

    /// <summary>Activation of i, f and o: <see cref="Activation.Sigmoid"/> or, for a hard sigmoid, <see cref="Activation.Ramp"/>.</summary>
    internal Activation GateActivation { get; init; } = Activation.Sigmoid;

    /// <summary>
    /// Activation of g: <see cref="Activation.Tanh"/>, <see cref="Activation.Sigmoid"/>, or <see cref="Activation.Ramp"/> with n fraction
    /// bits.
    /// </summary>
    internal Activation CandidateActivation { get; init; } = Activation.Tanh;

    /// <summary>
    /// Activation of c for the output: <see cref="Activation.Tanh"/>, or <see cref="Activation.Ramp"/> and n output fraction bits.
    /// </summary>
    internal Activation CellActivation { get; init; } = Activation.Tanh;

    /// <summary>P, int16 [3U] of i, f, o: z = SAT16(z + MULR(P, c)·2^<see cref="PeepholeShift"/>); null for none.</summary>
    internal short[]? Peephole { get; init; }

    /// <summary>Left shift of the peephole's product, 0..15.</summary>
    internal int PeepholeShift { get; init; }

    /// <summary>Whether the layer is the standard LSTM: kernels have a path without branches for it.</summary>
    internal bool IsPlain =>
        GateActivation == Activation.Sigmoid
            && CandidateActivation == Activation.Tanh
            && CellActivation == Activation.Tanh
            && Peephole is null
            && Clip is null;

    internal override void Validate(string name, int inputMax)
    {
        base.Validate(name, inputMax);
        RequireAll(name, "peephole", Peephole ?? [], -32767, 32767);
        bool needsUniform = CandidateActivation == Activation.Ramp || CellActivation == Activation.Ramp;
        foreach (sbyte bits in CellFractionBits)
        {
            RequireRange(name, "cell_fraction_bits", bits, 0, IsCellUniform ? 13 : needsUniform ? -1 : 12);
        }

        int outputBits = CellActivation == Activation.Tanh ? 15 : CellFractionBits[0];
        RequireRange(name, "output_fraction_bits", OutputFractionBits, outputBits, outputBits);
    }
}
