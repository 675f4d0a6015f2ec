using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Quantize.Calibration;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>One layer of any kind to integers.</summary>
internal sealed class LayerQuantizer
{
    private readonly int _number;
    private readonly string _where;
    private readonly Operand _arriving;
    private readonly ActivationStatistics _statistics;
    private readonly QuantizationSettings _settings;
    private readonly LayerRoundings _roundings;

    private LayerQuantizer(
        FloatLayer layer, int number, Operand arriving, ActivationStatistics statistics, LayerRoundings roundings,
        QuantizationSettings settings)
    {
        _number = number;
        _where = $"Layer {number} ({Name(layer)})";
        _arriving = arriving;
        _statistics = statistics;
        _settings = settings;
        _roundings = roundings;
    }

    /// <summary>Quantizes a layer.</summary>
    /// <param name="layer">The float layer.</param>
    /// <param name="below">The layers below it in integers.</param>
    /// <param name="arriving">Its input in integers.</param>
    /// <param name="statistics">What the float model's activations were like.</param>
    /// <param name="roundings">What rounds its rows.</param>
    /// <param name="settings">Headroom and widths.</param>
    internal static Layer Quantize(
        FloatLayer layer, IReadOnlyList<Layer> below, Operand arriving, ActivationStatistics statistics, LayerRoundings roundings,
        QuantizationSettings settings)
    {
        int number = below.Count;
        var quantizer = new LayerQuantizer(layer, number, arriving, statistics, roundings, settings);
        return layer switch
        {
            FloatLstm lstm => quantizer.Lstm(lstm),
            FloatGru gru => quantizer.Gru(gru),
            FloatRnn rnn => quantizer.Rnn(rnn),
            FloatDense dense => quantizer.Dense(dense),
            FloatResidual residual => quantizer.Residual(residual, below),
            FloatNorm norm => new BlockQuantizer(
                norm, quantizer._where, 16, statistics.Blocks[number]!, settings, below[^1].OutputFractionBits).Quantize(),
            FloatBlock block => new BlockQuantizer(
                block, quantizer._where, quantizer.Bits(), statistics.Blocks[number]!, settings, quantizer.OpenBits()).Quantize(),
            _ => throw new InvalidOperationException(layer.GetType().Name),
        };
    }

    /// <summary>What messages and tables call a layer.</summary>
    internal static string Name(FloatLayer layer) => layer switch
    {
        FloatLstm => "lstm",
        FloatGru => "gru",
        FloatRnn => "rnn",
        FloatSlstm => "slstm",
        FloatMlstm => "mlstm",
        FloatFeedForward => "feedforward",
        FloatNorm => "norm",
        FloatResidual => "residual",
        _ => "dense",
    };

