using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// The specification: docs/quantization.md, line by line, with the same symbols. It prefers readability to speed.
/// Every other kernel is tested against it byte for byte.
/// </summary>
internal static class ScalarKernel
{
    /// <summary>One LSTM step.</summary>
    /// <param name="cell">Weights and fixed-point positions.</param>
    /// <param name="x">The layer's input, int16 [I]: readings, or the output of the layer below in int8 or int16.</param>
    /// <param name="h">What the recurrent product reads, int16 [U]: the hidden state in int8 or int16.</param>
    /// <param name="c">Cell state, int16 [U], Q(15-n).n with n = <see cref="LstmCell.CellFractionBits"/> of the unit; updated.</param>
    /// <param name="output">Receives the output, int16 [U].</param>
    /// <param name="gates">Receives i, f, g, o after their activations, int16 [4U].</param>
    /// <param name="clipped">Receives, per unit, bit 0 if the cell state was clipped [U].</param>
    internal static void StepLstm(
        LstmCell cell, ReadOnlySpan<short> x, ReadOnlySpan<short> h, Span<short> c, Span<short> output, Span<short> gates,
        Span<uint> clipped)
    {
        int units = cell.UnitCount;
        for (int j = 0; j < units; j++)
        {
            int n = cell.CellFractionBits[j];
            int i = FixedPoint.Activate(cell.GateActivation, Clip(cell, 0, Peephole(cell, 0, j, c[j], GateArgument(cell, j, x, h))));
            int f = FixedPoint.Activate(
                cell.GateActivation,
                Clip(cell, 1, Peephole(cell, 1, j, c[j], GateArgument(cell, units + j, x, h))));
            int g = FixedPoint.Activate(cell.CandidateActivation, Clip(cell, 2, GateArgument(cell, (2 * units) + j, x, h)));

            int kept = FixedPoint.MultiplyRound(f, c[j]);
            int admitted = cell.CandidateActivation == Activation.Ramp
                ? FixedPoint.MultiplyRound(i, g)
                : FixedPoint.ShiftRightRound(i * g, 30 - n);
            c[j] = (short)FixedPoint.Saturate16(kept + admitted);
            clipped[j] = c[j] != kept + admitted ? 1u : 0;

            int o = FixedPoint.Activate(
                cell.GateActivation,
                Clip(cell, 3, Peephole(cell, 2, j, c[j], GateArgument(cell, (3 * units) + j, x, h))));
            int exposed = cell.CellActivation == Activation.Ramp ? Math.Max((int)c[j], 0) : FixedPoint.Tanh(CellToQ12(c[j], n));
            output[j] = (short)FixedPoint.MultiplyRound(o, exposed);
            (gates[j], gates[units + j], gates[(2 * units) + j], gates[(3 * units) + j]) = ((short)i, (short)f, (short)g, (short)o);
        }
    }

    /// <summary>One GRU step. <paramref name="state"/> is the output of the step before, int16 [U], and becomes this step's.</summary>
    /// <param name="cell">Weights and fixed-point positions.</param>
    /// <param name="x">The layer's input, int16 [I].</param>
    /// <param name="h">What the recurrent products read, int16 [U]: the state in int8 or int16.</param>
    /// <param name="state">The state; updated.</param>
    /// <param name="gates">Receives r, z and the candidate after their activations, and r·state as products read it, int16 [4U].</param>
    internal static void StepGru(GruCell cell, ReadOnlySpan<short> x, ReadOnlySpan<short> h, Span<short> state, Span<short> gates)
    {
        int units = cell.UnitCount;
        Span<short> update = gates.Slice(units, units);
        Span<short> candidate = gates.Slice(2 * units, units);
        Span<short> reset = gates.Slice(3 * units, units);
        for (int j = 0; j < units; j++)
        {
            int r = FixedPoint.Activate(cell.GateActivation, Clip(cell, 0, GateArgument(cell, j, x, h)));
            int z = FixedPoint.Activate(cell.GateActivation, Clip(cell, 1, GateArgument(cell, units + j, x, h)));
            gates[j] = (short)r;
            update[j] = (short)z;
            if (cell.ResetAfterProduct)
            {
                int row = (2 * units) + j;
                int fromInput = Argument(cell, row, x, [], cell.Bias[row]);
                int fromState = Argument(cell, row, [], h, cell.Bias[row + units]);

                // Both in half the argument's steps: apart, they reach beyond what their sum may.
                candidate[j] = (short)FixedPoint.Saturate16(2 * FixedPoint.Saturate16(fromInput + FixedPoint.MultiplyRound(r, fromState)));
            }
            else
            {
                int rh = FixedPoint.MultiplyRound(r, state[j]);
                reset[j] = (short)(cell.IsNarrow ? Narrow(rh, cell.HiddenMultiplier[j]) : rh);
            }
        }

        for (int j = 0; j < units; j++)
        {
            int argument = cell.ResetAfterProduct ? candidate[j] : GateArgument(cell, (2 * units) + j, x, reset);
            int g = FixedPoint.Activate(cell.CandidateActivation, Clip(cell, 2, argument));
            candidate[j] = (short)g;
            state[j] = (short)(((state[j] << 15) + ((32767 - update[j]) * (g - state[j])) + (1 << 14)) >> 15);
        }
    }

