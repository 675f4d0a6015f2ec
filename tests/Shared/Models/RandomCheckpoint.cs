using Edge.Inference.Models;

namespace Edge.Testing;

/// <summary>Checkpoints of tiny xLSTM block stacks with seeded random weights, under the names of the reference implementation.</summary>
internal static class RandomCheckpoint
{
    /// <summary>A safetensors file: an mLSTM block, then an sLSTM block without feed-forward, and a norm.</summary>
    /// <param name="seed">Draws the weights, and whether the sLSTM has a convolution.</param>
    /// <param name="inputs">I.</param>
    /// <param name="width">Values of the residual stream; a multiple of 4.</param>
    /// <param name="heads">Of both cells; it divides the width.</param>
    /// <param name="outputs">O.</param>
    internal static byte[] Of(int seed, int inputs = 2, int width = 4, int heads = 2, int outputs = 2)
    {
        var random = new Random(seed);
        var tensors = new Dictionary<string, Tensor>();
        int inner = 2 * width;
        Add("input.weight", width, inputs);
        Add("input.bias", width);
        Add("blocks.0.xlstm_norm.weight", width);
        Add("blocks.0.xlstm.proj_up.weight", 2 * inner, width);
        foreach (string name in new[] { "q", "k", "v" })
        {
            Add($"blocks.0.xlstm.{name}_proj.weight", inner / 4, 4, 4);
        }

        Add("blocks.0.xlstm.conv1d.conv.weight", inner, 1, 4);
        Add("blocks.0.xlstm.conv1d.conv.bias", inner);
        foreach (string gate in new[] { "igate", "fgate" })
        {
            Add($"blocks.0.xlstm.mlstm_cell.{gate}.weight", heads, 3 * inner);
            Add($"blocks.0.xlstm.mlstm_cell.{gate}.bias", heads);
        }

        Add("blocks.0.xlstm.mlstm_cell.outnorm.weight", inner);
        Add("blocks.0.xlstm.learnable_skip", inner);
        Add("blocks.0.xlstm.proj_down.weight", width, inner);
        Add("blocks.1.xlstm_norm.weight", width);
        if (seed % 2 == 0)
        {
            Add("blocks.1.xlstm.conv1d.conv.weight", width, 1, 3);
            Add("blocks.1.xlstm.conv1d.conv.bias", width);
        }

        foreach (string gate in new[] { "fgate", "igate", "zgate", "ogate" })
        {
            Add($"blocks.1.xlstm.{gate}.weight", heads, width / heads, width / heads);
        }

        Add("blocks.1.xlstm.slstm_cell._recurrent_kernel_", heads, 4 * width / heads, width / heads);
        Add("blocks.1.xlstm.slstm_cell._bias_", 4 * width);
        Add("blocks.1.xlstm.group_norm.weight", width);
        Add("post_blocks_norm.weight", width);
        Add("output.weight", outputs, width);
        Add("output.bias", outputs);
        return TensorFile.Write(tensors, new Dictionary<string, string>());

        void Add(string name, params int[] shape)
        {
            // Sums of about one, and norms near one.
            int count = shape.Aggregate(1, (product, size) => product * size);
            float scale = shape.Length > 1 ? 1.7f / MathF.Sqrt(shape[^1]) : 0.3f;
            string full = name.StartsWith("input", StringComparison.Ordinal) || name.StartsWith("output", StringComparison.Ordinal)
                ? name
                : $"xlstm_block_stack.{name}";
            tensors[full] = Tensor.Of(
                "F32", Enumerable.Range(0, count).Select(_ => scale * ((2 * random.NextSingle()) - 1)).ToArray(), shape);
        }
    }
}