    private LstmCell Lstm(FloatLstm layer)
    {
        int units = layer.UnitCount;
        bool isCellRamp = layer.Cell.Function == FloatFunction.Relu;
        sbyte[] cellBits = CellFractionBits(layer, _statistics.Cell[_number], _settings.CellHeadroom);
        int n = cellBits[0];
        ArgumentPlan gate = ArgumentPlan.Of(layer.Gate, 15, _where);
        ArgumentPlan forget = ArgumentPlan.Of(layer.Forget, 15, _where);
        ArgumentPlan candidate = ArgumentPlan.Of(layer.Candidate, n, _where);
        ArgumentPlan[] plans = [gate, forget, candidate, gate];
        if (gate.Kind is not (Activation.Sigmoid or Activation.Ramp) || layer.Gate.Function == FloatFunction.Relu
            || layer.Candidate.Function is FloatFunction.HardSigmoid or FloatFunction.Affine
                || (!isCellRamp && layer.Cell.Function != FloatFunction.Tanh))
        {
            throw new InputException(
                $"{_where} has the activations {layer.Gate.Function}, {layer.Candidate.Function}, {layer.Cell.Function}; "
                    + $"int8 supports gates of Sigmoid or HardSigmoid, a candidate of Tanh, Sigmoid or Relu and a cell of Tanh or Relu. "
                    + $"Run the model with engine: onnx.");
        }

        int bits = Bits();
        int outputBits = isCellRamp ? n : 15;
        short[] hiddenMultiplier = HiddenMultipliers(bits, outputBits);
        GateRows[] gates = Enumerable.Range(0, 4)
            .Select(
                g =>
                    new GateRows(
                        Part(layer.InputWeight, g, 4),
                        Part(layer.RecurrentWeight, g, 4),
                        Part(Shift(layer.InputWeight, layer.Bias), g, 4),
                        plans[g],
                        _roundings.All)).ToArray();
        (GateQuantizer plan, GateIntegers[] rows) = Quantize(gates, Hidden(bits, outputBits, hiddenMultiplier));
        (short[]? peephole, int peepholeShift) = Peephole(layer, [gate, forget, gate], cellBits);
        return new LstmCell
        {
            InputCount = layer.InputCount,
            UnitCount = units,
            InputShift = plan.InputShift,
            RecurrentShift = plan.RecurrentShift,
            GateShift = plan.GateShift,
            HiddenBits = bits,
            OutputFractionBits = outputBits,
            CellFractionBits = cellBits,
            GateActivation = gate.Kind,
            CandidateActivation = candidate.Kind,
            CellActivation = isCellRamp ? Activation.Ramp : Activation.Tanh,
            Peephole = peephole,
            PeepholeShift = peepholeShift,
            InputWeight = Join(rows, row => row.InputWeight),
            RecurrentWeight = Join(rows, row => row.RecurrentWeight),
            InputMultiplier = Join(rows, row => row.InputMultiplier),
            RecurrentMultiplier = Join(rows, row => row.RecurrentMultiplier),
            Bias = Join(rows, row => row.Bias),
            HiddenMultiplier = hiddenMultiplier,
            Clip = Clips(layer.Clip, plans),
            InitialWide = layer.InitialCell is null && (layer.InitialHidden is null || bits == 8)
                ? null
                :
                [
                    .. Initial(layer.InitialCell, units, j => cellBits[j]),
                    .. bits == 8 ? [] : Initial(layer.InitialHidden, units, _ => outputBits),
                ],
            InitialNarrow = bits == 8
                ? layer.InitialHidden?.Select(
                    (h, j) => (sbyte)Math.Clamp(Math.Round(Math.ScaleB(h * hiddenMultiplier[j], outputBits - 15)), -127, 127)).ToArray()
                : null,
        };
    }

    private GruCell Gru(FloatGru layer)
    {
        ArgumentPlan gate = ArgumentPlan.Of(layer.Gate, 15, _where);
        ArgumentPlan candidate = ArgumentPlan.Of(layer.Candidate, OpenBits(), _where);
        if (layer.Gate.Function is not (FloatFunction.Sigmoid or FloatFunction.HardSigmoid) || candidate.Kind == Activation.Linear)
        {
            throw new InputException(
                $"{_where} has the activations {layer.Gate.Function}, {layer.Candidate.Function}; "
                    + $"int8 supports gates of Sigmoid or HardSigmoid and a candidate of Tanh, Sigmoid, HardSigmoid or Relu. "
                    + $"Run the model with engine: onnx.");
        }

        int bits = Bits();
        int outputBits = candidate.FractionBits;
        short[] hiddenMultiplier = HiddenMultipliers(bits, outputBits);
        float[] inputBias = Shift(layer.InputWeight, layer.InputBias);
        float[] bothBiases = inputBias.Zip(layer.RecurrentBias, (a, b) => a + b).ToArray();
        float[] w = layer.InputWeight;
        float[] r = layer.RecurrentWeight;
        var gates = new List<GateRows>
        {
            new(Part(w, 0, 3), Part(r, 0, 3), Part(bothBiases, 0, 3), gate, _roundings.All),
            new(Part(w, 1, 3), Part(r, 1, 3), Part(bothBiases, 1, 3), gate, _roundings.All),
        };
        if (layer.ResetAfterProduct)
        {
            // The candidate's two sums are rounded apart: r comes between them. A term inside the activation belongs to one of them.
            ArgumentPlan half = candidate.Halved;
            gates.Add(new(Part(w, 2, 3), [], Part(inputBias, 2, 3), half, _roundings.OfInput));
            gates.Add(new([], Part(r, 2, 3), Part(layer.RecurrentBias, 2, 3), half with { Term = 0 }, _roundings.OfState));
        }
        else
        {
            gates.Add(new(Part(w, 2, 3), Part(r, 2, 3), Part(bothBiases, 2, 3), candidate, _roundings.AfterReset));
        }

        (GateQuantizer plan, GateIntegers[] rows) = Quantize(gates, Hidden(bits, outputBits, hiddenMultiplier));
        return new GruCell
        {
            InputCount = layer.InputCount,
            UnitCount = layer.UnitCount,
            InputShift = plan.InputShift,
            RecurrentShift = plan.RecurrentShift,
            GateShift = plan.GateShift,
            HiddenBits = bits,
            OutputFractionBits = outputBits,
            ResetAfterProduct = layer.ResetAfterProduct,
            GateActivation = gate.Kind,
            CandidateActivation = candidate.Kind,
            InputWeight = Join(rows, row => row.InputWeight),
            RecurrentWeight = Join(rows, row => row.RecurrentWeight),
            InputMultiplier = Join(rows.Where(row => row.InputWeight.Length > 0), row => row.InputMultiplier),
            RecurrentMultiplier = Join(rows.Where(row => row.RecurrentWeight.Length > 0), row => row.RecurrentMultiplier),
            Bias = Join(rows, row => row.Bias),
            HiddenMultiplier = hiddenMultiplier,
            Clip = Clips(layer.Clip, gate, gate, candidate),
            InitialWide = layer.InitialHidden is null ? null : Initial(layer.InitialHidden, layer.UnitCount, _ => outputBits),
        };
    }

