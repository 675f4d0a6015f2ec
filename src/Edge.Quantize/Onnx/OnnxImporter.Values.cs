using Edge.Inference.Models;
using Edge.Onnx.Graphs;

namespace Edge.Quantize.Onnx;

/// <summary>The values of a graph while it is read, and the nodes that only compute shapes and states.</summary>
internal sealed partial class OnnxImporter
{
    // Operators that leave a zero state zero.
    private static readonly HashSet<string> KeepsZero =
        ["Slice", "Split", "Gather", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Identity", "Cast", "Expand", "Tile"];

    private abstract record Value;

    private sealed record Constant(OnnxTensor Tensor) : Value;

    /// <summary>Rows that stream: the last dimension, the row's values, at one stage of the chain.</summary>
    private sealed record Features(Axis[] Axes, int Stage) : Value;

    /// <summary>Numbers of symbols, before an embedding.</summary>
    private sealed record Symbols(Axis[] Axes) : Value;

    /// <summary>A state: what streams carry from step to step themselves, or zero.</summary>
    private sealed record State(bool IsZero) : Value;

    /// <summary>
    /// What no stream can have. That matters only if the model's output comes of it: exports also join states for the caller.
    /// </summary>
    private sealed record Refused(string Reason) : Value;

    /// <summary>The final states of several layers in one tensor, as PyTorch returns them; one of them may be picked out again.</summary>
    private sealed record Joined(Features[] Parts) : Value;

    /// <summary>The dimensions of something, as far as they are known.</summary>
    private sealed record Dimensions(long?[] Sizes) : Value;

    // Shapes and states: nothing of it touches the values of a row.
    private void VisitPlumbing(OnnxNode node, Value?[] inputs)
    {
        Value result = (node.Type, inputs) switch
        {
            ("ConstantOfShape", _) =>
                new State(IsZero: node.Tensor("value") is not { } fill || OnnxTensor.Read(fill, node.Label, _external).IsZero),
            ("Shape", [Symbols symbols, ..]) => new Dimensions(symbols.Axes.Select(axis => axis.Size).ToArray()),
            ("Shape", _) => new Dimensions([]),
            ("Concat", _) when inputs.All(input => input is Dimensions or Constant) => new Dimensions(inputs.SelectMany(SizesOf).ToArray()),
            ("Gather", [Dimensions all, Constant one]) => new Dimensions(one.Tensor.Values.Select(at => At(all.Sizes, at)).ToArray()),
            ("Squeeze" or "Unsqueeze" or "Cast" or "Identity" or "Reshape", [Dimensions same, ..]) => same,
            ("Slice", [Dimensions, ..]) => new Dimensions([]),
            ("Expand" or "Tile", [Constant constant, ..]) => new State(IsZero: constant.Tensor.IsZero),
            ("Concat", _) => new State(IsZero: inputs.All(input => input is State { IsZero: true })),
            _ => new State(IsZero: KeepsZero.Contains(node.Type) && inputs is [State { IsZero: true }, ..]),
        };
        BindAll(node, result);

        static long?[] SizesOf(Value? value) => value switch
        {
            Dimensions dimensions => dimensions.Sizes,
            Constant constant => constant.Tensor.Values.Select(size => (long?)size).ToArray(),
            _ => [],
        };

        static long? At(long?[] sizes, float at)
        {
            int index = (int)(at < 0 ? at + sizes.Length : at);
            return index >= 0 && index < sizes.Length ? sizes[index] : null;
        }
    }
}
