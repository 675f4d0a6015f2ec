using Edge.Onnx.Graphs;
using Edge.Training.Reference;

namespace Edge.Quantize.Onnx;

/// <summary>A value each element of which is a function of the same element of another value.</summary>
/// <param name="Base">Name of the other value.</param>
/// <param name="Apply">The function.</param>
/// <param name="Depth">Operators it consists of.</param>
internal sealed record Pointwise(string Base, Func<double, double> Apply, int Depth)
{
    private const int DepthMax = 10;

    // Functions that exporters write as several operators.
    private static readonly FloatActivation[] Known =
    [
        new(FloatFunction.Silu), new(FloatFunction.Gelu), new(FloatFunction.GeluTanh), new(FloatFunction.Mish),
            new(FloatFunction.HardSwish),
        new(FloatFunction.Clip, 0, 6), new(FloatFunction.Softplus), new(FloatFunction.Softsign),
    ];

    /// <summary>The value itself.</summary>
    internal static Pointwise Of(string name) => new(name, x => x, 0);

    /// <summary>
    /// What an operator makes of its inputs, each with a constant or a function of the same value; null if it is another operator.
    /// </summary>
    internal static Pointwise? Of(OnnxNode node, Pointwise?[] inputs, double?[] constants)
    {
        Pointwise? first = Array.Find(inputs, input => input is not null);
        if (first is null || inputs.Any(input => input is not null && input.Base != first.Base)
            || inputs.Where((input, at) => input is null && constants[at] is null).Any())
        {
            return null;
        }

        Func<double, double>[] f = [.. inputs.Select((input, at) => input?.Apply ?? (_ => constants[at]!.Value))];
        int depth = 1 + inputs.Sum(input => input?.Depth ?? 0);
        Func<double, double>? apply = (node.Type, f) switch
        {
            ("Add", [var a, var b]) => x => a(x) + b(x),
            ("Sub", [var a, var b]) => x => a(x) - b(x),
            ("Mul", [var a, var b]) => x => a(x) * b(x),
            ("Div", [var a, var b]) => x => a(x) / b(x),
            ("Pow", [var a, var b]) => x => Math.Pow(a(x), b(x)),
            ("Clip", [var a, var low, var high]) => x => Math.Min(Math.Max(a(x), low(x)), high(x)),
            ("Erf", [var a]) => x => FloatActivation.Erf(a(x)),
            ("Exp", [var a]) => x => Math.Exp(a(x)),
            ("Neg", [var a]) => x => -a(x),
            (_, [var a]) when Activations.Of(node) is { IsOfAll: false } activation => x =>
                activation.Apply((float)a(x)),
            _ => null,
        };
        return apply is null || depth > DepthMax ? null : new Pointwise(first.Base, apply, depth);
    }

    /// <summary>The activation that the function is, or null if it is none of those that exporters write so.</summary>
    internal FloatActivation? Recognize()
    {
        foreach (FloatActivation known in Known)
        {
            bool isSame = true;
            for (double x = -9.97; x < 10 && isSame; x += 0.31)
            {
                isSame = Math.Abs(Apply(x) - known.Apply((float)x)) <= 2e-5 * (1 + Math.Abs(x));
            }

            if (isSame)
            {
                return known;
            }
        }

        return null;
    }
}
