using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Training.Reference;

namespace Edge.Testing;

/// <summary>Models with seeded random weights: any shape, no training.</summary>
internal static partial class RandomModels
{
    internal static ModelManifest Manifest(int inputs, int outputs, int symbolColumn = -1) => new()
    {
        Name = "random",
        Columns = Enumerable.Range(0, inputs).Select(i => $"c{i}").ToArray(),
        Units = Enumerable.Repeat("V", inputs).ToArray(),
        PeriodSeconds = 1,
        Mean = Enumerable.Range(0, inputs).Select(i => i == symbolColumn ? 0.0 : i).ToArray(),
        Std = Enumerable.Range(0, inputs).Select(i => i == symbolColumn ? 1.0 : 1.0 + i).ToArray(),
        Outputs = Enumerable.Range(0, outputs).Select(k => new ModelOutput(k % inputs, 1 + (k / inputs))).ToArray(),
        OutputRmse = Enumerable.Repeat(0.5, outputs).ToArray(),
    };

    /// <summary>The bytes of an int8 model whose every parameter is drawn from its whole allowed range that keeps gates lively.</summary>
    internal static byte[] Int8(int seed, int inputs, int hidden, int layers, int outputs, bool clips = true)
    {
        var random = new Random(seed);
        var cells = new List<Layer>();
        for (int l = 0; l < layers; l++)
        {
            int width = l == 0 ? inputs : hidden;
            cells.Add(Lstm(random, width, hidden, l == 0, clips));
        }

        return File(inputs, [.. cells], Head(random, hidden, outputs, OutputActivation.Linear));
    }

    /// <summary>The bytes of a model of one to three layers of any kind, every option drawn too.</summary>
    internal static byte[] Int8Family(int seed, int inputs, int hidden, int layers, int outputs)
    {
        var random = new Random(seed);
        var stack = new List<Layer>();
        for (int l = 0; l < layers; l++)
        {
            int width = l == 0 ? inputs : stack[^1].UnitCount;
            int units = l == 0 ? hidden : random.Next(1, 1 + hidden);
            int bits = random.Next(2) == 0 ? 8 : 16;
            bool isDense = random.Next(5) == 0;
            bool isWide = l == 0 || isDense || !stack[^1].IsNarrow;
            stack.Add(isDense ? Dense(random, width, units) : random.Next(3) switch
            {
                0 => LstmOfAnyKind(random, width, units, bits, isWide),
                1 => Gru(random, width, units, bits, isWide),
                _ => Rnn(random, width, units, bits, isWide),
            });
        }

        OutputActivation activation = Enum.GetValues<OutputActivation>()[random.Next(5)];
        DenseHead? head = random.Next(6) == 0 ? null : Head(random, stack[^1].UnitCount, outputs, activation);
        return random.Next(6) == 0 ? FileOfSymbols(random, 0, stack[0].InputCount, [.. stack], head) : File(inputs, [.. stack], head);
    }

