using Edge.Inference.Cells;

namespace Edge.Testing;

/// <summary>Stacks with layer norms and residual connections.</summary>
internal static partial class RandomModels
{
    /// <summary>
    /// The bytes of a model: a dense layer, one to four residual connections around layers of any kind, with norms before, after or not at
    /// all, and a head.
    /// </summary>
    internal static byte[] Int8WithResiduals(int seed, int inputs, int units, int outputs)
    {
        var random = new Random(seed);
        var stack = new List<Layer> { Dense(random, inputs, units, random.Next(4, 16)) };
        for (int parts = random.Next(1, 5); parts > 0; parts--)
        {
            int source = stack.Count - 1;
            if (random.Next(2) == 0)
            {
                stack.Add(Norm(random, stack[^1]));
            }

            if (random.Next(2) == 0)
            {
                stack.Add(AnyLayer(random, stack[^1], random.Next(1, 1 + units)));
            }

            stack.Add(AnyLayer(random, stack[^1], units));
            int[] sources = [.. Enumerable.Range(0, stack.Count).Where(l => stack[l].UnitCount == units)];
            source = random.Next(3) == 0 ? sources[random.Next(sources.Length)] : source;
            stack.Add(new ResidualLayer
            {
                InputCount = units,
                UnitCount = units,
                HiddenBits = 16,
                InputFractionBits = stack[^1].OutputFractionBits,
                Source = source,
                SourceFractionBits = stack[source].OutputFractionBits,
                OutputFractionBits = random.Next(0, 1 + Math.Max(stack[^1].OutputFractionBits, stack[source].OutputFractionBits)),
            });
            if (random.Next(3) == 0)
            {
                stack.Add(Norm(random, stack[^1]));
            }
        }

        if (random.Next(5) == 0)
        {
            return File(inputs, [.. stack], null);
        }

        OutputActivation activation = random.Next(3) == 0 ? OutputActivation.LogSoftmax : OutputActivation.Linear;
        return File(inputs, [.. stack], Head(random, units, outputs, activation));
    }

    private static NormLayer Norm(Random random, Layer below) => new()
    {
        InputCount = below.UnitCount,
        UnitCount = below.UnitCount,
        HiddenBits = 16,
        InputFractionBits = below.OutputFractionBits,
        OutputFractionBits = Normalization.FractionBits(below.UnitCount),
        Epsilon = random.Next(2) == 0
            ? Normalization.Epsilon(below.UnitCount, below.OutputFractionBits) : 1 + random.NextInt64(1L << random.Next(1, 62)),
    };

    private static GateLayer AnyLayer(Random random, Layer below, int units)
    {
        int bits = random.Next(2) == 0 ? 8 : 16;
        return random.Next(4) switch
        {
            0 => LstmOfAnyKind(random, below.UnitCount, units, bits, !below.IsNarrow),
            1 => Gru(random, below.UnitCount, units, bits, !below.IsNarrow),
            2 => Rnn(random, below.UnitCount, units, bits, !below.IsNarrow),
            _ => Dense(random, below.UnitCount, units, random.Next(4, 16)),
        };
    }
}
