using Edge.Inference;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>What each operator does to rows.</summary>
internal sealed partial class RowAnalysis
{
    // One value in, one out, each element for itself.
    private static readonly HashSet<string> Elementwise =
        [
            "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "Cosh",
            "DequantizeLinear", "Dropout", "Elu", "Erf", "Exp", "FastGelu", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity",
            "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish", "Neg", "Not", "QuantizeLinear", "QuickGelu", "Reciprocal", "Relu", "Round",
            "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
        ];

    // Several values, broadcast to each other.
    private static readonly HashSet<string> Broadcasting =
        [
            "Add", "And", "BiasGelu", "BitShift", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min",
            "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
        ];

    // All elements along some dimensions become one, or depend on each other.
    private static readonly HashSet<string> Reductions =
        [
            "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
            "ReduceSumSquare",
        ];

    // Padding may lie in front of a value only where these move it about.
    private static readonly HashSet<string> Moves =
        ["Cast", "Dropout", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Conv", "Pad", "Slice", "Shape"];

    private void BindRows(Node proto, OnnxNode node, GraphValue?[] inputs)
    {
        if (proto.Domain is not ("" or "ai.onnx" or "com.microsoft"))
        {
            throw new ModelFormatException($"{node.Label} is from a custom operator set. Export with standard ONNX operators.");
        }

        if (GraphView.IsRecurrent(proto))
        {
            BindRecurrent(proto, node, inputs);
            return;
        }

        RowsValue[] rows = [.. inputs.OfType<RowsValue>()];
        if (_hasTime && rows.Any(each => each.Time >= 0) && rows.Any(each => each.IsNewest))
        {
            throw Mixes(node, "combines the last row of a sequence with all of its rows");
        }

        if (rows.FirstOrDefault(each => each.Lead != 0) is not null && !Moves.Contains(node.Type))
        {
            throw Mixes(node, "reads padding in front of the first row");
        }

        bool isNewest = rows.Any(each => each.IsNewest);
        if (rows.All(each => each.Time < 0) && (!_hasTime || isNewest))
        {
            // Nothing of a single row can mix rows; its dimensions are still followed as far as they can be.
            foreach (string output in proto.Output)
            {
                _values[output] = new RowsValue(null) { IsNewest = isNewest };
            }

            if (TryRows(proto, node, inputs, rows[0]) is { } single)
            {
                Bind(proto, single is RowsValue value ? value with { IsNewest = isNewest } : single);
            }

            return;
        }

        if (rows.Any(each => each.Axes is null))
        {
            throw Mixes(node, "reads a value whose dimensions are not known");
        }

        Bind(proto, OfRows(proto, node, inputs, rows[0]));
    }

    private void Bind(Node proto, GraphValue value)
    {
        if (value is RowsValue && proto.OpType == "Split")
        {
            return;
        }

        foreach (string output in proto.Output)
        {
            _values[output] = value;
        }
    }

    private GraphValue? TryRows(Node proto, OnnxNode node, GraphValue?[] inputs, RowsValue x)
    {
        if (inputs.OfType<RowsValue>().Any(each => each.Axes is null))
        {
            return null;
        }

        try
        {
            return OfRows(proto, node, inputs, x);
        }
        catch (InputException)
        {
            return null;
        }
    }

    private GraphValue OfRows(Node proto, OnnxNode node, GraphValue?[] inputs, RowsValue x)
    {
        RowAxis[] axes = x.Axes!;
        switch (node.Type)
        {
            case "Shape" when node.Int("start", 0) == 0 && !node.Has("end"):
                return new SizesValue([.. axes.Select(axis => axis.Kind != RowAxisKind.Time || x.IsAligned ? axis : RowAxis.Unknown)]);
            case "Gather":
                return Gather(node, inputs);
            case "Transpose":
                return Transpose(node, x);
            case "Squeeze":
                return Squeeze(node, inputs, x);
            case "Unsqueeze":
                return Unsqueeze(node, inputs, x);
            case "Flatten":
                return Flatten(node, x);
            case "Reshape":
                return Reshape(node, inputs, x);
            case "Slice":
                return Slice(proto, node, inputs, x);
            case "Pad":
                return Pad(proto, node, inputs, x);
            case "Conv" when inputs[0] is RowsValue:
                return Convolve(proto, node, inputs, x);
            case "Split":
                return Split(proto, node, inputs, x);
            case "Concat":
                return Concat(node, inputs);
            case "MatMul" or "MatMulInteger" or "Gemm":
                return Multiply(node, inputs);
            case "Softmax" or "LogSoftmax" or "Hardmax":
                RequireNoTime(node, axes, AxesFrom(node, axes, _view.OperatorSet < 13), "normalizes over");
                return x;
            case "LayerNormalization" or "RMSNormalization" or "SimplifiedLayerNormalization":
                RequireNoTime(node, axes, axes.Length - (int)(OnnxNode.Index(node, node.Int("axis", -1), axes.Length)), "normalizes over");
                return x;
            case "LpNormalization" or "CumSum":
                RequireNoTime(node, axes,
                    [OnnxNode.Index(node, node.Type == "CumSum" ? Whole(inputs, 1)?[0] ?? 0 : node.Int("axis", -1), axes.Length)],
                    "combines elements over");
                return x;
            case "BatchNormalization" when node.Int("training_mode", 0) == 0 && axes.Length > 1:
                RequireNoTime(node, axes, [1], "has its channels along");
                return x;
            case "ArgMax" or "ArgMin":
                return Reduce(node, x, [OnnxNode.Index(node, node.Int("axis", 0), axes.Length)]);
            case { } type when Reductions.Contains(type):
                long[]? which = AxesOf(node, inputs);
                bool isAll = which is null or [] && node.Int("noop_with_empty_axes", 0) == 0;
                return Reduce(node, x, isAll
                    ? [.. Enumerable.Range(0, axes.Length)]
                    : [.. (which ?? []).Select(axis => OnnxNode.Index(node, axis, axes.Length))]);
            case { } type when Elementwise.Contains(type) && inputs[0] is RowsValue
                && inputs.Skip(1).All(input => input is null or ConstantValue or AsideValue):
                RequirePlainScale(node, inputs, axes);
                return x;
            case { } type when Broadcasting.Contains(type):
                return Broadcast(node, inputs);
            case "DynamicQuantizeLinear" or "DynamicQuantizeMatMul":
                throw Mixes(node, "takes its scale from all rows at once", "Quantize with fixed scales, or export in float32.");
            case "Loop" or "Scan" or "If":
                throw Mixes(node, "has a subgraph, which is not analyzed", "Export with LSTM, GRU or RNN nodes.");
            case "MaxPool" or "AveragePool" or "GlobalAveragePool" or "GlobalMaxPool" or "LpPool":
                throw Mixes(node, "pools several rows");
            default:
                throw Mixes(node, "is an operator that is not known to keep rows apart", "Move it out of the model.");
        }
    }

    private static void RequireNoTime(OnnxNode node, RowAxis[] axes, IEnumerable<int> which, string what)
    {
        foreach (int axis in which.Where(axis => axes[axis].Kind != RowAxisKind.Fixed))
        {
            throw Mixes(node, $"{what} {Name(axes[axis])}");
        }
    }

    private static void RequireNoTime(OnnxNode node, RowAxis[] axes, int last, string what) =>
        RequireNoTime(node, axes, Enumerable.Range(axes.Length - last, last), what);

    // Before operator set 13 a softmax is over all dimensions from its axis on.
    private static IEnumerable<int> AxesFrom(OnnxNode node, RowAxis[] axes, bool isOld)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", isOld ? 1 : -1), axes.Length);
        return isOld ? Enumerable.Range(axis, axes.Length - axis).Where(each => !axes[each].IsSingle || each == axis) : [axis];
    }