    /// <summary>An LSTM, two dense layers with tables of any values, and a head with an activation for each run of outputs.</summary>
    internal static byte[] Int8WithTables(int seed, int inputs, int hidden, int outputs)
    {
        var random = new Random(seed);
        Layer[] layers =
        [
            LstmOfAnyKind(random, inputs, hidden, random.Next(2) == 0 ? 8 : 16, true),
            WithTable(Dense(random, hidden, random.Next(1, 1 + hidden))),
        ];
        DenseLayer last = WithTable(Dense(random, layers[1].UnitCount, random.Next(1, 1 + hidden)));
        DenseHead head = Head(random, last.UnitCount, outputs, OutputActivation.Linear);
        var segments = new List<HeadSegment>();
        for (int rest = outputs; rest > 0; rest -= segments[^1].Count)
        {
            segments.Add(new HeadSegment(random.Next(1, rest + 1), Enum.GetValues<OutputActivation>()[random.Next(5)]));
        }

        return File(inputs, [.. layers, last], new DenseHead
        {
            InputCount = head.InputCount,
            OutputCount = head.OutputCount,
            Weight = head.Weight,
            Bias = head.Bias,
            Scale = head.Scale,
            Segments = [.. segments],
        });

        DenseLayer WithTable(DenseLayer layer) => new()
        {
            InputCount = layer.InputCount,
            UnitCount = layer.UnitCount,
            InputShift = layer.InputShift,
            RecurrentShift = 0,
            GateShift = layer.GateShift,
            HiddenBits = 16,
            OutputFractionBits = random.Next(8, 16),
            Activation = Activation.Table,
            ArgumentFractionBits = random.Next(8, 13),
            Table = [.. Enumerable.Range(0, ActivationTable.Length).Select(_ => (short)random.Next(short.MinValue, short.MaxValue + 1))],
            InputWeight = layer.InputWeight,
            RecurrentWeight = [],
            InputMultiplier = layer.InputMultiplier,
            RecurrentMultiplier = [],
            Bias = layer.Bias,
            HiddenMultiplier = [],
        };
    }

    /// <summary>An LSTM with a regression on the last rows beside its head: on those of <paramref name="at"/>, or on some.</summary>
    internal static byte[] Int8WithLags(int seed, int inputs, int hidden, int outputs, int ownLags = 0, int[]? at = null)
    {
        var random = new Random(seed);
        EdgeModel model = EdgeModel.Parse(Int8(seed, inputs, hidden, 1, outputs));
        SortedSet<int> lags = [0, .. at ?? []];
        for (int i = at is null ? random.Next(12) : 0; i > 0; i--)
        {
            lags.Add(random.Next(1, 30));
        }

        return new EdgeModel(
            model.Manifest, model.InputOffset, model.InputScale, null, model.Layers, model.Head, "{}", model.Sha256, new LagRegression
            {
                InputCount = inputs,
                OutputCount = outputs,
                Lags = [.. lags],
                Weight = Shorts(random, outputs * lags.Count * inputs, -32767, 32767),
                Limit = Shorts(random, lags.Count * inputs, 0, 32767),
                Scale = Floats(random, outputs, 1e-8f).Select(Math.Abs).ToArray(),
                Bias = Floats(random, outputs, 1),
                OwnLags = ownLags,
                OwnColumn = ownLags == 0 ? [] : [.. Enumerable.Range(0, outputs).Select(_ => random.Next(inputs))],
                OwnWeight = Shorts(random, outputs * ownLags, -32767, 32767),
                OwnLimit = Shorts(random, inputs * ownLags, 0, 32767),
            }).ToBytes();
    }

    internal static FloatModel Float(int seed, int inputs, int hidden, int layers, int outputs)
    {
        var random = new Random(seed);
        float scale = 1 / MathF.Sqrt(hidden);
        return new FloatModel(
            null,
            null,
            Enumerable.Range(0, layers)
                .Select(l => (Width: l == 0 ? inputs : hidden, l))
                .Select(layer => new FloatLstm(
                    layer.Width,
                    hidden,
                    Floats(random, 4 * hidden * layer.Width, scale),
                    Floats(random, 4 * hidden * hidden, scale),
                    Floats(random, 4 * hidden, scale)))
                .ToArray(),
            new FloatDense(
                hidden,
                outputs,
                Floats(random, outputs * hidden, scale),
                Floats(random, outputs, scale),
                FloatActivation.Linear),
            new string('0', 64));
    }

    private static byte[] File(int inputs, Layer[] layers, DenseHead? head) => new EdgeModel(
        Manifest(inputs, head?.OutputCount ?? layers[^1].UnitCount),
        new float[inputs],
        Enumerable.Repeat(1f / 4096, inputs).ToArray(),
        null,
        layers,
        head,
        "{}",
        new string('0', 64)).ToBytes();

