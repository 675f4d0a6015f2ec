using Edge.Inference;
using Edge.Onnx.Graphs;
using Edge.Onnx.Proto;
using Edge.Training.Reference;

namespace Edge.Quantize.Onnx;

/// <summary>What becomes of the features: layers take them in, other operators only move their dimensions about.</summary>
internal sealed partial class OnnxImporter
{
    private Features AddFeatures(Node proto, OnnxNode node, Value?[] inputs)
    {
        int at = Array.FindIndex(inputs, input => input is Features);
        LayerChain chain = ((Features)inputs[at]!).Chain;
        RowAxis[] axes = AxesOf(node, proto.Input[at]);
        _ = AxesOf(node, proto.Output[0]);
        return new Features(node.Type switch
        {
            "MatMul" or "Gemm" when at == 0 => AddDense(proto, node, chain, axes),
            "Conv" when at == 0 => AddConvolution(proto, node, chain, axes),
            "Add" or "Sub" or "Mul" or "Div" => AddAffine(proto, node, at, chain, axes),
            "BatchNormalization" when at == 0 => AddBatchNormalization(proto, node, chain),
            "Softmax" or "LogSoftmax" => chain.WithActivation(node.Label, IsOverRow(node, axes)
                ? new FloatActivation(node.Type == "Softmax" ? FloatFunction.Softmax : FloatFunction.LogSoftmax)
                : throw new UnsupportedException($"{node.Label} is a softmax over a part of a row. Export a softmax over the whole row.")),
            "PRelu" when at == 0 => chain.WithActivation(node.Label, new FloatActivation(FloatFunction.LeakyRelu, Slope(proto, node))),
            _ when Activations.Of(node) is { } activation => chain.WithActivation(node.Label, activation),
            "Identity" or "Dropout" or "Squeeze" or "Unsqueeze" or "Reshape" or "Flatten" or "Split" => chain,
            "Cast" when node.Int("to", 1) is 1 or 10 or 11 or 16 => chain,
            "Transpose" => Moved(node, chain, axes),
            "Gather" when at == 0 => Gather(proto, node, chain, axes),
            "Slice" when at == 0 => Slice(proto, node, chain, axes),
            "ArgMax" => throw new UnsupportedException(
                $"{node.Label} returns the number of the largest value only. Export its input as the output; a stream finds the largest."),
            "LayerNormalization" when at == 0 => AddNorm(proto, node, chain, axes),
            "ReduceMean" => throw new UnsupportedException(
                $"{node.Label} averages the values of a row, which a layer can include only as part of a layer norm."),
            _ => throw new UnsupportedException($"{node.Label} has no layer here. Move it out of the model."),
        });
    }

    // h[-1] of stacked layers: one part, if it is taken whole.
    private Value Pick(Node proto, OnnxNode node, Value?[] inputs)
    {
        var joined = (Joined)Array.Find(inputs, input => input is Joined)!;
        if (node.Type == "Gather" && inputs[0] is Joined && Constant(proto, 1) is { Values: [var at] }
            && OnnxNode.Index(node, node.Int("axis", 0), AxesOf(node, proto.Input[0]).Length) == joined.Axis)
        {
            return new Features(joined.Parts[OnnxNode.Index(node, (long)at, joined.Parts.Count)]);
        }

        return node.Type is "Identity" or "Cast"
            ? joined
            : throw new UnsupportedException(
                $"{node.Label} reads several values at once that come of different layers. Take the last layer's output instead.");
    }

    private Value Concat(Node proto, OnnxNode node, Value?[] inputs)
    {
        LayerChain[] parts = [.. inputs.OfType<Features>().Select(input => input.Chain)];
        RowAxis[] axes = AxesOf(node, proto.Input[Array.FindIndex(inputs, input => input is Features)]);
        int axis = OnnxNode.Index(node, node.Int("axis", 0), axes.Length);
        bool isOfRow = RowAxisOf(axes) is { } row ? row == axis : axis == axes.Length - 1;
        return parts.Length != inputs.Length
            ? throw new UnsupportedException($"{node.Label} joins the features with constants, which no layer can include.")
            : isOfRow && (LayerChain.BesideSymbol(node.Label, parts) ?? LayerChain.Stack(node.Label, parts)) is { } both
            ? new Features(both)
            : new Joined(parts, axis);
    }