    // A scale of its own for each row would be a constant of the sequence.
    private static void RequirePlainScale(OnnxNode node, GraphValue?[] inputs, RowAxis[] axes)
    {
        bool isPerAxis = node.Type is "QuantizeLinear" or "DequantizeLinear"
            && inputs.ElementAtOrDefault(1) is not ConstantValue { Shape: [] or [1] };
        if (isPerAxis)
        {
            RequireNoTime(node, axes, [OnnxNode.Index(node, node.Int("axis", 1), axes.Length)], "has its scales along");
        }
    }

    private static RowsValue Reduce(OnnxNode node, RowsValue x, int[] which)
    {
        RequireNoTime(node, x.Axes!,
            which.Where(axis => x.Axes![axis].Kind == RowAxisKind.Time || x.Axes[axis].Kind == RowAxisKind.Streams), "reduces");
        return x with
        {
            Axes = node.Int("keepdims", 1) != 0
                ? [.. x.Axes!.Select((axis, at) => which.Contains(at) ? RowAxis.One : axis)]
                : [.. x.Axes!.Where((_, at) => !which.Contains(at))],
        };
    }

    private void BindRecurrent(Node proto, OnnxNode node, GraphValue?[] inputs)
    {
        if (inputs[0] is RowsValue { Axes: null } && !_hasTime)
        {
            foreach (string output in proto.Output)
            {
                _values[output] = new RowsValue(null);
            }

            return;
        }

        if (inputs[0] is not RowsValue { Axes.Length: 3 } x)
        {
            throw new ModelFormatException(
                $"{node.Label} does not read three dimensions of readings: time, batch and the values of a row. "
                    + $"Export it with the recurrent layer reading the readings.");
        }

        foreach (RowsValue state in inputs.Skip(4).OfType<RowsValue>().Where(state => _hasTime && (state.Time >= 0 || state.IsNewest)))
        {
            throw new ModelFormatException(
                $"{node.Label} starts from a state that is computed from the readings, which a stream cannot carry. "
                    + $"Export with initial states as inputs, constants or absent.");
        }

        bool isBatchFirst = node.Int("layout", 0) != 0;
        int time = isBatchFirst ? 1 : 0;
        if (!_hasTime && x.Axes[time].Kind == RowAxisKind.Streams)
        {
            throw new ModelFormatException(
                $"{node.Label} steps through the batch instead of the time. "
                    + $"Transpose its input, or train with batch_first set as the data is.");
        }

        if (_hasTime && (x.Axes[time].Kind != RowAxisKind.Time || !x.IsAligned))
        {
            IsContradicted = x.Time >= 0 && x.IsAligned;
            throw new ModelFormatException(x.IsNewest
                ? $"{node.Label} reads the last row of a sequence only, so its state is not one of the stream. Train without it."
                : !x.IsAligned
                ? $"{node.Label} reads padding in front of or behind the rows. Cut it off in the model."
                : $"{node.Label} steps through {Name(x.Axes[time])} instead of the time. "
                    + $"Transpose its input, or train with batch_first set as the data is.");
        }

        if (node.Text("direction", "forward") is not "forward" and var direction && _hasTime)
        {
            throw new ModelFormatException(
                $"{node.Label} runs in direction '{direction}': it needs future readings, which a stream does not have. Train it "
                    + $"forward only.");
        }

        long units = node.Int("hidden_size", 0);
        RowAxis[] batch = [x.Axes[1 - time]];
        RowAxis[] row = [units > 0 ? RowAxis.Of(units) : RowAxis.Unknown];
        RowAxis[][] outputs = isBatchFirst
            ? [[batch[0], x.Axes[time], RowAxis.One, row[0]], [batch[0], RowAxis.One, row[0]]]
            : [[x.Axes[time], RowAxis.One, batch[0], row[0]], [RowAxis.One, batch[0], row[0]]];
        for (int i = 0; i < proto.Output.Count; i++)
        {
            _values[proto.Output[i]] = new RowsValue(outputs[Math.Min(i, 1)]) { IsNewest = _hasTime && i > 0 };
        }
    }
}
