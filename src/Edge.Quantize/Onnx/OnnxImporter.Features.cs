using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Graphs;
using Edge.Onnx.Proto;

namespace Edge.Quantize.Onnx;

/// <summary>What becomes of the features: layers take them in, other operators may only move their dimensions about.</summary>
internal sealed partial class OnnxImporter
{
    // Everything that reads features: layers, or operators that move dimensions about.
    private void VisitFeatures(OnnxNode node, Value?[] inputs)
    {
        if (node.Type == "Shape" && inputs is [Features measured, ..])
        {
            Bind(node, new Dimensions(measured.Axes.Select(axis => axis.Size).ToArray()));
            return;
        }

        int at = Array.FindIndex(inputs, input => input is Features);
        if (node.Type == "Concat"
            && inputs.All(input => input is Features { Axes: [{ Kind: AxisKind.One }, ..] })
            && node.Int("axis", 0) == 0)
        {
            Bind(node, new Joined(inputs.Cast<Features>().ToArray()));
            return;
        }

        if (inputs.Count(input => input is Features) > 1)
        {
            BindAll(
                node,
                new Refused(
                    $"{node.Label} joins two branches of the model; only one chain of layers from input to output is supported. "
                        + $"Train without skip connections, or run the model with engine: onnx."));
            return;
        }

        var features = (Features)inputs[at]!;
        if (features.Stage != _layers.Stage)
        {
            BindAll(
                node,
                new Refused(
                    $"{node.Label} branches off an earlier layer; only one chain of layers from input to output is supported. "
                        + $"Run the model with engine: onnx."));
            return;
        }

        Axis[] axes = features.Axes;
        switch (node.Type)
        {
            case "MatMul" or "Gemm" when at == 0:
                _layers.AddDense(node.Label, DenseWeight(node, inputs, out int outputs), outputs, DenseBias(node, inputs, outputs));
                axes = [.. axes[..^1], new Axis(AxisKind.Feature, outputs)];
                break;
            case "Add" or "Sub" or "Mul" or "Div":
                AddAffine(node, inputs, at, axes);
                break;
            case "BatchNormalization" when at == 0:
                AddBatchNormalization(node, inputs, axes);
                break;
            case "Softmax" when !IsOverRow(node, axes):
                throw new InputException(
                    $"{node.Label} is a softmax over {Axes.Name(axes[OnnxNode.Index(node, node.Int("axis", -1), axes.Length)])}, not over a "
                        + $"row: attention over time cannot stream. Run the model with engine: onnx.");
            case { } type when Activations.Of(node) is { } activation:
                _layers.AddActivation(node.Label, activation);
                break;
            default:
                Bind(node, features with { Axes = Move(node, axes, inputs, _layers.Width) });
                return;
        }

        Bind(node, new Features(axes, _layers.Stage));
    }

    // h[-1] of stacked layers: the last part, if it is taken whole.
    private static Value Pick(OnnxNode node, Value?[] inputs)
    {
        if (node.Type == "Gather" && inputs is [Joined joined, Constant { Tensor: { Values.Length: 1 } index }] && node.Int("axis", 0) == 0)
        {
            Features part = joined.Parts[OnnxNode.Index(node, (long)index.Values[0], joined.Parts.Length)];
            return index.Shape.Length == 0 ? part with { Axes = part.Axes[1..] } : part;
        }

        return node.Type is "Identity" or "Cast"
            ? inputs[0]!
            : new Refused(
                $"{node.Label} reads the final states of several layers at once; "
                    + $"only one chain of layers from input to output is supported. Take the last layer's output instead.");
    }

    // Operators that keep every value and only rename or drop dimensions.
    private static Axis[] Move(OnnxNode node, Axis[] axes, Value?[] inputs, int width)
    {
        OnnxTensor?[] constants = inputs.Select(input => (input as Constant)?.Tensor).ToArray();
        switch (node.Type)
        {
            case "Identity" or "Dropout" or "Cast":
                return axes;
            case "Transpose":
                return Axes.Transpose(node, axes);
            case "Squeeze":
                return Axes.Squeeze(node, axes, ConstantFolder.AxesOf(node, constants));
            case "Unsqueeze":
                return Axes.Unsqueeze(node, axes, ConstantFolder.AxesOf(node, constants) ?? []);
            case "Flatten":
                return Axes.Flatten(node, axes);
            case "Reshape":
                long?[] target = inputs.ElementAtOrDefault(1) is Dimensions dimensions
                    ? dimensions.Sizes : ConstantFolder.Whole(constants, 1)?.Select(size => (long?)size).ToArray() ?? [];
                return Axes.Reshape(node, axes, target, width);
            case "Gather" when inputs[0] is Features or Symbols:
                return Axes.Gather(node, axes, constants.ElementAtOrDefault(1));
            case "Slice":
                return Axes.Slice(
                    node,
                    axes,
                    width,
                    ConstantFolder.Whole(constants, 1) ?? node.Ints("starts") ?? [],
                    ConstantFolder.Whole(constants, 2) ?? node.Ints("ends") ?? [],
                    ConstantFolder.Whole(constants, 3) ?? node.Ints("axes"), ConstantFolder.Whole(constants, 4));
            case "ReduceMean" when (ConstantFolder.AxesOf(node, constants) ?? [])
                .Any(axis => axes[OnnxNode.Index(node, axis, axes.Length)].Kind == AxisKind.Feature):
                throw new InputException(
                    $"{node.Label} averages the values of a row, as layer normalization does, which no layer can include. "
                        + $"Train without it, or run the model with engine: onnx.");
            case "ReduceMean" or "ReduceSum" or "ReduceMax" or "GlobalAveragePool" or "AveragePool" or "MaxPool" or "Conv":
                throw new InputException(
                    $"{node.Label} reads several steps of a sequence at once, which a stream does not have. "
                        + $"Train without it, or run the model with engine: onnx.");
            default:
                throw new InputException(
                    $"{node.Label} changes the features in an unsupported way. Move it out of the model, or run the model with engine: "
                        + $"onnx.");
        }
    }

