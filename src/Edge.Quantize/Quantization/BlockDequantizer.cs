using Edge.Inference.Cells;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>One product of an int8 block in real numbers again.</summary>
internal static class BlockDequantizer
{
    private const double BitsPerNat = 1.4426950408889634;

    /// <summary>The float block with one product as the integers have it.</summary>
    internal static FloatBlock With(FloatBlock block, BlockLayer quantized, int product)
    {
        (string name, Product q) = quantized.Products[product];
        FloatBlockProduct f = block.Products[product];
        double steps = q.Activation switch
        {
            Activation.Tanh => 4096,
            Activation.Sigmoid => 2048,
            Activation.Table => 1 << q.ArgumentFractionBits,
            _ => 1 << q.OutputFractionBits,
        };
        if (name is "i" or "f" or "gates")
        {
            steps *= BitsPerNat;
        }

        Func<int, int> inputBits = InputBits(quantized, name);
        FloatProduct input = f.Input with
        {
            Weight = Real(q.InputWeight, q.InputMultiplier, q.InputShift + q.GateShift, steps, q.InputNarrowing, q.Heads, inputBits),
            Bias = [.. q.Bias.Select(b => (float)Math.ScaleB(b / steps, -q.GateShift))],
        };
        FloatProduct? recurrent = f.Recurrent is null ? null : f.Recurrent with
        {
            Weight = Real(
                q.RecurrentWeight, q.RecurrentMultiplier, q.RecurrentShift + q.GateShift, steps, q.RecurrentNarrowing, q.Heads, _ => 15),
            Bias = new float[q.UnitCount],
        };
        return block.With(name, input, recurrent);
    }

    private static float[] Real(
        short[] weight, short[] multiplier, int shift, double steps, short[] narrowing, int heads, Func<int, int> inputBits)
    {
        int columns = weight.Length / multiplier.Length;
        int rows = multiplier.Length / heads;
        return
        [
            .. weight.Select((w, at) =>
            {
                int row = at / columns;
                int column = (row / rows * columns) + (at % columns);
                double step = narrowing.Length == 0
                    ? Math.ScaleB(1, -inputBits(column))
                    : Math.ScaleB(1.0 / narrowing[column], 15 - inputBits(column));
                return (float)(Math.ScaleB(w * (double)multiplier[row] / steps, -shift) / step);
            }),
        ];
    }

    // Fraction bits of each input of a product.
    private static Func<int, int> InputBits(BlockLayer block, string name)
    {
        if (block is MlstmBlock mlstm && name == "gates")
        {
            Product[] parts = [mlstm.Query, mlstm.Key, mlstm.Value];
            return column => parts[column / mlstm.InnerCount].OutputFractionBits;
        }

        int bits = (block, name) switch
        {
            (MlstmBlock m, "v") => m.Up.OutputFractionBits,
            (MlstmBlock { Features: var features }, "q" or "k") => features.OutputFractionBits,
            (MlstmBlock m, "down") => m.GatedFractionBits,
            (SlstmBlock { Features: { } features }, "i" or "f") => features.OutputFractionBits,
            (FeedForwardBlock f, "down") => f.Gate.OutputFractionBits + f.Up.OutputFractionBits - f.GateShift,
            _ => Normalization.FractionBits(block.UnitCount),
        };
        return _ => bits;
    }
}