    private static LstmCell Lstm(Random random, int width, int hidden, bool isWide, bool clips) => new()
    {
        InputCount = width,
        UnitCount = hidden,
        InputShift = isWide ? Math.Min(30, 8 + Log2(width)) : Log2(width),
        RecurrentShift = Log2(hidden),
        GateShift = clips ? 10 : 13,
        CellFractionBits = [.. Enumerable.Repeat((sbyte)(clips ? random.Next(9, 14) : 11), hidden)],
        HiddenBits = 8,
        OutputFractionBits = 15,
        InputWeight = Weights(random, 4 * hidden * width),
        RecurrentWeight = Weights(random, 4 * hidden * hidden),
        InputMultiplier = Shorts(random, 4 * hidden, 500, 4000),
        RecurrentMultiplier = Shorts(random, 4 * hidden, 500, 4000),
        Bias = Biases(random, 4 * hidden),
        HiddenMultiplier = Shorts(random, hidden, 127, clips ? 400 : 127),
    };

    private static LstmCell LstmOfAnyKind(Random random, int width, int units, int bits, bool isWide)
    {
        int n = random.Next(0, 14);
        bool isCellRamp = random.Next(4) == 0;
        var candidate = (Activation)random.Next(3);
        bool isUniform = isCellRamp || candidate == Activation.Ramp || random.Next(2) == 0;
        return new LstmCell
        {
            InputCount = width,
            UnitCount = units,
            InputShift = InputShift(width, isWide),
            RecurrentShift = InputShift(units, bits == 16),
            GateShift = random.Next(8, 12),
            CellFractionBits = Enumerable.Range(0, units).Select(_ => (sbyte)(isUniform ? n : random.Next(0, 13))).ToArray(),
            HiddenBits = bits,
            OutputFractionBits = isCellRamp ? n : 15,
            GateActivation = random.Next(3) == 0 ? Activation.Ramp : Activation.Sigmoid,
            CandidateActivation = candidate,
            CellActivation = isCellRamp ? Activation.Ramp : Activation.Tanh,
            Peephole = random.Next(2) == 0 ? Shorts(random, 3 * units, -32767, 32767) : null,
            PeepholeShift = random.Next(4),
            InputWeight = WeightsOf(random, 4 * units, width, isWide),
            RecurrentWeight = WeightsOf(random, 4 * units, units, bits == 16),
            InputMultiplier = Shorts(random, 4 * units, 500, 4000),
            RecurrentMultiplier = Shorts(random, 4 * units, 500, 4000),
            Bias = Biases(random, 4 * units),
            HiddenMultiplier = bits == 8 ? Shorts(random, units, 127, 400) : [],
            Clip = Clip(random, 4),
            InitialWide = random.Next(3) == 0 ? Shorts(random, (bits == 8 ? 1 : 2) * units, -32768, 32767) : null,
            InitialNarrow = bits == 8 && random.Next(3) == 0 ? Weights(random, units).Select(value => (sbyte)value).ToArray() : null,
        };
    }

    private static GruCell Gru(Random random, int width, int units, int bits, bool isWide)
    {
        bool resetAfter = random.Next(2) == 0;
        return new GruCell
        {
            InputCount = width,
            UnitCount = units,
            InputShift = InputShift(width, isWide),
            RecurrentShift = InputShift(units, bits == 16),
            GateShift = random.Next(8, 12),
            HiddenBits = bits,
            OutputFractionBits = 15,
            ResetAfterProduct = resetAfter,
            GateActivation = random.Next(3) == 0 ? Activation.Ramp : Activation.Sigmoid,
            CandidateActivation = (Activation)random.Next(3),
            InputWeight = WeightsOf(random, 3 * units, width, isWide),
            RecurrentWeight = WeightsOf(random, 3 * units, units, bits == 16),
            InputMultiplier = Shorts(random, 3 * units, 500, 4000),
            RecurrentMultiplier = Shorts(random, 3 * units, 500, 4000),
            Bias = Biases(random, (resetAfter ? 4 : 3) * units),
            HiddenMultiplier = bits == 8 ? Shorts(random, units, 100, 400) : [],
            Clip = Clip(random, 3),
            InitialWide = random.Next(3) == 0 ? Shorts(random, units, -32768, 32767) : null,
        };
    }