    private float[] DenseWeight(OnnxNode node, Value?[] inputs, out int outputs)
    {
        if (inputs.ElementAtOrDefault(1) is not Constant { Tensor: { Shape.Length: 2 } weight })
        {
            throw new InputException($"{node.Label}: its weight '{node.Input(1)}' is not a constant matrix.");
        }

        bool isGemm = node.Type == "Gemm";
        bool isTransposed = isGemm && node.Int("transB", 0) != 0;
        if (isGemm && node.Int("transA", 0) != 0)
        {
            throw new InputException($"{node.Label}: transA is not supported.");
        }

        int width = weight.Shape[isTransposed ? 1 : 0];
        outputs = weight.Shape[isTransposed ? 0 : 1];
        if (width != _layers.Width || outputs is < 1 or > 4096)
        {
            throw new InputException(
                $"{node.Label}: weight '{weight.Name}' is {weight.ShapeText}, but {_layers.Width} values of a row come in.");
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
            ? rows
            : throw new InputException($"{node.Label}: alpha {alpha} scales weights beyond the range of a float.");
    }

    private static float[] DenseBias(OnnxNode node, Value?[] inputs, int outputs)
    {
        if (node.Type != "Gemm" || node.Input(2).Length == 0)
        {
            return new float[outputs];
        }

        if (inputs[2] is not Constant { Tensor: { } bias } || (bias.Values.Length != outputs && bias.Values.Length != 1))
        {
            throw new InputException($"{node.Label}: its bias '{node.Input(2)}' is not a constant of {outputs} values.");
        }

        float beta = node.Float("beta", 1);
        return Enumerable.Range(0, outputs).Select(r => beta * bias.Values[bias.Values.Length == 1 ? 0 : r]).ToArray();
    }

    private void AddAffine(OnnxNode node, Value?[] inputs, int at, Axis[] axes)
    {
        if (inputs.Length != 2 || inputs[1 - at] is not Constant { Tensor: { } tensor })
        {
            throw new InputException(
                $"{node.Label} combines the features with a value that is not constant, so it cannot be part of a stream.");
        }

        int inRow = axes.Length - 1 - Array.FindIndex(axes, axis => axis.Kind == AxisKind.Feature);
        bool fits = tensor.Values.Length == 1
            || (tensor.Values.Length == _layers.Width && tensor.Shape.Length > inRow && tensor.Shape[^(1 + inRow)] == _layers.Width);
        if (!fits)
        {
            throw new InputException(
                $"{node.Label}: the constant '{tensor.Name}' is {tensor.ShapeText}; "
                    + $"it must have one value, or one for each of the {_layers.Width} values of a row.");
        }

        double[] values = tensor.Values.Select(value => (double)value).ToArray();
        if (node.Type == "Div" && (at == 1 || Array.IndexOf(values, 0) >= 0))
        {
            throw new InputException(at == 1
                ? $"{node.Label} divides a constant by the features, which no layer can include."
                : $"{node.Label} divides by 0: a standard deviation of 0 in the training data causes this. Remove that column.");
        }

        (IReadOnlyList<double> factor, IReadOnlyList<double> term) = node.Type switch
        {
            "Add" => ([1.0], values),
            "Sub" when at == 0 => ([1.0], values.Select(value => -value).ToArray()),
            "Sub" => ([-1.0], values),
            "Mul" => (values, [0.0]),
            _ => ((IReadOnlyList<double>)values.Select(value => 1 / value).ToArray(), (IReadOnlyList<double>)[0.0]),
        };
        _layers.AddAffine(node.Label, factor, term);
    }

    // y = (x - mean)/sqrt(variance + epsilon)·scale + bias, over dimension 1.
    private void AddBatchNormalization(OnnxNode node, Value?[] inputs, Axis[] axes)
    {
        if (inputs.Length < 5 || inputs[1..5].Any(input => input is not Constant constant || constant.Tensor.Values.Length != _layers.Width)
            || axes.Length < 2 || axes[1].Kind != AxisKind.Feature)
        {
            throw new InputException(
                $"{node.Label} is supported only over the values of a row, with four constants of {_layers.Width} values.");
        }

        float[][] p = inputs[1..5].Select(input => ((Constant)input!).Tensor.Values).ToArray();
        double[] factor = p[0].Select((scale, i) => scale / Math.Sqrt(p[3][i] + (double)node.Float("epsilon", 1e-5f))).ToArray();
        _layers.AddAffine(node.Label, factor, factor.Select((f, i) => p[1][i] - (p[2][i] * f)).ToArray());
    }

    // Before operator set 13 a softmax is over all dimensions from its axis on.
    private bool IsOverRow(OnnxNode node, Axis[] axes)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", _operatorSet < 13 ? 1 : -1), axes.Length);
        return axes[axis].Kind == AxisKind.Feature
            || (_operatorSet < 13 && axes[axis..].All(inner => inner.Kind == AxisKind.Feature || inner.IsSingle));
    }
}