    private void Split(Node proto, OnnxNode node, LayerChain chain)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", 0), AxesOf(node, proto.Input[0]).Length);
        int begin = 0;
        foreach (string output in proto.Output)
        {
            RowAxis part = AxesOf(node, output)[axis];
            int count = part.Size is { } size && begin + size <= chain.Width ? (int)size : 0;
            _values[output] = RowAxisOf(AxesOf(node, proto.Input[0])) == axis && count > 0
                ? new Features(chain.Select(node.Label, [.. Enumerable.Range(begin, count)]))
                : new Refused($"{node.Label} splits something else than the values of a row.");
            Set(output, node.Label, _values[output]);
            begin += count;
        }
    }

    private LayerChain AddDense(Node proto, OnnxNode node, LayerChain chain, RowAxis[] axes)
    {
        if (Constant(proto, 1) is not { Shape.Length: 2 } weight)
        {
            throw new UnsupportedException($"{node.Label}: its weight '{node.Input(1)}' is not a constant matrix.");
        }

        bool isGemm = node.Type == "Gemm";
        bool isTransposed = isGemm && node.Int("transB", 0) != 0;
        if (isGemm && node.Int("transA", 0) != 0)
        {
            throw new UnsupportedException($"{node.Label}: transA is not supported.");
        }

        int width = weight.Shape[isTransposed ? 1 : 0];
        int outputs = weight.Shape[isTransposed ? 0 : 1];
        if (width != chain.Width || outputs is < 1 or > 4096 || axes.Length == 0 || axes[^1].Size != width)
        {
            throw new InputException(
                $"{node.Label}: weight '{weight.Name}' is {weight.ShapeText}, but {chain.Width} values of a row come in.");
        }

        float alpha = isGemm ? node.Float("alpha", 1) : 1;
        var rows = new float[outputs * width];
        for (int r = 0; r < outputs; r++)
        {
            for (int j = 0; j < width; j++)
            {
                rows[(r * width) + j] = alpha * weight.Values[isTransposed ? (r * width) + j : (j * outputs) + r];
            }
        }

        return Array.TrueForAll(rows, float.IsFinite)
            ? chain.WithDense(node.Label, rows, outputs, DenseBias(proto, node, outputs))
            : throw new InputException($"{node.Label}: alpha {alpha} scales weights beyond the range of a float.");
    }

    private float[] DenseBias(Node proto, OnnxNode node, int outputs)
    {
        if (node.Type != "Gemm" || node.Input(2).Length == 0)
        {
            return new float[outputs];
        }

        if (Constant(proto, 2) is not { } bias || (bias.Values.Length != outputs && bias.Values.Length != 1))
        {
            throw new UnsupportedException($"{node.Label}: its bias '{node.Input(2)}' is not a constant of {outputs} values.");
        }

        float beta = node.Float("beta", 1);
        return [.. Enumerable.Range(0, outputs).Select(r => beta * bias.Values[bias.Values.Length == 1 ? 0 : r])];
    }

    // A kernel of one row is a dense layer over its channels.
    private LayerChain AddConvolution(Node proto, OnnxNode node, LayerChain chain, RowAxis[] axes)
    {
        if (Constant(proto, 1) is not { Shape: [var outputs, var width, ..] } kernel || kernel.Shape[2..].Any(size => size != 1)
            || node.Int("group", 1) != 1 || (node.Ints("pads") ?? []).Any(size => size != 0) || width != chain.Width
                || axes[1].Size != width)
        {
            throw new UnsupportedException(
                $"{node.Label} is a convolution over several rows or in groups, which no layer can include. Its kernel must have size 1.");
        }

        float[] bias = node.Input(2).Length == 0
            ? new float[outputs]
            : Constant(proto, 2)?.Values ?? throw new UnsupportedException($"{node.Label}: its bias '{node.Input(2)}' is not a constant.");
        return bias.Length == outputs
            ? chain.WithDense(node.Label, kernel.Values, outputs, bias)
            : throw new InputException($"{node.Label}: its bias has {bias.Length} values for {outputs} channels. The file is damaged.");
    }

    private LayerChain AddAffine(Node proto, OnnxNode node, int at, LayerChain chain, RowAxis[] axes)
    {
        if (proto.Input.Count != 2 || Constant(proto, 1 - at) is not { } tensor)
        {
            throw new UnsupportedException(
                $"{node.Label} combines the features with a value that is not constant, so it cannot be part of a stream.");
        }

        int inRow = axes.Length - 1 - (RowAxisOf(axes) ?? axes.Length - 1);
        bool fits = tensor.Values.Length == 1
            || (tensor.Values.Length == chain.Width && tensor.Shape.Length > inRow && tensor.Shape[^(1 + inRow)] == chain.Width);
        if (!fits)
        {
            throw new UnsupportedException(
                $"{node.Label}: the constant '{tensor.Name}' is {tensor.ShapeText}; "
                    + $"it must have one value, or one for each of the {chain.Width} values of a row.");
        }

        double[] values = [.. tensor.Values.Select(value => (double)value)];
        if (node.Type == "Div" && (at == 1 || Array.IndexOf(values, 0) >= 0))
        {
            throw at == 1
                ? new UnsupportedException($"{node.Label} divides a constant by the features, which no layer can include.")
                : new InputException(
                    $"{node.Label} divides by 0: a standard deviation of 0 in the training data causes this. Remove that column.");
        }

        (IReadOnlyList<double> factor, IReadOnlyList<double> term) = node.Type switch
        {
            "Add" => ([1.0], values),
            "Sub" when at == 0 => ([1.0], [.. values.Select(value => -value)]),
            "Sub" => ([-1.0], values),
            "Mul" => (values, [0.0]),
            _ => ((IReadOnlyList<double>)[.. values.Select(value => 1 / value)], (IReadOnlyList<double>)[0.0]),
        };
        return chain.WithAffine(node.Label, factor, term);
    }

    private LayerChain AddNorm(Node proto, OnnxNode node, LayerChain chain, RowAxis[] axes)
    {
        int begin = OnnxNode.Index(node, node.Int("axis", -1), axes.Length);
        OnnxTensor?[] weights = [Constant(proto, 1), Constant(proto, 2)];
        if (axes[..begin].Any(axis => axis.Kind == RowAxisKind.Fixed && axis.Size != 1))
        {
            throw new UnsupportedException(
                $"{node.Label} normalizes parts of a row, each by itself, which no layer can include. Normalize the whole row.");
        }

        if (weights.Where((weight, i) => node.Input(1 + i).Length > 0 && weight?.Values.Length != chain.Width && weight?.Values.Length != 1)
            .Any())
        {
            throw new UnsupportedException($"{node.Label}: its weights must be constants of {chain.Width} values.");
        }

        float epsilon = node.Float("epsilon", 1e-5f);
        if (!(epsilon > 0 && float.IsFinite(epsilon)))
        {
            throw new InputException($"{node.Label}: its epsilon is {epsilon}, but must be greater than 0. The file is damaged.");
        }

        return chain.WithNorm(node.Label, epsilon).WithAffine(
            node.Label,
            weights[0]?.Values.Select(value => (double)value).ToArray() ?? [1],
            weights[1]?.Values.Select(value => (double)value).ToArray() ?? [0]);
    }

    // The same as several operators; its weights are products and sums of their own.
    private Features? AddNormOfParts(Node proto, OnnxNode node)
    {
        if (NormPattern.Of(_view, proto, name => (_rows.ValueOf(name) as ConstantValue)?.Tensor?.Value) is not { } norm
            || _values.GetValueOrDefault(norm.Value) is not Features { Chain: { } chain })
        {
            return null;
        }

        RowAxis[] axes = AxesOf(node, norm.Value);
        return RowAxisOf(axes) == OnnxNode.Index(node, norm.Axis, axes.Length)
            ? new Features(chain.WithNorm(node.Label, norm.Epsilon)) : null;
    }

    private Features AddResidual(Node proto, OnnxNode node, Value?[] inputs)
    {
        bool areAligned = node.Type is "Add" or "Sum" && inputs is [Features, Features]
            && RowAxisFromEnd(AxesOf(node, proto.Input[0])) == RowAxisFromEnd(AxesOf(node, proto.Input[1]));
        return areAligned && LayerChain.Residual(node.Label, ((Features)inputs[0]!).Chain, ((Features)inputs[1]!).Chain) is { } sum
            ? new Features(sum)
            : throw new UnsupportedException(
                $"{node.Label} combines two branches of the model, which no layer can include. Only x + layers(x) can be imported: a value "
                    + $"and what layers made of it, of the same width.");

        static int? RowAxisFromEnd(RowAxis[] axes) => RowAxisOf(axes) is { } axis ? axes.Length - axis : null;
    }

    // y = (x - mean)/sqrt(variance + epsilon)·scale + bias, over dimension 1.
    private LayerChain AddBatchNormalization(Node proto, OnnxNode node, LayerChain chain)
    {
        OnnxTensor?[] constants = Constants(proto);
        if (constants.Length < 5 || constants[1..5].Any(constant => constant is null || constant.Values.Length != chain.Width))
        {
            throw new UnsupportedException(
                $"{node.Label} is supported only over the values of a row, with four constants of {chain.Width} values.");
        }

        float[][] p = [.. constants[1..5].Select(constant => constant!.Values)];
        double[] factor = [.. p[0].Select((scale, i) => scale / Math.Sqrt(p[3][i] + (double)node.Float("epsilon", 1e-5f)))];
        return chain.WithAffine(node.Label, factor, [.. factor.Select((f, i) => p[1][i] - (p[2][i] * f))]);
    }

    private float Slope(Node proto, OnnxNode node) =>
        Constant(proto, 1) is { Values: [var first, ..] } slope && Array.TrueForAll(slope.Values, value => value == first)
            ? first
            : throw new UnsupportedException($"{node.Label} has a slope of its own for each value. Train with one slope for all.");

    // Before operator set 13 a softmax is over all dimensions from its axis on.
    private bool IsOverRow(OnnxNode node, RowAxis[] axes)
    {
        if (_view.OperatorSet >= 13)
        {
            return IsOverRow(node, axes, -1);
        }

        int axis = OnnxNode.Index(node, node.Int("axis", 1), axes.Length);
        return RowAxisOf(axes) is { } row ? row >= axis : axes.All(each => each.IsSingle || each.Kind == RowAxisKind.Time);
    }

    private static bool IsOverRow(OnnxNode node, RowAxis[] axes, int otherwise)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", otherwise), axes.Length);
        return RowAxisOf(axes) is { } row
            ? row == axis
            : axes.All(each => each.IsSingle || each.Kind == RowAxisKind.Time);
    }

    // The values of a row keep their order if the dimensions that they fill do.
    private static LayerChain Moved(OnnxNode node, LayerChain chain, RowAxis[] axes)
    {
        long[] order = node.Ints("perm") ?? [.. Enumerable.Range(0, axes.Length).Reverse().Select(axis => (long)axis)];
        long[] filled = [.. order.Where(axis => axes[axis].Kind == RowAxisKind.Fixed && axes[axis].Size != 1)];
        return filled.SequenceEqual(filled.Order())
            ? chain
            : throw new UnsupportedException($"{node.Label} reorders the values of a row. Export them in one dimension.");
    }

    private LayerChain Gather(Node proto, OnnxNode node, LayerChain chain, RowAxis[] axes)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", 0), axes.Length);
        if (axes[axis].Kind != RowAxisKind.Fixed || axes[axis].Size == 1)
        {
            return chain;
        }

        OnnxTensor indices = Constant(proto, 1) ?? throw new UnsupportedException($"{node.Label} picks values by a computed number.");
        return RowAxisOf(axes) == axis
            ? chain.Select(node.Label, [.. indices.Values.Select(at => OnnxNode.Index(node, (long)at, chain.Width))])
            : throw new UnsupportedException($"{node.Label} picks values of a row that has several dimensions.");
    }

    private LayerChain Slice(Node proto, OnnxNode node, LayerChain chain, RowAxis[] axes)
    {
        OnnxTensor?[] constants = Constants(proto);
        long[] starts = ConstantFolder.Whole(constants, 1) ?? node.Ints("starts") ?? [];
        long[] ends = ConstantFolder.Whole(constants, 2) ?? node.Ints("ends") ?? [];
        long[] which = ConstantFolder.Whole(constants, 3) ?? node.Ints("axes")
            ?? [.. Enumerable.Range(0, starts.Length).Select(i => (long)i)];
        long[] steps = ConstantFolder.Whole(constants, 4) ?? [.. starts.Select(_ => 1L)];
        for (int i = 0; i < which.Length; i++)
        {
            int axis = OnnxNode.Index(node, which[i], axes.Length);
            if (axes[axis].Kind != RowAxisKind.Fixed || axes[axis].Size == 1)
            {
                continue;
            }

            if (RowAxisOf(axes) != axis || steps[i] != 1)
            {
                throw new UnsupportedException($"{node.Label} takes values of a row in steps, or of one that has several dimensions.");
            }

            int first = (int)Math.Clamp(starts[i] < 0 ? starts[i] + chain.Width : starts[i], 0, chain.Width);
            int last = (int)Math.Clamp(ends[i] < 0 ? ends[i] + chain.Width : ends[i], 0, chain.Width);
            chain = last > first
                ? chain.Select(node.Label, [.. Enumerable.Range(first, last - first)])
                : throw new InputException($"{node.Label} takes no value of a row. The file is damaged.");
        }

        return chain;
    }

    // The one dimension that has all values of a row; null where there are several or none.
    private static int? RowAxisOf(RowAxis[] axes)
    {
        int[] filled = [.. Enumerable.Range(0, axes.Length).Where(axis => axes[axis].Kind == RowAxisKind.Fixed && axes[axis].Size != 1)];
        return filled.Length == 1 ? filled[0] : null;
    }
}