    private static RnnCell Rnn(Random random, int width, int units, int bits, bool isWide) => new()
    {
        InputCount = width,
        UnitCount = units,
        InputShift = InputShift(width, isWide),
        RecurrentShift = InputShift(units, bits == 16),
        GateShift = random.Next(8, 12),
        HiddenBits = bits,
        OutputFractionBits = 15,
        Activation = (Activation)random.Next(4),
        InputWeight = WeightsOf(random, units, width, isWide),
        RecurrentWeight = WeightsOf(random, units, units, bits == 16),
        InputMultiplier = Shorts(random, units, 500, 4000),
        RecurrentMultiplier = Shorts(random, units, 500, 4000),
        Bias = Biases(random, units),
        HiddenMultiplier = bits == 8 ? Shorts(random, units, 100, 400) : [],
        Clip = Clip(random, 1),
    };

    private static DenseLayer Dense(Random random, int width, int units, int fractionBits = 15) => new()
    {
        InputCount = width,
        UnitCount = units,
        InputShift = InputShift(width, true),
        RecurrentShift = 0,
        GateShift = random.Next(8, 12),
        HiddenBits = 16,
        OutputFractionBits = fractionBits,
        Activation = (Activation)random.Next(4),
        InputWeight = WideWeights(random, units, width),
        RecurrentWeight = [],
        InputMultiplier = Shorts(random, units, 500, 4000),
        RecurrentMultiplier = [],
        Bias = Biases(random, units),
        HiddenMultiplier = [],
    };

    private static DenseHead Head(Random random, int hidden, int outputs, OutputActivation activation) => new()
    {
        InputCount = hidden,
        OutputCount = outputs,
        Weight = Weights(random, outputs * hidden),
        Bias = Enumerable.Range(0, outputs).Select(_ => random.Next(-100_000, 100_000)).ToArray(),
        Scale = Enumerable.Range(0, outputs).Select(_ => 1e-7f + (1e-6f * random.NextSingle())).ToArray(),
        Activation = activation,
    };

    private static int InputShift(int width, bool isWide) => isWide ? Math.Min(16, 8 + Log2(width)) : Log2(width);

    private static short[]? Clip(Random random, int gates) => random.Next(3) != 0 ? null : Enumerable.Range(0, gates)
        .SelectMany(_ => new[] { (short)random.Next(-32768, 0), (short)random.Next(0, 32768) }).ToArray();

    private static int[] Biases(Random random, int count) =>
        Enumerable.Range(0, count).Select(_ => random.Next(-4_000_000, 4_000_000)).ToArray();

    private static int Log2(int value) => (int)Math.Ceiling(Math.Log2(value + 1));

    private static short[] Weights(Random random, int count) =>
        Enumerable.Range(0, count).Select(_ => (short)random.Next(-127, 128)).ToArray();

    // Rows of so many columns that meet int16: int16 themselves, as large as the accumulator allows, or int8.
    private static short[] WideWeights(Random random, int rows, int columns)
    {
        int limit = Math.Min(short.MaxValue, 45_000 / columns);
        return limit < 127 || random.Next(2) == 0
            ? Weights(random, rows * columns)
            : Enumerable.Range(0, rows * columns).Select(_ => (short)random.Next(-limit, limit + 1)).ToArray();
    }

    private static short[] WeightsOf(Random random, int rows, int columns, bool areWide) =>
        areWide ? WideWeights(random, rows, columns) : Weights(random, rows * columns);

    private static short[] Shorts(Random random, int count, int min, int max) =>
        Enumerable.Range(0, count).Select(_ => (short)random.Next(min, max)).ToArray();

    private static float[] Floats(Random random, int count, float scale) =>
        Enumerable.Range(0, count).Select(_ => scale * ((2 * random.NextSingle()) - 1)).ToArray();
}
