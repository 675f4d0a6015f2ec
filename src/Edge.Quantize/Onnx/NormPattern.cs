using Edge.Onnx.Graphs;
using Edge.Onnx.Proto;

namespace Edge.Quantize.Onnx;

/// <summary>
/// The operators that a layer norm is exported as before operator set 17: (x - mean) / √(mean of (x - mean)² + ε).
/// </summary>
/// <param name="Value">x.</param>
/// <param name="Axis">The dimension that is normalized, as the graph has it.</param>
/// <param name="Epsilon">ε.</param>
internal sealed record NormPattern(string Value, long Axis, float Epsilon)
{
    /// <summary>The norm whose last operator before its weights is a node, or null if it is none.</summary>
    /// <param name="view">The graph.</param>
    /// <param name="node">The division, or the product with a reciprocal.</param>
    /// <param name="constant">Gives a constant by its name, or null.</param>
    internal static NormPattern? Of(GraphView view, Node node, Func<string, OnnxTensor?> constant)
    {
        (string difference, string? root) = node switch
        {
            { OpType: "Div", Input: [var a, var b] } => (a, b),
            { OpType: "Mul", Input: [var a, var b] } when Producer(b, "Reciprocal") is { } inverse => (a, inverse.Input[0]),
            { OpType: "Mul", Input: [var a, var b] } when Producer(a, "Reciprocal") is { } inverse => (b, inverse.Input[0]),
            _ => ("", null),
        };
        if (root is null || Producer(root, "Sqrt") is not { } sqrt || Producer(sqrt.Input[0], "Add") is not { Input: [var p, var q] })
        {
            return null;
        }

        (string variance, OnnxTensor? epsilon) = constant(q) is { } last ? (p, last) : (q, constant(p));
        return epsilon is { Values: [> 0 and < float.PositiveInfinity and var value] }
            && MeanOf(variance) is var (square, axis)
            && SquareOf(square) is { } squared
            && DifferenceOf(difference) is { } x
            && DifferenceOf(squared) == x
            && x.Axis == axis
            ? new NormPattern(x.Value, axis, value)
            : null;

        Node? Producer(string name, string type)
        {
            Node? producer = view.Producer(name);
            for (int hops = 0; hops < 4 && producer is { OpType: "Identity" or "Cast", Input: [var moved] }; hops++)
            {
                producer = view.Producer(moved);
            }

            return producer?.OpType == type && producer.Input.Count > 0 ? producer : null;
        }

        // x - mean of x.
        (string Value, long Axis)? DifferenceOf(string name) =>
            Producer(name, "Sub") is { Input: [var of, var mean] } && MeanOf(mean) is var (value, axis) && value == of ? (of, axis) : null;

        string? SquareOf(string name) =>
            Producer(name, "Mul") is { Input: [var a, var b] } && a == b ? a
            : Producer(name, "Pow") is { Input: [var of, var exponent] } && constant(exponent) is { Values: [2] } ? of : null;

        (string Value, long Axis)? MeanOf(string name)
        {
            if (Producer(name, "ReduceMean") is not { } mean || GraphView.Int(mean, "keepdims", 1) == 0)
            {
                return null;
            }

            long[]? axes = new OnnxNode(mean, 0).Ints("axes")
                ?? (mean.Input.Count > 1 && constant(mean.Input[1]) is { } list ? [.. list.Values.Select(value => (long)value)] : null);
            return axes is [var axis] ? (mean.Input[0], axis) : null;
        }
    }
}
