using Edge.Inference.Models;
using Edge.Training.Reference;

namespace Edge.Training.Blocks;

/// <summary>
/// A block stack under the names that the reference implementation has for its tensors (package <c>xlstm</c>): what
/// <c>edge-quantize quantize</c> reads.
/// </summary>
public static class BlockStackCheckpoint
{
    // Of i, f, z, o: the reference's layer gives the input gate the weights called fgate, and the forget gate those called igate.
    private static readonly string[] InputNames = ["fgate", "igate", "zgate", "ogate"];

    /// <summary>Writes a network as a safetensors file; dropout is left out. The activation of its feed-forward parts is "swish".</summary>
    /// <param name="network">A linear layer, parts of blocks, a norm, a linear layer.</param>
    /// <returns>The bytes of the file.</returns>
    /// <exception cref="ArgumentException">The network is no such stack.</exception>
    public static byte[] Write(Network network)
    {
        FloatLayer[] layers = [.. network.Layers.Select(layer => layer.ToReference()).OfType<FloatLayer>()];
        if (layers is not [FloatDense input, .. FloatLayer[] parts, FloatNorm norm, FloatDense output])
        {
            throw new ArgumentException(
                "A block stack is a linear layer, parts of blocks, a norm and a linear layer, in this order.", nameof(network));
        }

        var tensors = new Dictionary<string, Tensor>();
        Add("input", input);
        Add("output", output);
        tensors["post_blocks_norm.weight"] = Vector(new float[norm.UnitCount]);
        int block = -1;
        foreach (FloatLayer part in parts)
        {
            block += part is FloatFeedForward ? 0 : 1;
            IEnumerable<(string Name, Tensor Tensor)> named = part switch
            {
                FloatSlstm slstm => Of(slstm),
                FloatMlstm mlstm => Of(mlstm),
                FloatFeedForward feedForward when block >= 0 => Of(feedForward),
                _ => throw new ArgumentException("A block begins with an sLSTM or mLSTM part.", nameof(network)),
            };
            foreach ((string name, Tensor tensor) in named)
            {
                tensors[$"blocks.{block}.{name}"] = tensor;
            }
        }

        return TensorFile.Write(tensors, new Dictionary<string, string>());

        void Add(string name, FloatDense layer)
        {
            tensors[$"{name}.weight"] = Tensor.Of("F32", layer.Weight, layer.UnitCount, layer.InputCount);
            tensors[$"{name}.bias"] = Vector(layer.Bias);
        }
    }

    private static IEnumerable<(string, Tensor)> Of(FloatSlstm part)
    {
        int d = part.UnitCount / part.Heads;
        yield return ("xlstm_norm.weight", Vector(new float[part.UnitCount]));

        foreach ((string name, FloatProduct product) in InputNames.Zip(part.Input))
        {
            yield return ($"xlstm.{name}.weight", Headwise(product));
        }

        // [head, gate, to, from].
        IEnumerable<float> kernel = Enumerable.Range(0, part.Heads)
            .SelectMany(head => part.Recurrent.SelectMany(product => product.Weight.Skip(head * d * d).Take(d * d)));
        yield return ("xlstm.slstm_cell._recurrent_kernel_", Tensor.Of("F32", kernel.ToArray(), part.Heads, 4 * d, d));
        yield return ("xlstm.slstm_cell._bias_", Vector([.. part.Recurrent.SelectMany(product => product.Bias)]));
        yield return ("xlstm.group_norm.weight", NormWeight(part.GroupNorm));
        foreach ((string, Tensor) each in part.Convolution is { } convolution ? Of(convolution) : [])
        {
            yield return each;
        }
    }

    private static IEnumerable<(string, Tensor)> Of(FloatMlstm part)
    {
        int gate = part.Heads * part.HeadGates.InputCount;
        yield return ("xlstm_norm.weight", Vector(new float[part.UnitCount]));
        yield return ("xlstm.proj_up.weight", Halves(part.Up, part.Gate));
        yield return ("xlstm.q_proj.weight", Headwise(part.Query));
        yield return ("xlstm.k_proj.weight", Headwise(part.Key));
        yield return ("xlstm.v_proj.weight", Headwise(part.Value));
        yield return ("xlstm.mlstm_cell.igate.weight", Tensor.Of("F32", part.HeadGates.Weight[..gate], part.Heads, 3 * part.InnerCount));
        yield return ("xlstm.mlstm_cell.igate.bias", Vector(part.HeadGates.Bias[..part.Heads]));
        yield return ("xlstm.mlstm_cell.fgate.weight", Tensor.Of("F32", part.HeadGates.Weight[gate..], part.Heads, 3 * part.InnerCount));
        yield return ("xlstm.mlstm_cell.fgate.bias", Vector(part.HeadGates.Bias[part.Heads..]));
        yield return ("xlstm.mlstm_cell.outnorm.weight", NormWeight(part.GroupNorm));
        yield return ("xlstm.learnable_skip", Vector(part.Skip));
        yield return ("xlstm.proj_down.weight", Full(part.Down));
        foreach ((string, Tensor) each in Of(part.Convolution))
        {
            yield return each;
        }
    }

    private static IEnumerable<(string, Tensor)> Of(FloatFeedForward part) =>
    [
        ("ffn_norm.weight", Vector(new float[part.UnitCount])),
        ("ffn.proj_up.weight", Halves(part.Gate, part.Up)),
        ("ffn.proj_down.weight", Full(part.Down)),
    ];

    private static IEnumerable<(string, Tensor)> Of(FloatConvolution convolution) =>
    [
        ("xlstm.conv1d.conv.weight", Tensor.Of("F32", convolution.Weight, convolution.Width, 1, convolution.Taps)),
        ("xlstm.conv1d.conv.bias", Vector(convolution.Bias)),
    ];

    private static Tensor Vector(float[] values) => Tensor.Of("F32", values, values.Length);

    // Stored as the difference from one.
    private static Tensor NormWeight(float[] weight) => Vector([.. weight.Select(value => value - 1)]);

    private static Tensor Full(FloatProduct product) => Tensor.Of("F32", product.Weight, product.UnitCount, product.InputCount);

    private static Tensor Halves(FloatProduct first, FloatProduct second) =>
        Tensor.Of("F32", [.. first.Weight, .. second.Weight], 2 * first.UnitCount, first.InputCount);

    private static Tensor Headwise(FloatProduct product) => Tensor.Of(
        "F32", product.Weight, product.Heads, product.UnitCount / product.Heads, product.InputCount / product.Heads);
}
