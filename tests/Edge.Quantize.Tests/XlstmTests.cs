using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>xLSTM block stacks trained with the reference implementation, through the commands a user types.</summary>
public sealed class XlstmTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedDataTheory]
    [InlineData("etth1-xlstm")]
    [InlineData("etth1-slstm")]
    public void Float_is_within_1e_4_of_the_reference_at_every_one_of_3000_steps(string model)
    {
        CommandLine.Done(
            "infer",
            SharedData.Xlstm(model, "model.safetensors"),
            "--engine",
            "float",
            "--input",
            SharedData.Xlstm(model, "golden_x.f32"),
            "--output",
            _folder.File("y.f32"));
        float[] expected = Floats(SharedData.Xlstm(model, "golden_y.f32"));
        float[] actual = Floats(_folder.File("y.f32"));
        Assert.Equal(3000 * 7, expected.Length);
        Assert.Equal(expected.Length, actual.Length);
        Assert.InRange(expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max(), 0, 1e-4f);
    }

    [SharedDataFact]
    public void A_stack_without_its_manifest_or_with_another_is_refused()
    {
        string model = _folder.File("m.safetensors");
        File.Copy(SharedData.Xlstm("etth1-xlstm", "model.safetensors"), model);
        CommandLine.Refuses(["inspect", model], "The activation of the feed-forward layers is not in the file");

        string manifest = File.ReadAllText(SharedData.Xlstm("etth1-xlstm", "model.json"));
        Refuses("num_heads", 8, "'xlstm.num_heads' is 8, but the tensors have 4");
        Refuses("num_blocks", 3, "'xlstm.num_blocks' is 3, but the tensors have 2");
        Refuses("embedding_dim", "wide", "'xlstm.embedding_dim' is \"wide\", which it cannot be");
        Refuses("conv1d_kernel_size", 2.5, "'xlstm.conv1d_kernel_size' is 2.5, not a whole number");
        Refuses("act_fn", "relu^2", "known are gelu, relu, sigmoid, swish and selu");
        Refuses("slstm_at", new JsonArray(0), "have sLSTM blocks at [1]", "[0]");
        Refuses("add_post_blocks_norm", false, "'xlstm.add_post_blocks_norm' is false");

        void Refuses(string key, JsonNode value, params string[] sentence)
        {
            JsonNode changed = JsonNode.Parse(manifest)!;
            changed["xlstm"]![key] = value;
            File.WriteAllText(_folder.File("m.json"), changed.ToJsonString());
            CommandLine.Refuses(["inspect", model], sentence);
        }
    }

    [SharedDataFact]
    public void Every_tensor_of_a_stack_is_needed_and_has_one_shape()
    {
        byte[] manifest = File.ReadAllBytes(SharedData.Xlstm("etth1-xlstm", "model.json"));
        TensorFile file = TensorFile.Parse(File.ReadAllBytes(SharedData.Xlstm("etth1-xlstm", "model.safetensors")));
        foreach ((string name, Tensor tensor) in file.Tensors)
        {
            // A group norm may have no weights.
            var without = new Dictionary<string, Tensor>(file.Tensors.Where(entry => entry.Key != name));
            var grown = new Dictionary<string, Tensor>(file.Tensors)
            {
                [name] = Tensor.Of("F32", new float[(tensor.Shape[0] + 1) * 3], tensor.Shape[0] + 1, 3),
            };
            Exception? missing = Record.Exception(() => Import(without));
            Assert.True(
                missing is InputException || name.EndsWith("group_norm.weight", StringComparison.Ordinal),
                $"{name} is not missed");
            InputException shape = Assert.Throws<InputException>(() => Import(grown));
            Assert.StartsWith("Tensor '", shape.Message, StringComparison.Ordinal);
        }

        FloatModel Import(Dictionary<string, Tensor> tensors) =>
            FloatModels.Import(TensorFile.Write(tensors, new Dictionary<string, string>()), null, manifest);
    }

    private static float[] Floats(string path) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();
}