    private RnnCell Rnn(FloatRnn layer)
    {
        ArgumentPlan plan = ArgumentPlan.Of(layer.Activation, OpenBits(), _where);
        int bits = Bits();
        short[] hiddenMultiplier = HiddenMultipliers(bits, plan.FractionBits);
        var gate = new GateRows(
            layer.InputWeight,
            layer.RecurrentWeight,
            Shift(layer.InputWeight, layer.Bias),
            plan,
            _roundings.All);
        (GateQuantizer shifts, GateIntegers[] rows) = Quantize([gate], Hidden(bits, plan.FractionBits, hiddenMultiplier));
        return new RnnCell
        {
            InputCount = layer.InputCount,
            UnitCount = layer.UnitCount,
            InputShift = shifts.InputShift,
            RecurrentShift = shifts.RecurrentShift,
            GateShift = shifts.GateShift,
            HiddenBits = bits,
            OutputFractionBits = plan.FractionBits,
            Activation = plan.Kind,
            InputWeight = rows[0].InputWeight,
            RecurrentWeight = rows[0].RecurrentWeight,
            InputMultiplier = rows[0].InputMultiplier,
            RecurrentMultiplier = rows[0].RecurrentMultiplier,
            Bias = rows[0].Bias,
            HiddenMultiplier = hiddenMultiplier,
            Clip = Clips(layer.Clip, plan),
            InitialWide = layer.InitialHidden is null ? null : Initial(layer.InitialHidden, layer.UnitCount, _ => plan.FractionBits),
        };
    }

    private DenseLayer Dense(FloatDense layer)
    {
        bool isTable = ArgumentPlan.IsTable(layer.Activation);
        int argumentBits = isTable ? ArgumentBits() : 0;
        ArgumentPlan plan = isTable ? ArgumentPlan.OfTable(argumentBits, OpenBits())
            : ArgumentPlan.Of(layer.Activation, PassThroughBits(layer) ?? OpenBits(), _where);
        var gate = new GateRows(layer.Weight, [], Shift(layer.Weight, layer.Bias), plan, _roundings.All);
        (GateQuantizer shifts, GateIntegers[] rows) = Quantize([gate], new Operand([], 1));
        return new DenseLayer
        {
            InputCount = layer.InputCount,
            UnitCount = layer.UnitCount,
            InputShift = shifts.InputShift,
            RecurrentShift = 0,
            GateShift = shifts.GateShift,
            HiddenBits = 16,
            OutputFractionBits = plan.FractionBits,
            Activation = plan.Kind,
            ArgumentFractionBits = argumentBits,
            Table = isTable ? Table(layer.Activation, argumentBits, plan.FractionBits) : null,
            InputWeight = rows[0].InputWeight,
            RecurrentWeight = [],
            InputMultiplier = rows[0].InputMultiplier,
            RecurrentMultiplier = [],
            Bias = rows[0].Bias,
            HiddenMultiplier = [],
        };
    }

