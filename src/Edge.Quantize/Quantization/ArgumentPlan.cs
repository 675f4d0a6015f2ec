using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>
/// How an activation becomes integers: the rows of its argument are scaled by <paramref name="Factor"/>, shifted by
/// <paramref name="Term"/> and counted in <paramref name="Steps"/>; the kernel then applies <paramref name="Kind"/>.
/// </summary>
/// <param name="Kind">What the kernel does.</param>
/// <param name="Steps">Integer steps of z per unit of the scaled argument.</param>
/// <param name="FractionBits">Fraction bits of the result.</param>
/// <param name="Factor">1, but for functions that contain a product.</param>
/// <param name="Term">0, but for functions that contain a sum.</param>
internal readonly record struct ArgumentPlan(Activation Kind, double Steps, int FractionBits, double Factor = 1, double Term = 0)
{
    /// <summary>The plan of each of two sums whose sum is doubled: half the steps.</summary>
    internal ArgumentPlan Halved => this with { Steps = Steps / 2 };

    /// <summary>The plan of a function.</summary>
    /// <param name="activation">The function.</param>
    /// <param name="openBits">Fraction bits of the result where the function does not bound it.</param>
    /// <param name="where">The layer, for the message.</param>
    /// <exception cref="InputException">The function has no integer form here.</exception>
    internal static ArgumentPlan Of(FloatActivation activation, int openBits, string where) => activation.Function switch
    {
        FloatFunction.Sigmoid => new(Activation.Sigmoid, 2048, 15),
        FloatFunction.Tanh => new(Activation.Tanh, 4096, 15),
        FloatFunction.Relu => new(Activation.Ramp, 1 << openBits, openBits),
        FloatFunction.HardSigmoid => new(Activation.Ramp, 32768, 15, activation.Alpha, activation.Beta),
        FloatFunction.Affine => new(Activation.Linear, 1 << openBits, openBits, activation.Alpha, activation.Beta),
        _ => throw new InputException(
            $"{where} has the activation {activation.Function}, which is not supported in int8. Supported in recurrent layers: "
                + $"Sigmoid, HardSigmoid, Tanh, Relu and Affine. Train with one of those."),
    };

    /// <summary>Whether a function becomes a table: any other of one argument, in a dense layer.</summary>
    internal static bool IsTable(FloatActivation activation) => activation.Function is not (
        FloatFunction.Sigmoid or FloatFunction.Tanh or FloatFunction.Relu or FloatFunction.HardSigmoid or FloatFunction.Affine
        or FloatFunction.Softmax or FloatFunction.LogSoftmax);

    /// <summary>The plan of a table, whose argument has so many fraction bits.</summary>
    internal static ArgumentPlan OfTable(int argumentBits, int openBits) => new(Activation.Table, 1 << argumentBits, openBits);

    /// <summary>The bounds of z that a clip of the argument means, or none if it holds them anyway.</summary>
    internal (short Lower, short Upper) Clip(float clip)
    {
        if (!float.IsFinite(clip))
        {
            return (short.MinValue, short.MaxValue);
        }

        short a = ToInt16(((Factor * -clip) + Term) * Steps);
        short b = ToInt16(((Factor * clip) + Term) * Steps);
        return (Math.Min(a, b), Math.Max(a, b));
    }

    private static short ToInt16(double value) => (short)Math.Clamp(Math.Round(value), short.MinValue, short.MaxValue);
}
