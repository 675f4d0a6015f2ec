using System.Runtime.InteropServices;
using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Inference;

/// <summary>
/// An int8 model's state in real numbers, in the order of the float reference: hidden states of every recurrent layer, then what each
/// layer keeps beside them (an LSTM its cell state, a block all of its state), then the last rows of a regression on them.
/// docs/quantization.md and docs/xlstm.md give the formats.
/// </summary>
internal static class RealState
{
    // h8 = MULR(output, m) = output·m·2^-15.
    private const double MultiplierOne = 32768;

    internal static int Count(EdgeModel model) =>
        model.Layers.Sum(layer => layer switch
        {
            BlockLayer block => RealBlockState.Count(block),
            LstmCell => 2 * layer.UnitCount,
            _ => layer.IsRecurrent ? layer.UnitCount : 0,
        }) + (model.Lags?.StateCount ?? 0);

    internal static void Read(EdgeModel model, ReadOnlySpan<byte> state, Span<float> values)
    {
        int at = 0;
        for (int l = 0; l < model.Layers.Length; l++)
        {
            for (int j = 0; model.Layers[l] is GateLayer { IsRecurrent: true } layer && j < layer.UnitCount; j++)
            {
                values[at++] = layer is LstmCell && layer.HiddenBits == 8
                    ? (float)(
                        (sbyte)state[model.States.Narrow[l] + j] * (MultiplierOne / layer.HiddenMultiplier[j])
                            * Math.ScaleB(1, -layer.OutputFractionBits))
                    : MathF.ScaleB(Wide(model, state, l)[j + HiddenOffset(layer)], -layer.OutputFractionBits);
            }
        }

        for (int l = 0; l < model.Layers.Length; l++)
        {
            for (int j = 0; model.Layers[l] is LstmCell cell && j < cell.UnitCount; j++)
            {
                values[at++] = MathF.ScaleB(Wide(model, state, l)[j], -cell.CellFractionBits[j]);
            }

            if (model.Layers[l] is BlockLayer block)
            {
                RealBlockState.Read(block, Wide(model, state, l), values.Slice(at, RealBlockState.Count(block)));
                at += RealBlockState.Count(block);
            }
        }

        ReadOnlySpan<short> lags = MemoryMarshal.Cast<byte, short>(state[..model.States.LagBytes]);
        for (int i = 0; i < lags.Length; i++)
        {
            int input = (i - 1) % model.InputCount;
            values[at++] = i == 0 ? lags[0] : (lags[i] * model.InputScale[input]) + model.InputOffset[input];
        }
    }

    /// <summary>The nearest state; values outside a range are clamped.</summary>
    internal static void Write(EdgeModel model, ReadOnlySpan<float> values, Span<byte> state)
    {
        int at = 0;
        for (int l = 0; l < model.Layers.Length; l++)
        {
            Span<short> wide = MemoryMarshal.Cast<byte, short>(state[model.States.Wide[l]..]);
            for (int j = 0; model.Layers[l] is GateLayer { IsRecurrent: true } layer && j < layer.UnitCount; j++)
            {
                double output = Math.ScaleB(values[at++], layer.OutputFractionBits);
                if (layer is LstmCell && layer.HiddenBits == 8)
                {
                    state[model.States.Narrow[l] + j] = (byte)(sbyte)Math.Clamp(
                        Math.Round(output * layer.HiddenMultiplier[j] / MultiplierOne),
                        -sbyte.MaxValue,
                        sbyte.MaxValue);
                }
                else
                {
                    wide[j + HiddenOffset(layer)] = (short)Math.Clamp(Math.Round(output), short.MinValue, short.MaxValue);
                }
            }
        }

        for (int l = 0; l < model.Layers.Length; l++)
        {
            Span<short> wide = MemoryMarshal.Cast<byte, short>(state[model.States.Wide[l]..]);
            for (int j = 0; model.Layers[l] is LstmCell cell && j < cell.UnitCount; j++)
            {
                wide[j] = (short)Math.Clamp(
                    Math.Round(Math.ScaleB((double)values[at++], cell.CellFractionBits[j])),
                    short.MinValue,
                    short.MaxValue);
            }

            if (model.Layers[l] is BlockLayer block)
            {
                RealBlockState.Write(block, values.Slice(at, RealBlockState.Count(block)), wide);
                at += RealBlockState.Count(block);
            }
        }

        Span<short> lags = MemoryMarshal.Cast<byte, short>(state[..model.States.LagBytes]);
        for (int i = 0; i < lags.Length; i++)
        {
            int input = (i - 1) % model.InputCount;
            double steps = i == 0 ? values[at++] : (values[at++] - model.InputOffset[input]) / model.InputScale[input];
            lags[i] = (short)Math.Clamp(Math.Round(steps), -short.MaxValue, short.MaxValue);
        }
    }

    private static ReadOnlySpan<short> Wide(EdgeModel model, ReadOnlySpan<byte> state, int layer) =>
        MemoryMarshal.Cast<byte, short>(state[model.States.Wide[layer]..]);

    // An LSTM's cell state comes first.
    private static int HiddenOffset(Layer layer) => layer is LstmCell ? layer.UnitCount : 0;
}