    // Readings that come through a layer that only scales them keep the room that they have as inputs: an anomaly is beyond what
    // calibration saw. Null for other layers.
    private int? PassThroughBits(FloatDense layer)
    {
        int inputs = layer.InputCount;
        if (_number > 0 || _statistics.IsResidualBlock(1) || layer.Activation.Function != FloatFunction.Affine
            || layer.Weight.Chunk(inputs).Any(row => row.Count(weight => weight != 0) > 1))
        {
            return null;
        }

        float[] bias = Shift(layer.Weight, layer.Bias);
        double reach = layer.Weight.Chunk(inputs)
            .Select((row, r) => row.Select((weight, i) => Math.Abs(weight) * _arriving.Scale[i] * short.MaxValue).Max() + Math.Abs(bias[r]))
            .Max();
        return Math.Clamp(15 - (int)Math.Ceiling(Math.Log2(Math.Max(reach, 1e-3))), 0, 14);
    }

    // The sum has the room that any value has which nothing bounds, or that readings have, and no bits that neither part has.
    private ResidualLayer Residual(FloatResidual layer, IReadOnlyList<Layer> below)
    {
        int inputBits = below[^1].OutputFractionBits;
        int sourceBits = below[layer.Source].OutputFractionBits;
        return new ResidualLayer
        {
            InputCount = layer.UnitCount,
            UnitCount = layer.UnitCount,
            HiddenBits = 16,
            InputFractionBits = inputBits,
            OutputFractionBits = Math.Min(
                layer.Source == 0 ? Math.Min(OpenBits(), sourceBits) : OpenBits(), Math.Max(inputBits, sourceBits)),
            Source = layer.Source,
            SourceFractionBits = sourceBits,
        };
    }

    private (GateQuantizer Plan, GateIntegers[] Rows) Quantize(IReadOnlyList<GateRows> gates, Operand hidden)
    {
        GateQuantizer plan = GateQuantizer.Plan(gates, _arriving, hidden);
        return (plan, gates.Select(plan.Quantize).ToArray());
    }

    private int Bits() => _settings.WideLayers.Contains(_number) ? 16 : 8;

    private Operand Hidden(int bits, int outputBits, short[] hiddenMultiplier) => bits == 8
        ? new Operand(hiddenMultiplier.Select(multiplier => Math.ScaleB(1.0 / multiplier, 15 - outputBits)).ToArray(), sbyte.MaxValue)
        : new Operand(Enumerable.Repeat(Math.ScaleB(1, -outputBits), _statistics.LargestOutput[_number].Length).ToArray(), 32768);

    // h8 = MULR(output, m): as many int8 steps a unit of h as its calibrated range allows. A bounded unit's range is never
    // taken to be below an eighth, so that a unit that slept in calibration can wake up.
    private short[] HiddenMultipliers(int bits, int outputBits)
    {
        if (bits == 16)
        {
            return [];
        }

        float[] largest = _statistics.LargestOutput[_number];
        return Enumerable.Range(0, largest.Length).Select(unit =>
        {
            double calibrated = CalibratedRange.Of(_settings.Range, largest[unit], () => _statistics.Outputs(_number, unit));
            double range = outputBits == 15
                ? Math.Clamp(calibrated * _settings.HiddenHeadroom, 0.125, 1)
                : Math.Max(calibrated * _settings.HiddenHeadroom, Math.ScaleB(1, 11 - outputBits));
            return (short)Math.Clamp(Math.Floor(Math.ScaleB(127 / range, 15 - outputBits)), 1, short.MaxValue);
        }).ToArray();
    }

