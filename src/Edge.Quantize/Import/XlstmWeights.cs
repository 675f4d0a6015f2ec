using System.Text.RegularExpressions;
using Edge.Inference;
using Edge.Training.Reference;

namespace Edge.Quantize.Import;

/// <summary>
/// An xLSTM block stack under the names of the reference implementation (package <c>xlstm</c>, arXiv 2405.04517), with a linear layer
/// <c>input</c> before it and one <c>output</c> after it. The kind and the sizes of each block follow from its tensors.
/// </summary>
internal sealed partial class XlstmWeights(
    Dictionary<string, (int[] Shape, float[] Values)> tensors, string prefix, XlstmOptions options)
{
    private const int WidthMax = 4096;
    private const int BlocksMax = 15;

    /// <summary>What comes before <c>blocks.0</c> in the names, or null if this is no block stack.</summary>
    internal static string? PrefixOf(IEnumerable<string> names) =>
        names.Select(name => BlockName().Match(name)).FirstOrDefault(match => match.Success)?.Groups[1].Value;

    /// <exception cref="InputException">A tensor is missing, has another shape, or contradicts the manifest.</exception>
    internal FloatModel Build(string sha256)
    {
        var layers = new List<FloatLayer>();
        (int[] Shape, float[] Values) input = Take("input.weight", -1, -1);
        int width = input.Shape[0];
        layers.Add(new FloatDense(input.Shape[1], width, input.Values, Take("input.bias", width).Values, FloatActivation.Linear));
        int blocks = 0;
        var slstmAt = new List<int>();
        for (; Has($"{prefix}blocks.{blocks}.xlstm_norm.weight") && blocks < BlocksMax; blocks++)
        {
            string at = $"{prefix}blocks.{blocks}.";
            if (Has($"{at}xlstm.slstm_cell._recurrent_kernel_"))
            {
                slstmAt.Add(blocks);
                layers.Add(Slstm(at, width));
            }
            else
            {
                layers.Add(Mlstm(at, width));
            }

            if (Has($"{at}ffn_norm.weight"))
            {
                layers.Add(FeedForward(at, width));
            }
        }

        if (Has($"{prefix}blocks.{BlocksMax}.xlstm_norm.weight"))
        {
            throw new InputException($"The stack has more than {BlocksMax} blocks, which is the limit here.");
        }

        bool hasFinalNorm = Has($"{prefix}post_blocks_norm.weight");
        float[] finalNorm = Ones(width);
        if (hasFinalNorm)
        {
            finalNorm = NormWeight($"{prefix}post_blocks_norm.weight", width);
            layers.Add(new FloatNorm(width));
        }

        RequireSame("num_blocks", options.Blocks, blocks);
        RequireSame("embedding_dim", options.Width, width);
        if (options.HasFinalNorm is { } expected && expected != hasFinalNorm)
        {
            throw new InputException(
                $"The manifest's 'xlstm.add_post_blocks_norm' is {(expected ? "true" : "false")}, but the tensors say otherwise. "
                    + "Use the manifest that was written with the model.");
        }

        if (options.SlstmAt is { } places && !places.Order().SequenceEqual(slstmAt))
        {
            throw new InputException(
                $"The manifest's 'xlstm.slstm_at' is [{string.Join(", ", places)}], but the tensors have sLSTM blocks at "
                    + $"[{string.Join(", ", slstmAt)}]. Use the manifest that was written with the model.");
        }

        (int[] Shape, float[] Values) output = Take("output.weight", -1, width);
        FloatProduct normed = new FloatProduct(width, output.Shape[0], 1, output.Values, Take("output.bias", output.Shape[0]).Values)
            .Of(finalNorm);
        var head = new FloatDense(width, normed.UnitCount, normed.Weight, normed.Bias, FloatActivation.Linear);
        if (tensors.Keys.FirstOrDefault() is { } stray)
        {
            throw new InputException($"Tensor '{stray}' belongs to no part of an xLSTM block stack that is known here.");
        }

        return new FloatModel(null, null, layers, head, sha256);
    }

    private FloatSlstm Slstm(string at, int width)
    {
        string cell = $"{at}xlstm.slstm_cell.";
        (int[] Shape, float[] Values) kernel = Take($"{cell}_recurrent_kernel_", -1, -1, -1);
        int heads = kernel.Shape[0];
        RequireHeads(at, heads, width);
        int d = width / heads;

        // The kernels of the processor and of CUDA keep the weights in different orders: [head, gate, to, from] and [head, from, gate, to].
        bool isCuda = !kernel.Shape.AsSpan().SequenceEqual([heads, 4 * d, d]);
        if (isCuda && !kernel.Shape.AsSpan().SequenceEqual([heads, d, 4 * d]))
        {
            throw new InputException(
                $"Tensor '{cell}_recurrent_kernel_' is [{string.Join(", ", kernel.Shape)}] where [{heads}, {4 * d}, {d}] is expected.");
        }

        float[] bias = Take($"{cell}_bias_", 4 * width).Values;
        var recurrent = new FloatProduct[4];
        for (int gate = 0; gate < 4; gate++)
        {
            var weight = new float[width * d];
            var own = new float[width];
            for (int unit = 0; unit < width; unit++)
            {
                (int head, int to) = Math.DivRem(unit, d);
                own[unit] = bias[isCuda ? (((head * 4) + gate) * d) + to : (gate * width) + unit];
                for (int from = 0; from < d; from++)
                {
                    weight[(unit * d) + from] = kernel.Values[isCuda
                        ? (((head * d) + from) * 4 * d) + (gate * d) + to
                        : (((((head * 4) + gate) * d) + to) * d) + from];
                }
            }

            recurrent[gate] = new FloatProduct(width, width, heads, weight, own);
        }

        float[] norm = NormWeight($"{at}xlstm_norm.weight", width);
        FloatConvolution? convolution = Convolution(at, width);
        float[] features = convolution is null ? norm : Ones(width);

        // The reference's layer gives the input gate the weights called fgate, and the forget gate those called igate.
        FloatProduct[] inputs =
        [
            Headwise($"{at}xlstm.fgate", width, heads).Of(features), Headwise($"{at}xlstm.igate", width, heads).Of(features),
            Headwise($"{at}xlstm.zgate", width, heads).Of(norm), Headwise($"{at}xlstm.ogate", width, heads).Of(norm),
        ];
        return new FloatSlstm(
            width,
            heads,
            convolution?.Of(norm),
            inputs,
            recurrent,
            Has($"{at}xlstm.group_norm.weight") ? NormWeight($"{at}xlstm.group_norm.weight", width) : Ones(width));
    }

    private FloatMlstm Mlstm(string at, int width)
    {
        string own = $"{at}xlstm.";
        (FloatProduct up, FloatProduct gate) = Halves($"{own}proj_up", width);
        int inner = up.UnitCount;
        RequireBias($"{own}mlstm_cell.igate");
        RequireBias($"{own}mlstm_cell.fgate");
        FloatProduct input = Linear($"{own}mlstm_cell.igate", 3 * inner, -1);
        FloatProduct forget = Linear($"{own}mlstm_cell.fgate", 3 * inner, input.UnitCount);
        RequireHeads(at, input.UnitCount, inner);
        float[] norm = NormWeight($"{at}xlstm_norm.weight", width);
        return new FloatMlstm(
            width,
            input.UnitCount,
            up.Of(norm),
            gate.Of(norm),
            Convolution(at, inner)
                ?? throw new InputException(
                    $"Tensor '{own}conv1d.conv.weight' is missing: an mLSTM block without convolution is not known."),
            Headwise($"{own}q_proj", inner),
            Headwise($"{own}k_proj", inner),
            Headwise($"{own}v_proj", inner),
            new FloatProduct(3 * inner, 2 * input.UnitCount, 1, [.. input.Weight, .. forget.Weight], [.. input.Bias, .. forget.Bias]),
            NormWeight($"{own}mlstm_cell.outnorm.weight", inner),
            Take($"{own}learnable_skip", inner).Values,
            Linear($"{own}proj_down", inner, width));
    }

    private FloatFeedForward FeedForward(string at, int width)
    {
        (FloatProduct gate, FloatProduct up) = Halves($"{at}ffn.proj_up", width);
        FloatActivation activation = options.FeedForwardActivation switch
        {
            "gelu" => new FloatActivation(FloatFunction.Gelu),
            "relu" => FloatActivation.Relu,
            "sigmoid" => FloatActivation.Sigmoid,
            "swish" => new FloatActivation(FloatFunction.Silu),
            "selu" => new FloatActivation(FloatFunction.Selu, 1.6732632f, 1.0507010f),
            null => throw new InputException(
                "The activation of the feed-forward layers is not in the file. "
                    + "Put the manifest with the 'xlstm' object (act_fn) beside it, under the same name with .json, or name it with "
                    + "--manifest."),
            _ => throw new InputException(
                $"The manifest's 'xlstm.act_fn' is '{options.FeedForwardActivation}'; known are gelu, relu, sigmoid, swish and selu."),
        };
        float[] norm = NormWeight($"{at}ffn_norm.weight", width);
        return new FloatFeedForward(
            width,
            gate.Of(norm),
            up.Of(norm),
            Linear($"{at}ffn.proj_down", up.UnitCount, width),
            activation);
    }

    private FloatConvolution? Convolution(string at, int channels)
    {
        string name = $"{at}xlstm.conv1d.conv.weight";
        if (!Has(name))
        {
            RequireSame("conv1d_kernel_size", options.ConvolutionTaps, 0);
            return null;
        }

        (int[] Shape, float[] Values) weight = Take(name, channels, -1, -1);
        if (weight.Shape[1] != 1 || weight.Shape[2] > 64)
        {
            throw new InputException(
                $"Tensor '{name}' is [{string.Join(", ", weight.Shape)}]; only a convolution of each channel by itself, of up to 64 rows, "
                    + "is known.");
        }

        RequireSame("conv1d_kernel_size", options.ConvolutionTaps, weight.Shape[2]);
        float[] bias = Take($"{at}xlstm.conv1d.conv.bias", channels).Values;
        return new FloatConvolution(channels, weight.Shape[2], weight.Values, bias);
    }

    // A linear layer of which each half of the outputs goes its own way.
    private (FloatProduct First, FloatProduct Second) Halves(string name, int columns)
    {
        FloatProduct whole = Linear(name, columns, -1);
        int half = whole.UnitCount / 2;
        return whole.UnitCount % 2 == 0
            ? (new FloatProduct(columns, half, 1, whole.Weight[..(half * columns)], whole.Bias[..half]),
                new FloatProduct(columns, half, 1, whole.Weight[(half * columns)..], whole.Bias[half..]))
            : throw new InputException($"Tensor '{name}.weight' has {Quantity.Of(whole.UnitCount, "row")}, not two halves.");
    }

    private FloatProduct Linear(string name, int columns, int rows)
    {
        (int[] Shape, float[] Values) weight = Take($"{name}.weight", rows, columns);
        return new FloatProduct(columns, weight.Shape[0], 1, weight.Values, BiasOf(name, weight.Shape[0]));
    }

    private FloatProduct Headwise(string name, int width, int count = -1)
    {
        (int[] Shape, float[] Values) weight = Take($"{name}.weight", count, -1, -1);
        int heads = weight.Shape[0];
        return width % heads == 0 && weight.Shape[1] == width / heads && weight.Shape[2] == width / heads
            ? new FloatProduct(width, width, heads, weight.Values, BiasOf(name, width))
            : throw new InputException(
                $"Tensor '{name}.weight' is [{string.Join(", ", weight.Shape)}], which are not blocks that make up {width} values.");
    }

    private float[] BiasOf(string name, int rows) => Has($"{name}.bias") ? Take($"{name}.bias", rows).Values : new float[rows];

    // The reference always has it, so a file without it is incomplete.
    private void RequireBias(string name)
    {
        if (!Has($"{name}.bias"))
        {
            throw new InputException($"Tensor '{name}.bias' is missing. The file is incomplete.");
        }
    }

    // Stored as the difference from one.
    private float[] NormWeight(string name, int width) => [.. Take(name, width).Values.Select(weight => 1 + weight)];

    private static float[] Ones(int width) => [.. Enumerable.Repeat(1f, width)];

    private void RequireHeads(string at, int heads, int width)
    {
        RequireSame("num_heads", options.Heads, heads);
        if (width % heads != 0)
        {
            throw new InputException($"'{at}xlstm' has {heads} heads, which do not divide its {width} values.");
        }
    }

    private static void RequireSame(string key, int? described, int actual)
    {
        if (described is { } number && number != actual)
        {
            throw new InputException(
                $"The manifest's 'xlstm.{key}' is {number}, but the tensors have {actual}. "
                    + "Use the manifest that was written with the model.");
        }
    }

    private bool Has(string name) => tensors.ContainsKey(name);

    // Removes a tensor; -1 is any size from 1 to 4 x 4096.
    private (int[] Shape, float[] Values) Take(string name, params ReadOnlySpan<int> shape)
    {
        if (!tensors.Remove(name, out (int[] Shape, float[] Values) tensor))
        {
            throw new InputException(
                $"Tensor '{name}' is missing. The file is incomplete, or not an xLSTM block stack between linear layers.");
        }

        bool fits = tensor.Shape.Length == shape.Length;
        for (int i = 0; fits && i < shape.Length; i++)
        {
            fits = shape[i] < 0 ? tensor.Shape[i] is >= 1 and <= 4 * WidthMax : tensor.Shape[i] == shape[i];
        }

        return fits
            ? tensor
            : throw new InputException(
                $"Tensor '{name}' is [{string.Join(", ", tensor.Shape)}] where "
                    + $"[{string.Join(", ", shape.ToArray().Select(size => size < 0 ? "any" : $"{size}"))}] is expected.");
    }

    [GeneratedRegex(@"^(.*?)blocks\.0\.xlstm_norm\.weight$")]
    private static partial Regex BlockName();
}
