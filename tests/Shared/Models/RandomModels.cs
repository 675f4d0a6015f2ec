using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Inference.Reference;

namespace Edge.Testing;

/// <summary>Models with seeded random weights: any shape, no training.</summary>
internal static class RandomModels
{
    internal static ModelManifest Manifest(int inputs, int outputs) => new()
    {
        Name = "random",
        Columns = Enumerable.Range(0, inputs).Select(i => $"c{i}").ToArray(),
        Units = Enumerable.Repeat("V", inputs).ToArray(),
        PeriodSeconds = 1,
        Mean = Enumerable.Range(0, inputs).Select(i => (double)i).ToArray(),
        Std = Enumerable.Range(0, inputs).Select(i => 1.0 + i).ToArray(),
        Outputs = Enumerable.Range(0, outputs).Select(k => new ModelOutput(k % inputs, 1 + (k / inputs))).ToArray(),
        OutputRmse = Enumerable.Repeat(0.5, outputs).ToArray(),
    };

    /// <summary>The bytes of an int8 model whose every parameter is drawn from its whole allowed range that keeps gates lively.</summary>
    internal static byte[] Int8(int seed, int inputs, int hidden, int layers, int outputs)
    {
        var random = new Random(seed);
        var cells = new List<LstmCell>();
        for (int l = 0; l < layers; l++)
        {
            int width = l == 0 ? inputs : hidden;
            cells.Add(new LstmCell(
                width, hidden, l == 0 ? Math.Min(30, 8 + Log2(width)) : Log2(width), Log2(hidden), 10, random.Next(9, 14),
                Weights(random, 4 * hidden * width), Weights(random, 4 * hidden * hidden),
                Shorts(random, 4 * hidden, 500, 4000), Shorts(random, 4 * hidden, 500, 4000),
                Enumerable.Range(0, 4 * hidden).Select(_ => random.Next(-4_000_000, 4_000_000)).ToArray(),
                Shorts(random, hidden, 127, 400)));
        }

        var head = new Dense(
            hidden, outputs, Weights(random, outputs * hidden),
            Enumerable.Range(0, outputs).Select(_ => random.Next(-100_000, 100_000)).ToArray(),
            Enumerable.Range(0, outputs).Select(_ => 1e-7f + (1e-6f * random.NextSingle())).ToArray());
        return new EdgeModel(
            Manifest(inputs, outputs), new float[inputs], Enumerable.Repeat(1f / 4096, inputs).ToArray(), [.. cells], head, "{}", new string('0', 64)).ToBytes();
    }

    internal static FloatModel Float(int seed, int inputs, int hidden, int layers, int outputs)
    {
        var random = new Random(seed);
        float scale = 1 / MathF.Sqrt(hidden);
        return new FloatModel(
            inputs,
            Enumerable.Range(0, layers)
                .Select(l => (Width: l == 0 ? inputs : hidden, l))
                .Select(layer => new FloatLstm(
                    layer.Width, hidden, Floats(random, 4 * hidden * layer.Width, scale), Floats(random, 4 * hidden * hidden, scale), Floats(random, 4 * hidden, scale)))
                .ToArray(),
            new FloatDense(hidden, outputs, Floats(random, outputs * hidden, scale), Floats(random, outputs, scale)),
            new string('0', 64));
    }

    private static int Log2(int value) => (int)Math.Ceiling(Math.Log2(value + 1));

    private static sbyte[] Weights(Random random, int count) => Enumerable.Range(0, count).Select(_ => (sbyte)random.Next(-127, 128)).ToArray();

    private static short[] Shorts(Random random, int count, int min, int max) => Enumerable.Range(0, count).Select(_ => (short)random.Next(min, max)).ToArray();

    private static float[] Floats(Random random, int count, float scale) => Enumerable.Range(0, count).Select(_ => scale * ((2 * random.NextSingle()) - 1)).ToArray();
}