    // Of each unit the most fraction bits with which headroom times its largest cell state still fits ±2^(15-n): one unit that counts
    // far must not blur all others. 13 are of use only where every unit can have them, and TANH reads 12. A relu or a peephole also
    // sees how far beyond TANH's reach a cell state is: then all share the room of the largest.
    internal static sbyte[] CellFractionBits(FloatLstm layer, float[] largestCell, double headroom)
    {
        bool mustBeUniform = layer.Cell.Function == FloatFunction.Relu || layer.Candidate.Function == FloatFunction.Relu
            || layer.Peephole is not null;
        sbyte[] bits = largestCell
            .Select(largest => (sbyte)Math.Clamp(15 - (int)Math.Ceiling(Math.Log2(Math.Max(largest * headroom, 1e-3))), 0, 13)).ToArray();
        sbyte least = bits.Min();
        return bits.Select(each => mustBeUniform || least == 13 ? least : Math.Min(each, (sbyte)12)).ToArray();
    }

    // The same for an output that nothing bounds.
    private int OpenBits() =>
        Math.Clamp(
            15 - (int)Math.Ceiling(Math.Log2(Math.Max(_statistics.LargestOpen(_number) * _settings.OpenHeadroom, 1e-3))),
            0,
            14);

    // Of the argument of a table: at least ±8 fit, where the functions have come close to a line.
    private int ArgumentBits() => Math.Clamp(
        15 - (int)Math.Ceiling(Math.Log2(Math.Max(_statistics.LargestArgument[_number] * _settings.OpenHeadroom, 8))), 0, 12);

    internal static short[] Table(FloatActivation activation, int argumentBits, int outputBits) =>
        [.. Enumerable.Range(0, ActivationTable.Length).Select(entry =>
        {
            double value = activation.Apply((float)Math.ScaleB((double)ActivationTable.Argument(entry), -argumentBits));
            return (short)Math.Clamp(Math.Round(Math.ScaleB(value, outputBits)), short.MinValue, short.MaxValue);
        })];

    private float[] Shift(float[] weight, float[] bias) => Array.TrueForAll(_arriving.Offset, offset => offset == 0)
        ? bias
        : bias.Select(
            (value, r) =>
                (float)(
                    value + _arriving.Offset.Select((offset, i) => weight[(r * _arriving.Offset.Length) + i] * offset).Sum())).ToArray();

    // P = p·steps·2^(15-shift) / 2^n with the smallest shift that fits 16 bits.
    private static (short[]? Peephole, int Shift) Peephole(FloatLstm layer, ArgumentPlan[] plans, sbyte[] cellBits)
    {
        if (layer.Peephole is null)
        {
            return (null, 0);
        }

        double[] scaled = layer.Peephole
            .Select(
                (p, at) =>
                    Math.ScaleB(
                        p * plans[at / layer.UnitCount].Factor * plans[at / layer.UnitCount].Steps,
                        15 - cellBits[at % layer.UnitCount])).ToArray();
        int shift = 0;
        while (shift < 15 && scaled.Max(Math.Abs) >= Math.ScaleB(short.MaxValue, shift))
        {
            shift++;
        }

        return (scaled.Select(p => (short)Math.Clamp(Math.Round(Math.ScaleB(p, -shift)), -32767, 32767)).ToArray(), shift);
    }

    private static short[]? Clips(float clip, params ArgumentPlan[] plans) =>
        float.IsFinite(clip) ? plans.SelectMany(plan => new[] { plan.Clip(clip).Lower, plan.Clip(clip).Upper }).ToArray() : null;

    private static short[] Initial(float[]? values, int units, Func<int, int> fractionBits) =>
        (values ?? new float[units])
            .Select((value, j) => (short)Math.Clamp(Math.Round(Math.ScaleB((double)value, fractionBits(j))), -32767, 32767))
            .ToArray();

    private static float[] Part(float[] rows, int gate, int gates) =>
        rows[(gate * (rows.Length / gates))..((gate + 1) * (rows.Length / gates))];

    private static T[] Join<T>(IEnumerable<GateIntegers> gates, Func<GateIntegers, T[]> part) => gates.SelectMany(part).ToArray();
}
