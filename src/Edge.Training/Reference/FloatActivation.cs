namespace Edge.Training.Reference;

/// <summary>The activation functions of ONNX's recurrent operators, by the names ONNX has for them, and softmax.</summary>
internal enum FloatFunction
{
    Affine,
    Tanh,
    Sigmoid,
    Relu,
    HardSigmoid,
    LeakyRelu,
    ThresholdedRelu,
    ScaledTanh,
    Elu,
    Softsign,
    Softplus,
    Softmax,
}

/// <summary>A function and its parameters as ONNX defines them.</summary>
/// <param name="Function">Which.</param>
/// <param name="Alpha">alpha, where the function has it.</param>
/// <param name="Beta">beta, where the function has it.</param>
internal readonly record struct FloatActivation(FloatFunction Function, float Alpha = 0, float Beta = 0)
{
    internal static readonly FloatActivation Tanh = new(FloatFunction.Tanh);
    internal static readonly FloatActivation Sigmoid = new(FloatFunction.Sigmoid);
    internal static readonly FloatActivation Relu = new(FloatFunction.Relu);

    /// <summary>y = x.</summary>
    internal static readonly FloatActivation Linear = new(FloatFunction.Affine, 1, 0);

    /// <summary>Of one value; softmax, which takes them all, is <see cref="ApplyAll"/>'s.</summary>
    internal float Apply(float x) => Function switch
    {
        FloatFunction.Affine => (Alpha * x) + Beta,
        FloatFunction.Tanh => MathF.Tanh(x),
        FloatFunction.Sigmoid => 1 / (1 + MathF.Exp(-x)),
        FloatFunction.Relu => MathF.Max(x, 0),
        FloatFunction.HardSigmoid => Math.Clamp((Alpha * x) + Beta, 0, 1),
        FloatFunction.LeakyRelu => x < 0 ? Alpha * x : x,
        FloatFunction.ThresholdedRelu => x > Alpha ? x : 0,
        FloatFunction.ScaledTanh => Alpha * MathF.Tanh(Beta * x),
        FloatFunction.Elu => x < 0 ? Alpha * (MathF.Exp(x) - 1) : x,
        FloatFunction.Softsign => x / (1 + MathF.Abs(x)),
        FloatFunction.Softplus => MathF.Max(x, 0) + MathF.Log(1 + MathF.Exp(-MathF.Abs(x))),
        _ => throw new InvalidOperationException($"{Function} takes all values at once."),
    };

    internal void ApplyAll(Span<float> values)
    {
        if (Function != FloatFunction.Softmax)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = Apply(values[i]);
            }

            return;
        }

        float largest = float.NegativeInfinity;
        foreach (float value in values)
        {
            largest = MathF.Max(largest, value);
        }

        float sum = 0;
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = MathF.Exp(values[i] - largest);
            sum += values[i];
        }

        for (int i = 0; i < values.Length; i++)
        {
            values[i] /= sum;
        }
    }
}
