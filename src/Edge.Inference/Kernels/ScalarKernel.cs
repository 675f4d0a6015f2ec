using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// The specification: docs/quantization.md, line by line, with the same symbols. Slow on purpose where speed would cost
/// a reader anything; every other kernel is tested against it byte for byte.
/// </summary>
internal static class ScalarKernel
{
    /// <summary>One LSTM step. Updates <paramref name="h"/> and <paramref name="c"/> in place.</summary>
    /// <param name="cell">Weights and fixed-point positions.</param>
    /// <param name="x">The layer's input, int16 [I]: quantised readings, or the int8 hidden state of the layer below.</param>
    /// <param name="h">Hidden state, int8 [H].</param>
    /// <param name="c">Cell state, int16 [H], Q(15-n).n with n = <see cref="LstmCell.CellFractionBits"/>.</param>
    /// <param name="z">Scratch for the 4H gate arguments, int16.</param>
    /// <param name="hidden">Receives the hidden state before its rounding to int8, Q0.15 [H]: what a dense head reads.</param>
    /// <param name="clipped">Receives, per unit, bit 0 if the cell state was clipped and bit 16 if the hidden state was [H].</param>
    internal static void StepLstm(
        LstmCell cell, ReadOnlySpan<short> x, Span<sbyte> h, Span<short> c, Span<short> z, Span<short> hidden, Span<uint> clipped)
    {
        int units = cell.HiddenCount;
        for (int r = 0; r < 4 * units; r++)
        {
            z[r] = (short)GateArgument(cell, r, x, h);
        }

        int n = cell.CellFractionBits;
        for (int j = 0; j < units; j++)
        {
            int i = FixedPoint.Sigmoid(z[j]);
            int f = FixedPoint.Sigmoid(z[units + j]);
            int g = FixedPoint.Tanh(z[(2 * units) + j]);
            int o = FixedPoint.Sigmoid(z[(3 * units) + j]);

            int kept = FixedPoint.MultiplyRound(f, c[j]);
            int admitted = FixedPoint.ShiftRightRound(i * g, 30 - n);
            c[j] = (short)FixedPoint.Saturate16(kept + admitted);
            clipped[j] = c[j] != kept + admitted ? 1u : 0;

            int exposed = FixedPoint.MultiplyRound(o, FixedPoint.Tanh(CellToQ12(c[j], n)));
            hidden[j] = (short)exposed;
            int rounded = FixedPoint.MultiplyRound(exposed, cell.HiddenMultiplier[j]);
            h[j] = (sbyte)Math.Clamp(rounded, -127, 127);
            clipped[j] |= h[j] != rounded ? 1u << 16 : 0;
        }
    }

    /// <summary>A dense head: int16 Q0.15 in, physical float out. The only float operations of a step are here: one conversion, one product.</summary>
    internal static void StepDense(Dense dense, ReadOnlySpan<short> hidden, Span<float> outputs)
    {
        for (int r = 0; r < dense.OutputCount; r++)
        {
            ReadOnlySpan<sbyte> weights = dense.Weight.AsSpan(r * dense.InputCount, dense.InputCount);
            int accumulator = dense.Bias[r];
            for (int j = 0; j < weights.Length; j++)
            {
                accumulator += weights[j] * hidden[j];
            }

            outputs[r] = accumulator * dense.Scale[r];
        }
    }

    // z_r = SAT16(SHR(m_h·SAT16(SHR(W_h·h, s_h)) + m_x·SAT16(SHR(W_x·x, s_x)) + b, s_z))
    private static int GateArgument(LstmCell cell, int r, ReadOnlySpan<short> x, ReadOnlySpan<sbyte> h)
    {
        ReadOnlySpan<sbyte> inputWeights = cell.InputWeight.AsSpan(r * cell.InputCount, cell.InputCount);
        int fromInput = 0;
        for (int j = 0; j < inputWeights.Length; j++)
        {
            fromInput += inputWeights[j] * x[j];
        }

        ReadOnlySpan<sbyte> recurrentWeights = cell.RecurrentWeight.AsSpan(r * cell.HiddenCount, cell.HiddenCount);
        int fromHidden = 0;
        for (int j = 0; j < recurrentWeights.Length; j++)
        {
            fromHidden += recurrentWeights[j] * h[j];
        }

        int sum = (cell.RecurrentMultiplier[r] * FixedPoint.Saturate16(FixedPoint.ShiftRightRound(fromHidden, cell.RecurrentShift)))
            + (cell.InputMultiplier[r] * FixedPoint.Saturate16(FixedPoint.ShiftRightRound(fromInput, cell.InputShift)))
            + cell.Bias[r];
        return FixedPoint.Saturate16(FixedPoint.ShiftRightRound(sum, cell.GateShift));
    }

    private static int CellToQ12(int c, int n) =>
        n >= 12 ? FixedPoint.ShiftRightRound(c, n - 12) : FixedPoint.Saturate16(c << (12 - n));
}
