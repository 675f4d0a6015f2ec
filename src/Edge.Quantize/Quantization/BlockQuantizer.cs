using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Inference.Kernels;
using Edge.Quantize.Calibration;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>One part of an xLSTM block stack to integers.</summary>
/// <param name="block">The float block.</param>
/// <param name="where">The layer in messages.</param>
/// <param name="bits">8 or 16: what its products multiply.</param>
/// <param name="statistics">What was inside it.</param>
/// <param name="settings">Headroom.</param>
/// <param name="streamBits">Fraction bits of the residual stream.</param>
internal sealed class BlockQuantizer(
    FloatBlock block, string where, int bits, BlockStatistics statistics, QuantizationSettings settings, int streamBits)
{
    // q, k and v come of a norm: they hardly leave their calibrated range, and their product has to keep its bits.
    private const double MemoryHeadroom = 2;

    // log2(e): the gates' logarithms are to the base 2.
    private const double BitsPerNat = 1.4426950408889634;

    private readonly Dictionary<string, FloatBlockProduct> _products = block.Products.ToDictionary(product => product.Name);

    internal BlockLayer Quantize() => block switch
    {
        FloatSlstm slstm => Slstm(slstm),
        FloatMlstm mlstm => Mlstm(mlstm),
        FloatFeedForward feedForward => FeedForward(feedForward),
        _ => new NormLayer
        {
            InputCount = block.UnitCount,
            UnitCount = block.UnitCount,
            HiddenBits = 16,
            InputFractionBits = streamBits,
            OutputFractionBits = NormalBits,
            Epsilon = EpsilonSteps(((FloatNorm)block).Epsilon),
        },
    };

    private int NormalBits => Normalization.FractionBits(block.UnitCount);

    // d²·ε in squared steps; that of 10^-5 is a formula of its own in integers.
    private long EpsilonSteps(float epsilon) => epsilon == FloatBlock.NormEpsilon
        ? Normalization.Epsilon(block.UnitCount, streamBits)
        : (long)Math.Clamp(
            Math.Round(Math.ScaleB((double)block.UnitCount * block.UnitCount * epsilon, 2 * streamBits)), 1, Normalization.EpsilonMax);

    private SlstmBlock Slstm(FloatSlstm layer)
    {
        RequireGates("i");
        int featureBits = layer.Convolution is null ? NormalBits : Open("features");
        int groupBits = Normalization.FractionBits(layer.UnitCount / layer.Heads);
        ArgumentPlan log = LogPlan();
        (short[] gain, int gainShift) = Gain(layer.GroupNorm, streamBits - groupBits, short.MaxValue);
        return new SlstmBlock
        {
            InputCount = layer.UnitCount,
            UnitCount = layer.UnitCount,
            HiddenBits = bits,
            InputFractionBits = streamBits,
            OutputFractionBits = streamBits,
            Heads = layer.Heads,
            Features = layer.Convolution is null ? null : Convolution(layer.Convolution, NormalBits, featureBits),
            InputGate = Product("i", log, featureBits),
            ForgetGate = Product("f", log, featureBits),
            Candidate = Product("z", ArgumentPlan.Of(FloatActivation.Tanh, 15, where), NormalBits),
            OutputGate = Product("o", ArgumentPlan.Of(FloatActivation.Sigmoid, 15, where), NormalBits),
            Gain = gain,
            GainShift = gainShift,
        };
    }

    private MlstmBlock Mlstm(FloatMlstm layer)
    {
        RequireGates("gates");
        int upBits = Open("u");
        int featureBits = Open("features");
        (int queryBits, int keyBits, int valueBits) = (Memory("q"), Memory("k"), Memory("v"));
        int productShift = Math.Clamp(keyBits + valueBits - Memory("products"), 0, 15);
        int memoryShift = ReadShift("memory", keyBits + valueBits - productShift);
        int keyShift = ReadShift("keys", keyBits);
        int headBits = Normalization.FractionBits(layer.HeadCount);
        int skippedBits = Open("skipped");
        int openBits = Open("open");
        int gatedBits = Math.Min(Open("gated"), skippedBits + openBits);
        int sumShift = BlockKernel.SumShift(layer.HeadCount);
        double epsilon = Math.ScaleB(Math.Sqrt(FloatBlock.NormEpsilon), valueBits - productShift + memoryShift - keyShift);
        int epsilonShift = 14 - (int)Math.Floor(Math.Log2(epsilon));
        (_, int gainShift) = Gain(layer.GroupNorm, skippedBits - headBits, 16383);
        (_, int skipShift) = Gain(layer.Skip, skippedBits - featureBits, 16383);
        int shift = Math.Min(gainShift, skipShift);
        return new MlstmBlock
        {
            InputCount = layer.UnitCount,
            UnitCount = layer.UnitCount,
            HiddenBits = bits,
            InputFractionBits = streamBits,
            OutputFractionBits = streamBits,
            Heads = layer.Heads,
            Up = Product("up", LinearPlan(upBits), NormalBits),
            Gate = Product("gate", ArgumentPlan.OfTable(ArgumentBits("gate"), openBits), Silu, NormalBits),
            Features = Convolution(layer.Convolution, upBits, featureBits),
            Query = Product("q", LinearPlan(queryBits), featureBits),
            Key = Product("k", LinearPlan(keyBits), featureBits),
            Value = Product("v", LinearPlan(valueBits), upBits),
            Gates = Product("gates", LogPlan(), queryBits, keyBits, valueBits),
            ProductShift = productShift,
            MemoryShift = memoryShift,
            KeyShift = keyShift,
            FloorLog = (int)Math.Round(Math.ScaleB(
                queryBits + keyBits + keyShift - sumShift + (Math.Log2(layer.HeadCount) / 2),
                LogArithmetic.LogBits)),
            EpsilonMultiplier = (int)Math.Min(Math.Round(Math.ScaleB(epsilon, epsilonShift)), short.MaxValue),
            EpsilonShift = epsilonShift,
            Gain = Scaled(layer.GroupNorm, skippedBits - headBits + shift, 16383),
            Skip = Scaled(layer.Skip, skippedBits - featureBits + shift, 16383),
            SkipShift = shift,
            GateShift = skippedBits + openBits - gatedBits,
            GatedFractionBits = gatedBits,
            Down = Product("down", LinearPlan(streamBits), gatedBits),
        };
    }

    private FeedForwardBlock FeedForward(FloatFeedForward layer)
    {
        bool isTable = ArgumentPlan.IsTable(layer.Activation);
        ArgumentPlan plan = isTable
            ? ArgumentPlan.OfTable(ArgumentBits("gate"), Open("open"))
            : ArgumentPlan.Of(layer.Activation, Open("open"), where);
        int upBits = Open("up");
        int gatedBits = Math.Min(Open("gated"), plan.FractionBits + upBits);
        return new FeedForwardBlock
        {
            InputCount = layer.UnitCount,
            UnitCount = layer.UnitCount,
            HiddenBits = bits,
            InputFractionBits = streamBits,
            OutputFractionBits = streamBits,
            Gate = Product("gate", plan, isTable ? layer.Activation : null, NormalBits),
            Up = Product("up", LinearPlan(upBits), NormalBits),
            GateShift = plan.FractionBits + upBits - gatedBits,
            Down = Product("down", LinearPlan(streamBits), gatedBits),
        };
    }

    private static FloatActivation Silu => new(FloatFunction.Silu);

    private static ArgumentPlan LinearPlan(int fractionBits) => ArgumentPlan.Of(FloatActivation.Linear, fractionBits, "");

    private static ArgumentPlan LogPlan() =>
        new(Activation.Linear, BitsPerNat * (1 << BlockLayer.GateFractionBits), BlockLayer.GateFractionBits);

    // Input and forget gates are logarithms: what is outside their format would be another model.
    private void RequireGates(string tap)
    {
        float largest = statistics.Largest(tap).Max();
        if (largest * BitsPerNat >= 1 << (15 - BlockLayer.GateFractionBits))
        {
            throw new InputException(
                $"{where} has an input gate of e^{largest:0.0}, which int8 cannot hold: at most e^44. Train with a smaller input gate.");
        }
    }

    private Product Product(string name, ArgumentPlan plan, params int[] readBits) => Product(name, plan, null, readBits);

    /// <param name="name">Which product.</param>
    /// <param name="plan">What its sums become.</param>
    /// <param name="table">The function of a table, or null.</param>
    /// <param name="readBits">Fraction bits of each tap that it reads.</param>
    private Product Product(string name, ArgumentPlan plan, FloatActivation? table, params int[] readBits)
    {
        // What is a product of two values itself has a few large ones: it stays in int16.
        int width = name == "down" ? 16 : bits;
        FloatBlockProduct product = _products[name];
        FloatProduct input = product.Input;
        int heads = input.Heads;
        float[] range = [.. product.Reads.SelectMany(tap => statistics.Largest(tap))];
        int[] bitsOf = [.. product.Reads.SelectMany((tap, at) => Enumerable.Repeat(readBits[at], statistics.Largest(tap).Length))];
        short[] inputNarrowing = Narrowing(range, bitsOf, heads, width);
        int[] stateBits = [.. Enumerable.Repeat(15, product.Recurrent?.InputCount ?? 0)];
        short[] stateNarrowing = product.Recurrent is null ? [] : Narrowing(statistics.Largest("before"), stateBits, heads, width);
        SecondMoment[] moments = statistics.Moments(name);
        GateRows[] rows =
        [
            .. Enumerable.Range(0, heads).Select(head => new GateRows(
                Part(input.Weight, head, heads),
                Part(product.Recurrent?.Weight ?? [], head, heads),
                Part(product.Recurrent is null ? input.Bias : [.. input.Bias.Zip(product.Recurrent.Bias, (a, b) => a + b)], head, heads),
                plan,
                new CompensatedRounding(moments[head]))),
        ];
        int columns = input.InputCount / heads;
        GateQuantizer shifts = GateQuantizer.Plan(
            rows,
            OperandOf(inputNarrowing, bitsOf, columns),
            OperandOf(stateNarrowing, stateBits, product.Recurrent is null ? 0 : columns));
        GateIntegers[] integers = [.. rows.Select(shifts.Quantize)];
        return new Product
        {
            InputCount = input.InputCount,
            UnitCount = input.UnitCount,
            InputShift = shifts.InputShift,
            RecurrentShift = product.Recurrent is null ? 0 : shifts.RecurrentShift,
            GateShift = shifts.GateShift,
            HiddenBits = width,
            OutputFractionBits = plan.FractionBits,
            RecurrentInputs = product.Recurrent is null ? 0 : columns,
            Heads = heads,
            Activation = plan.Kind,
            ArgumentFractionBits = table is null ? 0 : (int)Math.Log2(plan.Steps),
            Table = table is { } function
                ? LayerQuantizer.Table(function, (int)Math.Log2(plan.Steps), plan.FractionBits)
                : null,
            InputNarrowing = inputNarrowing,
            RecurrentNarrowing = stateNarrowing,
            InputWeight = [.. integers.SelectMany(each => each.InputWeight)],
            RecurrentWeight = [.. integers.SelectMany(each => each.RecurrentWeight)],
            InputMultiplier = [.. integers.SelectMany(each => each.InputMultiplier)],
            RecurrentMultiplier = product.Recurrent is null ? [] : [.. integers.SelectMany(each => each.RecurrentMultiplier)],
            Bias = [.. integers.SelectMany(each => each.Bias)],
            HiddenMultiplier = [],
        };
    }

    // What one step of an int8 is worth; the heads of a product share their shifts, and so their columns must share a scale.
    private short[] Narrowing(float[] largest, int[] fractionBits, int heads, int width)
    {
        if (width == 16)
        {
            return [];
        }

        float shared = largest.Max();
        return
        [
            .. largest.Select((own, at) =>
            {
                double range = Math.Max(heads == 1 ? own : shared, shared / 16) * settings.HiddenHeadroom;
                return (short)Math.Clamp(Math.Floor(Math.ScaleB(127 / Math.Max(range, 1e-6), 15 - fractionBits[at])), 1, short.MaxValue);
            }),
        ];
    }

    private static Operand OperandOf(short[] narrowing, int[] fractionBits, int columns) => narrowing.Length > 0
        ? new Operand([.. narrowing.Take(columns).Select((m, at) => Math.ScaleB(1.0 / m, 15 - fractionBits[at]))], sbyte.MaxValue)
        : new Operand([.. fractionBits.Take(columns).Select(each => Math.ScaleB(1, -each))], 32768);

    private Convolution Convolution(FloatConvolution convolution, int inputBits, int outputBits)
    {
        int argumentBits = ArgumentBits("convolved");
        int width = convolution.Width;
        double largest = Enumerable.Range(0, width).Max(j =>
            Enumerable.Range(0, convolution.Taps).Sum(t => Math.Abs((double)convolution.Weight[(j * convolution.Taps) + t])) * 32768
                + (Math.Abs((double)convolution.Bias[j]) * (1 << inputBits)));

        // The scale that fills 31 bits, less one for the roundings.
        int weightBits = Math.Clamp(
            (int)Math.Floor(Math.Log2((1 << 30) / Math.Max(largest, 1e-9))),
            argumentBits - inputBits,
            30 + argumentBits - inputBits);
        return new Convolution
        {
            Width = width,
            Taps = convolution.Taps,
            Weight =
            [
                .. Enumerable.Range(0, convolution.Taps * width).Select(at =>
                    Scale(convolution.Weight[(at % width * convolution.Taps) + (at / width)], weightBits, short.MaxValue)),
            ],
            Bias = [.. convolution.Bias.Select(b => (int)Math.Round(Math.ScaleB((double)b, weightBits + inputBits)))],
            Shift = weightBits + inputBits - argumentBits,
            OutputFractionBits = outputBits,
            Table = LayerQuantizer.Table(Silu, argumentBits, outputBits),
        };
    }

    // Factors of a normalized value: the largest shift with which they and their products stay inside their bits.
    private static (short[] Gain, int Shift) Gain(float[] weight, int bits, int limit)
    {
        int shift = Math.Clamp((int)Math.Floor(Math.Log2(limit / Math.Max(weight.Max(Math.Abs), 1e-3))) - bits, 0, 30);
        return (Scaled(weight, bits + shift, limit), shift);
    }

    private static short[] Scaled(float[] weight, int bits, int limit) => [.. weight.Select(value => Scale(value, bits, limit))];

    private static short Scale(float value, int bits, int limit) =>
        (short)Math.Clamp(Math.Round(Math.ScaleB((double)value, bits)), -limit, limit);

    private int Memory(string tap) => FractionBits(statistics.Largest(tap).Max() * MemoryHeadroom);

    // How many bits further up the means may be read: they are smaller than the largest of what they are means of.
    private int ReadShift(string tap, int fractionBits) =>
        Math.Clamp(
            15 - fractionBits - (int)Math.Ceiling(Math.Log2(Math.Max(statistics.Largest(tap).Max() * MemoryHeadroom, 1e-6))), 0, 14);

    private int Open(string tap) => FractionBits(statistics.Largest(tap).Max() * settings.OpenHeadroom);

    private static int FractionBits(double largest) => Math.Clamp(15 - (int)Math.Ceiling(Math.Log2(Math.Max(largest, 1e-3))), 0, 15);

    // Of the argument of a table: at least ±8 fit, where the functions have come close to a line.
    private int ArgumentBits(string tap) =>
        Math.Clamp(15 - (int)Math.Ceiling(Math.Log2(Math.Max(statistics.Largest(tap).Max() * settings.OpenHeadroom, 8))), 0, 12);

    private static float[] Part(float[] rows, int head, int heads) =>
        rows[(head * (rows.Length / heads))..((head + 1) * (rows.Length / heads))];
}
