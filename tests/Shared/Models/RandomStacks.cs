using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Testing;

/// <summary>xLSTM block stacks in integers with seeded random weights: any width, any number of heads, every option.</summary>
internal static class RandomStacks
{
    /// <summary>The bytes of a model: a linear layer, one to three blocks of any kind, a norm, a head.</summary>
    /// <param name="seed">Draws everything else.</param>
    /// <param name="inputs">I.</param>
    /// <param name="headsMax">Most heads.</param>
    /// <param name="headUnitsMax">Most units a head.</param>
    internal static byte[] Int8(int seed, int inputs, int headsMax = 4, int headUnitsMax = 12)
    {
        var random = new Random(seed);
        int heads = random.Next(1, 1 + headsMax);
        int units = heads * random.Next(1, 1 + headUnitsMax);
        int bits = random.Next(6, 13);
        var layers = new List<Layer> { Dense(random, inputs, units, bits) };
        for (int blocks = random.Next(1, 4); blocks > 0; blocks--)
        {
            int width = random.Next(2) == 0 ? 8 : 16;
            layers.Add(random.Next(5) switch
            {
                0 => FeedForward(random, units, bits, width, random.Next(1, 40)),
                1 or 2 => Mlstm(random, units, heads * random.Next(1, 1 + headUnitsMax), heads, bits, width),
                _ => Slstm(random, units, heads, bits, width, random.Next(4) > 0),
            });
        }

        layers.Add(new NormLayer
        {
            InputCount = units,
            UnitCount = units,
            HiddenBits = 16,
            InputFractionBits = bits,
            OutputFractionBits = Normalization.FractionBits(units),
            Epsilon = Normalization.Epsilon(units, bits),
        });
        return File(inputs, [.. layers], 3, random);
    }

    /// <summary>One sLSTM part by itself, heads of a full matrix, without convolution: what cells are measured with.</summary>
    internal static byte[] OneSlstm(int units, int width = 8) =>
        File(units, [Slstm(new Random(1), units, 1, 10, width, false)], 0, new Random(2));

    /// <summary>One mLSTM part by itself.</summary>
    internal static byte[] OneMlstm(int heads, int headUnits, int width = 8) =>
        File(heads * headUnits, [Mlstm(new Random(1), heads * headUnits, heads * headUnits, heads, 10, width)], 0, new Random(2));

    private static byte[] File(int inputs, Layer[] layers, int outputs, Random random)
    {
        int units = layers[^1].UnitCount;
        DenseHead? head = outputs == 0 ? null : new DenseHead
        {
            InputCount = units,
            OutputCount = outputs,
            Weight = Shorts(random, outputs * units, -127, 128),
            Bias = new int[outputs],
            Scale = [.. Enumerable.Repeat(1e-6f, outputs)],
        };
        return new EdgeModel(
            RandomModels.Manifest(inputs, outputs == 0 ? units : outputs),
            new float[inputs],
            [.. Enumerable.Repeat(1f / 4096, inputs)],
            null,
            layers,
            head,
            "{}",
            new string('0', 64)).ToBytes();
    }

    private static DenseLayer Dense(Random random, int inputs, int units, int bits) => new()
    {
        InputCount = inputs,
        UnitCount = units,
        InputShift = 10,
        RecurrentShift = 0,
        GateShift = 9,
        HiddenBits = 16,
        OutputFractionBits = bits,
        Activation = Activation.Linear,
        InputWeight = Shorts(random, units * inputs, -900, 900),
        RecurrentWeight = [],
        InputMultiplier = Shorts(random, units, 500, 4000),
        RecurrentMultiplier = [],
        Bias = Biases(random, units),
        HiddenMultiplier = [],
    };

    private static SlstmBlock Slstm(Random random, int units, int heads, int bits, int width, bool hasFeatures) => new()
    {
        InputCount = units,
        UnitCount = units,
        HiddenBits = width,
        InputFractionBits = bits,
        OutputFractionBits = bits,
        Heads = heads,
        Features = hasFeatures ? Convolution(random, units) : null,
        InputGate = Product(random, units, units, heads, width, units, Activation.Linear),
        ForgetGate = Product(random, units, units, heads, width, units, Activation.Linear),
        Candidate = Product(random, units, units, heads, width, units, Activation.Tanh),
        OutputGate = Product(random, units, units, heads, width, units, Activation.Sigmoid),
        Gain = Shorts(random, units, -32767, 32767),
        GainShift = random.Next(12, 20),
    };

