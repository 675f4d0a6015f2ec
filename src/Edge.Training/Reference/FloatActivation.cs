namespace Edge.Training.Reference;

/// <summary>
/// The activation functions of ONNX's recurrent operators, by the names ONNX has for them, softmax, and those of dense layers.
/// </summary>
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
    LogSoftmax,
    Selu,
    Celu,
    Gelu,
    GeluTanh,
    Silu,
    Mish,
    HardSwish,
    Clip,
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

    /// <summary>Of one value; softmax and its logarithm, which take them all, are <see cref="ApplyAll"/>'s.</summary>
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
        FloatFunction.Selu => Beta * (x < 0 ? Alpha * (MathF.Exp(x) - 1) : x),
        FloatFunction.Celu => MathF.Max(x, 0) + MathF.Min(Alpha * (MathF.Exp(x / Alpha) - 1), 0),
        FloatFunction.Gelu => (float)(0.5 * x * (1 + Erf(x / Math.Sqrt(2)))),
        FloatFunction.GeluTanh => 0.5f * x * (1 + MathF.Tanh(0.7978845608f * (x + (0.044715f * x * x * x)))),
        FloatFunction.Silu => x / (1 + MathF.Exp(-x)),
        FloatFunction.Mish => x * MathF.Tanh(MathF.Max(x, 0) + MathF.Log(1 + MathF.Exp(-MathF.Abs(x)))),
        FloatFunction.HardSwish => x * Math.Clamp((x / 6) + 0.5f, 0, 1),
        FloatFunction.Clip => Math.Clamp(x, Alpha, Beta),
        _ => throw new InvalidOperationException($"{Function} takes all values at once."),
    };

    /// <summary>
    /// The error function. Abramowitz and Stegun 7.1.5 below 3, where the series converges quickly; beyond, erfc by its continued fraction,
    /// 7.1.14.
    /// </summary>
    internal static double Erf(double x)
    {
        double a = Math.Abs(x);
        if (a < 3)
        {
            double term = a;
            double sum = a;
            for (int n = 1; n < 60 && Math.Abs(term) > 1e-18; n++)
            {
                term *= -a * a / n;
                sum += term / ((2 * n) + 1);
            }

            return Math.Sign(x) * 2 / Math.Sqrt(Math.PI) * sum;
        }

        double fraction = 0;
        for (int n = 40; n > 0; n--)
        {
            fraction = n / 2.0 / (a + fraction);
        }

        return Math.Sign(x) * (1 - (Math.Exp(-a * a) / Math.Sqrt(Math.PI) / (a + fraction)));
    }

    /// <summary>Whether it takes all values of a row at once.</summary>
    internal bool IsOfAll => Function is FloatFunction.Softmax or FloatFunction.LogSoftmax;

    internal void ApplyAll(Span<float> values)
    {
        if (!IsOfAll)
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
            values[i] -= largest;
            sum += MathF.Exp(values[i]);
        }

        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Function == FloatFunction.Softmax ? MathF.Exp(values[i]) / sum : values[i] - MathF.Log(sum);
        }
    }
}
