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

        int inputBits = InputBits(quantized, name);
        FloatProduct input = f.Input with
        {
            Weight = Real(q.InputWeight, q.InputMultiplier, q.InputShift + q.GateShift, steps, q.InputNarrowing, q.Heads, inputBits),
            Bias = [.. q.Bias.Select(b => (float)Math.ScaleB(b / steps, -q.GateShift))],
        };
        FloatProduct? recurrent = f.Recurrent is null ? null : f.Recurrent with
        {
            Weight = Real(
                q.RecurrentWeight, q.RecurrentMultiplier, q.RecurrentShift + q.GateShift, steps, q.RecurrentNarrowing, q.Heads, 15),
            Bias = new float[q.UnitCount],
        };
        return block.With(name, input, recurrent);
    }

    private static float[] Real(
        short[] weight, short[] multiplier, int shift, double steps, short[] narrowing, int heads, int inputBits)
    {
        int columns = weight.Length / multiplier.Length;
        int rows = multiplier.Length / heads;
        return
        [
            .. weight.Select((w, at) =>
            {
                int row = at / columns;
                double step = narrowing.Length == 0
                    ? Math.ScaleB(1, -inputBits)
                    : Math.ScaleB(1.0 / narrowing[(row / rows * columns) + (at % columns)], 15 - inputBits);
                return (float)(Math.ScaleB(w * (double)multiplier[row] / steps, -shift) / step);
            }),
        ];
    }

    private static int InputBits(BlockLayer block, string name)
    {
        int normal = Normalization.FractionBits(block.UnitCount);
        return (block, name) switch
        {
            (MlstmBlock mlstm, "gates") => mlstm.Query.OutputFractionBits,
            (MlstmBlock mlstm, "v") => mlstm.Up.OutputFractionBits,
            (MlstmBlock { Features: var features }, "q" or "k") => features.OutputFractionBits,
            (MlstmBlock mlstm, "down") => mlstm.GatedFractionBits,
            (SlstmBlock { Features: { } features }, "i" or "f") => features.OutputFractionBits,
            (FeedForwardBlock feedForward, "down") =>
                feedForward.Gate.OutputFractionBits + feedForward.Up.OutputFractionBits - feedForward.GateShift,
            _ => normal,
        };
    }
}
