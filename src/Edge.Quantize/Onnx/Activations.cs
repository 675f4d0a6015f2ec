using Edge.Inference;
using Edge.Onnx.Graphs;
using Edge.Training.Reference;

namespace Edge.Quantize.Onnx;

/// <summary>ONNX's activation functions by name, as attribute of a recurrent node and as operator.</summary>
internal static class Activations
{
    /// <summary>An activation of a recurrent node.</summary>
    /// <param name="name">As ONNX names it; case does not matter.</param>
    /// <param name="label">The node, for the message.</param>
    /// <param name="alpha">Gives the node's next alpha, or the default it is called with.</param>
    /// <param name="beta">The same of beta.</param>
    internal static FloatActivation Read(string name, string label, Func<float, float> alpha, Func<float, float> beta) =>
        name.ToLowerInvariant() switch
        {
            "sigmoid" => FloatActivation.Sigmoid,
            "tanh" => FloatActivation.Tanh,
            "relu" => FloatActivation.Relu,
            "affine" => new(FloatFunction.Affine, alpha(1), beta(0)),
            "hardsigmoid" => new(FloatFunction.HardSigmoid, alpha(0.2f), beta(0.5f)),
            "leakyrelu" => new(FloatFunction.LeakyRelu, alpha(0.01f)),
            "thresholdedrelu" => new(FloatFunction.ThresholdedRelu, alpha(1)),
            "scaledtanh" => new(FloatFunction.ScaledTanh, alpha(1), beta(1)),
            "elu" => new(FloatFunction.Elu, alpha(1)),
            "softsign" => new(FloatFunction.Softsign),
            "softplus" => new(FloatFunction.Softplus),
            _ => throw new InputException($"{label} has an activation '{name}', which ONNX does not define. The file is damaged."),
        };

    /// <summary>The activation that an operator is, or null if it is none.</summary>
    internal static FloatActivation? Of(OnnxNode node) => node.Type switch
    {
        "Relu" => FloatActivation.Relu,
        "Tanh" => FloatActivation.Tanh,
        "Sigmoid" => FloatActivation.Sigmoid,
        "HardSigmoid" => new(FloatFunction.HardSigmoid, node.Float("alpha", 0.2f), node.Float("beta", 0.5f)),
        "LeakyRelu" => new(FloatFunction.LeakyRelu, node.Float("alpha", 0.01f)),
        "ThresholdedRelu" => new(FloatFunction.ThresholdedRelu, node.Float("alpha", 1)),
        "Elu" => new(FloatFunction.Elu, node.Float("alpha", 1)),
        "Softsign" => new(FloatFunction.Softsign),
        "Softplus" => new(FloatFunction.Softplus),
        "Selu" => new(FloatFunction.Selu, node.Float("alpha", 1.67326319f), node.Float("gamma", 1.05070102f)),
        "Celu" => new(FloatFunction.Celu, node.Float("alpha", 1)),
        "Gelu" => new(node.Text("approximate", "none") == "tanh" ? FloatFunction.GeluTanh : FloatFunction.Gelu),
        "Mish" => new(FloatFunction.Mish),
        "HardSwish" => new(FloatFunction.HardSwish),
        "Swish" when node.Float("alpha", 1) == 1 => new(FloatFunction.Silu),
        _ => null,
    };
}
