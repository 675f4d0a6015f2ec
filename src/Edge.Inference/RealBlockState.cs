using System.Runtime.InteropServices;
using Edge.Inference.Cells;

namespace Edge.Inference;

/// <summary>
/// The state of a block in real numbers, as the float reference has it: y, c, n, m and the rows of the convolution of an sLSTM; C, n, m and
/// the sum of weights of each head and the rows of the convolution of an mLSTM. The integers keep c/n and m + log n, which is the same
/// with n = 1.
/// </summary>
internal static class RealBlockState
{
    private static readonly double Ln2 = Math.Log(2);

    internal static int Count(BlockLayer block) => block switch
    {
        SlstmBlock slstm => (4 * slstm.UnitCount) + (slstm.Features?.StateCount ?? 0),
        MlstmBlock mlstm => (mlstm.Heads * ((mlstm.HeadStates / 2) + 1)) + mlstm.Features.StateCount,
        _ => 0,
    };

    internal static void Read(BlockLayer block, ReadOnlySpan<short> state, Span<float> values)
    {
        switch (block)
        {
            case SlstmBlock slstm:
                int units = slstm.UnitCount;
                ReadOnlySpan<int> means = Ints(state.Slice(units, 2 * units));
                ReadOnlySpan<int> logs = Ints(state.Slice(3 * units, 2 * units));
                ReadEach(state[..units], values, 15);
                for (int j = 0; j < units; j++)
                {
                    values[units + j] = Mean(means[j], 1);
                    values[(2 * units) + j] = logs[j] == LogArithmetic.Nothing ? 0 : 1;
                    values[(3 * units) + j] = Log(logs[j]);
                }

                ReadEach(state[(5 * units)..], values[(4 * units)..], Normalization.FractionBits(units));
                break;
            case MlstmBlock mlstm:
                int memory = mlstm.HeadUnits * mlstm.HeadUnits;
                (double memoryUnit, double keyUnit) = Units(mlstm);
                int at = 0;
                for (int head = 0; head < mlstm.Heads; head++)
                {
                    ReadOnlySpan<int> own = Ints(state.Slice(head * mlstm.HeadStates, mlstm.HeadStates));
                    for (int i = 0; i < own.Length - 1; i++)
                    {
                        values[at++] = Mean(own[i], i < memory ? memoryUnit : keyUnit);
                    }

                    values[at++] = Log(own[^1]);
                    values[at++] = own[^1] == LogArithmetic.Nothing ? 0 : 1;
                }

                ReadEach(state[(mlstm.Heads * mlstm.HeadStates)..], values[at..], mlstm.Up.OutputFractionBits);
                break;
        }
    }

    /// <summary>The nearest state; values outside a range are clamped.</summary>
    internal static void Write(BlockLayer block, ReadOnlySpan<float> values, Span<short> state)
    {
        switch (block)
        {
            case SlstmBlock slstm:
                int units = slstm.UnitCount;
                Span<int> means = Ints(state.Slice(units, 2 * units));
                Span<int> logs = Ints(state.Slice(3 * units, 2 * units));
                WriteEach(values[..units], state, 15);
                for (int j = 0; j < units; j++)
                {
                    float n = values[(2 * units) + j];
                    means[j] = n > 0 ? ToMean(values[units + j] / n, 1) : 0;
                    logs[j] = ToLog(values[(3 * units) + j], n);
                }

                WriteEach(values[(4 * units)..], state[(5 * units)..], Normalization.FractionBits(units));
                break;
            case MlstmBlock mlstm:
                int memory = mlstm.HeadUnits * mlstm.HeadUnits;
                (double memoryUnit, double keyUnit) = Units(mlstm);
                int each = (mlstm.HeadStates / 2) + 1;
                for (int head = 0; head < mlstm.Heads; head++)
                {
                    ReadOnlySpan<float> from = values.Slice(head * each, each);
                    Span<int> own = Ints(state.Slice(head * mlstm.HeadStates, mlstm.HeadStates));
                    float sum = from[^1];
                    for (int i = 0; i < own.Length - 1; i++)
                    {
                        own[i] = sum > 0 ? ToMean(from[i] / sum, i < memory ? memoryUnit : keyUnit) : 0;
                    }

                    own[^1] = ToLog(from[^2], sum);
                }

                WriteEach(values[(mlstm.Heads * each)..], state[(mlstm.Heads * mlstm.HeadStates)..], mlstm.Up.OutputFractionBits);
                break;
        }
    }

    // What 1.0 of M and of N is worth: k·vᵀ/√d and k/√d.
    private static (double Memory, double Key) Units(MlstmBlock block)
    {
        double key = Math.ScaleB(1 / Math.Sqrt(block.HeadUnits), 15 - block.Key.OutputFractionBits);
        return (Math.ScaleB(key, block.ProductShift - block.Value.OutputFractionBits), key);
    }

    private static ReadOnlySpan<int> Ints(ReadOnlySpan<short> state) => MemoryMarshal.Cast<short, int>(state);

    private static Span<int> Ints(Span<short> state) => MemoryMarshal.Cast<short, int>(state);

    private static float Mean(int mean, double unit) => (float)(Math.ScaleB(mean, -LogArithmetic.MeanBits) * unit);

    private static int ToMean(double value, double unit) =>
        (int)Math.Clamp(
            Math.Round(Math.ScaleB(value / unit, LogArithmetic.MeanBits)),
            -(1 << LogArithmetic.MeanBits),
            (1 << LogArithmetic.MeanBits) - (1 << LogArithmetic.MeanShift));

    private static float Log(int log) =>
        log == LogArithmetic.Nothing ? 0 : (float)(Math.ScaleB(log, -LogArithmetic.LogBits) * Ln2);

    private static int ToLog(float m, float n) => n > 0
        ? (int)Math.Round(Math.ScaleB(Math.Clamp((m + Math.Log(n)) / Ln2, -64, 64), LogArithmetic.LogBits))
        : LogArithmetic.Nothing;

    private static void ReadEach(ReadOnlySpan<short> state, Span<float> values, int fractionBits)
    {
        for (int i = 0; i < values.Length && i < state.Length; i++)
        {
            values[i] = MathF.ScaleB(state[i], -fractionBits);
        }
    }

    private static void WriteEach(ReadOnlySpan<float> values, Span<short> state, int fractionBits)
    {
        for (int i = 0; i < values.Length && i < state.Length; i++)
        {
            state[i] = (short)Math.Clamp(Math.Round(Math.ScaleB((double)values[i], fractionBits)), short.MinValue, short.MaxValue);
        }
    }
}