    /// <summary>One step of an Elman layer, or of a dense one, which has no <paramref name="h"/>.</summary>
    internal static void StepSimple(
        GateLayer layer, Activation activation, ReadOnlySpan<short> x, ReadOnlySpan<short> h, Span<short> output)
    {
        for (int j = 0; j < layer.UnitCount; j++)
        {
            output[j] = (short)FixedPoint.Activate(activation, Clip(layer, 0, GateArgument(layer, j, x, h)));
        }
    }

    /// <summary>One inner product of a block; <paramref name="x"/> and <paramref name="h"/> as its weights read them.</summary>
    internal static void StepProduct(Product product, ReadOnlySpan<short> x, ReadOnlySpan<short> h, Span<short> output)
    {
        int rows = product.UnitCount / product.Heads;
        for (int r = 0; r < product.UnitCount; r++)
        {
            ReadOnlySpan<short> own = x.Slice(r / rows * product.HeadInputs, product.HeadInputs);
            ReadOnlySpan<short> ownState = h.Slice(r / rows * product.RecurrentInputs, product.RecurrentInputs);
            int z = Argument(product, r, own, ownState, product.Bias[r]);
            output[r] = product.Table is { } table ? ActivationTable.At(table, z) : (short)FixedPoint.Activate(product.Activation, z);
        }
    }

    /// <summary>h = clamp(MULR(output, m), -127, 127): the int8 that products read.</summary>
    internal static int Narrow(int output, int multiplier) => Math.Clamp(FixedPoint.MultiplyRound(output, multiplier), -127, 127);

    /// <summary>
    /// A dense head before its activation: int16 in, float out. The only float operations are here: one conversion, one product.
    /// </summary>
    internal static void StepHead(DenseHead head, ReadOnlySpan<short> x, Span<float> outputs)
    {
        for (int r = 0; r < head.OutputCount; r++)
        {
            outputs[r] = HeadSum(head, r, x) * head.Scale[r];
        }
    }

    /// <summary>One sum of a head, its bias included.</summary>
    internal static int HeadSum(DenseHead head, int r, ReadOnlySpan<short> x) =>
        head.Bias[r] + Dot(head.Weight.AsSpan(r * head.InputCount, head.InputCount), x);

    private static int GateArgument(GateLayer layer, int r, ReadOnlySpan<short> x, ReadOnlySpan<short> h) =>
        Argument(layer, r, x, h, layer.Bias[r]);

    // z_r = SAT16(SHR(m_h·SAT16(SHR(W_h·h, s_h)) + m_x·SAT16(SHR(W_x·x, s_x)) + b, s_z)); an empty span leaves its term out.
    private static int Argument(GateLayer layer, int r, ReadOnlySpan<short> x, ReadOnlySpan<short> h, int bias)
    {
        int sum = bias;
        if (h.Length > 0)
        {
            int fromHidden = Dot(layer.RecurrentWeight.AsSpan(r * h.Length, h.Length), h);
            sum += layer.RecurrentMultiplier[r] * FixedPoint.Saturate16(FixedPoint.ShiftRightRound(fromHidden, layer.RecurrentShift));
        }

        if (x.Length > 0)
        {
            int fromInput = Dot(layer.InputWeight.AsSpan(r * x.Length, x.Length), x);
            sum += layer.InputMultiplier[r] * FixedPoint.Saturate16(FixedPoint.ShiftRightRound(fromInput, layer.InputShift));
        }

        return FixedPoint.Saturate16(FixedPoint.ShiftRightRound(sum, layer.GateShift));
    }

    private static int Dot(ReadOnlySpan<short> weights, ReadOnlySpan<short> values)
    {
        int sum = 0;
        for (int j = 0; j < weights.Length; j++)
        {
            sum += weights[j] * values[j];
        }

        return sum;
    }

    private static int Peephole(LstmCell cell, int gate, int j, int c, int z)
    {
        if (cell.Peephole is null)
        {
            return z;
        }

        int p = cell.Peephole[(gate * cell.UnitCount) + j];
        return FixedPoint.Saturate16(z + FixedPoint.Saturate16(FixedPoint.MultiplyRound(p, c) << cell.PeepholeShift));
    }

    private static int Clip(GateLayer layer, int gate, int z) =>
        layer.Clip is null ? z : Math.Clamp(z, layer.Clip[2 * gate], layer.Clip[(2 * gate) + 1]);

    private static int CellToQ12(int c, int n) =>
        n >= 12 ? FixedPoint.ShiftRightRound(c, n - 12) : FixedPoint.Saturate16(c << (12 - n));
}