    private static MlstmBlock Mlstm(Random random, int units, int inner, int heads, int bits, int width) => new()
    {
        InputCount = units,
        UnitCount = units,
        HiddenBits = width,
        InputFractionBits = bits,
        OutputFractionBits = bits,
        Heads = heads,
        Up = Product(random, units, inner, 1, width, 0, Activation.Linear),
        Gate = Product(random, units, inner, 1, width, 0, Activation.Table),
        Features = Convolution(random, inner),
        Query = Product(random, inner, inner, random.Next(2) == 0 ? heads : inner, width, 0, Activation.Linear),
        Key = Product(random, inner, inner, heads, width, 0, Activation.Linear),
        Value = Product(random, inner, inner, heads, width, 0, Activation.Linear),
        Gates = Product(random, 3 * inner, 2 * heads, 1, width, 0, Activation.Linear),
        ProductShift = random.Next(0, 16),
        MemoryShift = random.Next(0, 15),
        KeyShift = random.Next(0, 15),
        FloorLog = random.Next(10, 30) << LogArithmetic.LogBits,
        EpsilonMultiplier = random.Next(16384, 32767),
        EpsilonShift = random.Next(18, 30),
        Gain = Shorts(random, inner, -16383, 16383),
        Skip = Shorts(random, inner, -16383, 16383),
        SkipShift = random.Next(12, 18),
        GateShift = random.Next(10, 16),
        GatedFractionBits = 10,
        Down = Product(random, inner, units, 1, 16, 0, Activation.Linear),
    };

    private static FeedForwardBlock FeedForward(Random random, int units, int bits, int width, int inner) => new()
    {
        InputCount = units,
        UnitCount = units,
        HiddenBits = width,
        InputFractionBits = bits,
        OutputFractionBits = bits,
        Gate = Product(
            random, units, inner, 1, width, 0, new[] { Activation.Table, Activation.Ramp, Activation.Sigmoid }[random.Next(3)]),
        Up = Product(random, units, inner, 1, width, 0, Activation.Linear),
        GateShift = random.Next(10, 16),
        Down = Product(random, inner, units, 1, 16, 0, Activation.Linear),
    };

    private static Product Product(Random random, int inputs, int units, int heads, int width, int states, Activation activation)
    {
        int columns = inputs / heads;
        return new Product
        {
            InputCount = inputs,
            UnitCount = units,
            InputShift = width == 8 ? Log2(columns) : Math.Min(16, 8 + Log2(columns)),
            RecurrentShift = width == 8 ? Log2(columns) : Math.Min(16, 8 + Log2(columns)),
            GateShift = random.Next(8, 12),
            HiddenBits = width,
            OutputFractionBits = 9,
            RecurrentInputs = states / heads,
            Heads = heads,
            Activation = activation,
            ArgumentFractionBits = activation == Activation.Table ? 12 : 0,
            Table = activation == Activation.Table ? Table(random) : null,
            InputNarrowing = width == 8 ? Shorts(random, inputs, 100, 500) : [],
            RecurrentNarrowing = width == 8 && states > 0 ? Shorts(random, states, 100, 400) : [],
            InputWeight = Weights(random, units * columns, columns, width),
            RecurrentWeight = states > 0 ? Weights(random, units * (states / heads), states / heads, width) : [],
            InputMultiplier = Shorts(random, units, 500, 4000),
            RecurrentMultiplier = states > 0 ? Shorts(random, units, 500, 4000) : [],
            Bias = Biases(random, units),
            HiddenMultiplier = [],
        };
    }

    private static Convolution Convolution(Random random, int width)
    {
        int taps = random.Next(1, 6);
        return new Convolution
        {
            Width = width,
            Taps = taps,
            Weight = Shorts(random, taps * width, -10_000, 10_000),
            Bias = Biases(random, width),
            Shift = random.Next(10, 16),
            OutputFractionBits = 12,
            Table = Table(random),
        };
    }

    // A smooth one: neighbors are close, as they are of a function.
    private static short[] Table(Random random)
    {
        double slope = random.NextDouble();
        return
        [
            .. Enumerable.Range(0, ActivationTable.Length).Select(entry =>
                (short)Math.Clamp((ActivationTable.Argument(entry) * slope) + random.Next(-9, 10), short.MinValue, short.MaxValue)),
        ];
    }

    private static int Log2(int value) => (int)Math.Ceiling(Math.Log2(value + 1));

    private static short[] Weights(Random random, int count, int columns, int width)
    {
        int limit = width == 8 ? 127 : Math.Min(short.MaxValue, 45_000 / columns);
        return Shorts(random, count, -limit, limit + 1);
    }

    private static int[] Biases(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => random.Next(-1_000_000, 1_000_000))];

    private static short[] Shorts(Random random, int count, int min, int max) =>
        [.. Enumerable.Range(0, count).Select(_ => (short)random.Next(min, max))];
}
