using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Import;
using Edge.Quantize.Quantization;
using Edge.Sensors.Replay;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>xLSTM block stacks trained with the reference implementation, through the commands a user types.</summary>
[Trait("Vectors", "needed")]
public sealed partial class XlstmTests : IDisposable
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

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_small_stack_follows_its_float_model(int seed)
    {
        FloatModel model = FloatModels.Import(RandomCheckpoint.Of(seed, inputs: 3, width: 16, heads: seed % 2 == 0 ? 4 : 2));
        var random = new Random(seed);
        float[] rows = [.. Enumerable.Range(0, 3 * 3000).Select(i => MathF.Sin(i / 7f) + (0.3f * ((2 * random.NextSingle()) - 1)))];
        string path = _folder.File("x.f32");
        File.WriteAllBytes(path, MemoryMarshal.AsBytes<float>(rows).ToArray());
        ModelManifest manifest = ModelManifest.Plain("model", 3, 2);
        ReadingsFile readings = ReadingsFile.Load(new ReplayOptions { File = path }, manifest);
        var settings = new QuantizationSettings { WideLayers = new HashSet<int>([1, 2]) };
        EdgeModel quantized = new ModelQuantizer(model, manifest, ActivationStatistics.Measure(model, readings, 0, 2000), "{}")
            .Quantize(settings);
        var int8 = new InferenceSession(quantized);
        var reference = new FloatSession(model);
        float[] expected = new float[2];
        float[] actual = new float[2];
        double squares = 0;
        double variance = 0;
        for (int row = 0; row < 3000; row++)
        {
            reference.Step(readings.Row(row), expected);
            int8.Step(readings.Row(row), actual);
            for (int k = 0; k < 2; k++)
            {
                squares += Math.Pow(actual[k] - expected[k], 2);
                variance += Math.Pow(expected[k] - model.Head!.Bias[k], 2);
            }
        }

        Assert.InRange(Math.Sqrt(squares / variance), 0, 0.02);
    }

    [SharedDataTheory]
    [InlineData("etth1-xlstm", "auto")]
    [InlineData("etth1-slstm", "auto")]
    [InlineData("etth1-xlstm", "int8")]
    [InlineData("etth1-slstm", "int8")]
    public void Int8_is_within_a_tenth_of_a_percent_of_float_on_the_test_rows(string model, string precision)
    {
        string printed = Quantize(model, precision);
        Match change = RmseChange().Match(printed);
        Assert.True(change.Success, printed);
        Assert.InRange(double.Parse(change.Groups[1].Value, CultureInfo.InvariantCulture), -1, 0.1);
        Assert.Contains("readings clipped: none; cell states: 0", printed, StringComparison.Ordinal);
    }

    [SharedDataTheory]
    [InlineData("etth1-xlstm")]
    [InlineData("etth1-slstm")]
    public void Every_kernel_gives_the_same_bytes_and_goes_on_with_a_restored_state(string name)
    {
        EdgeModel model = Quantized(name, 8);
        float[] x = Floats(SharedData.Xlstm(name, "golden_x.f32"));
        byte[]? expected = null;
        foreach (string kernel in InferenceSession.Kernels)
        {
            var session = new InferenceSession(model, kernel);
            float[] y = new float[600 * 7];
            for (int row = 0; row < 600; row++)
            {
                if (row == 300)
                {
                    // In another session of another kernel.
                    byte[] saved = session.Save();
                    session = new InferenceSession(model, row % 2 == 0 ? kernel : "scalar");
                    session.Restore(saved);
                }

                session.Step(x.AsSpan(row * 7, 7), y.AsSpan(row * 7, 7));
            }

            byte[] actual = [.. MemoryMarshal.AsBytes<float>(y), .. session.State];
            expected ??= actual;
            Assert.Equal(expected, actual);
        }
    }

    [SharedDataFact]
    public void Inspect_evaluate_and_trace_know_the_blocks()
    {
        Quantize("etth1-xlstm", "int16");
        string model = _folder.File("m.safetensors");
        string reference = SharedData.Xlstm("etth1-xlstm", "model.safetensors");
        string inspected = CommandLine.Done("inspect", model);
        foreach (string part in new[] { "mlstm", "slstm", "feedforward", "norm", "19648 multiply-accumulates" })
        {
            Assert.Contains(part, inspected, StringComparison.Ordinal);
            Assert.Contains(part, CommandLine.Done("inspect", reference), StringComparison.Ordinal);
        }

        string evaluated = CommandLine.Done("evaluate", reference, model, "--data", SharedData.Readings("ETTh1.csv"), "--json");
        foreach (string part in new[] { "\"1 mlstm\"", "\"gates\"", "\"2 slstm\"", "\"z\"", "\"3 feedforward\"", "\"down\"" })
        {
            Assert.Contains(part, evaluated, StringComparison.Ordinal);
        }

        CommandLine.Done(
            "trace", model, "--float", reference, "--data", SharedData.Readings("ETTh1.csv"), "--report", _folder.File("r.html"));
        string page = File.ReadAllText(_folder.File("r.html"));
        string[] parts = ["Layer 1 (mlstm)", "stabilizer m + log n", "memory c/n", "share of this step i/n", "forget gate f"];
        foreach (string part in parts)
        {
            Assert.Contains(part, page, StringComparison.Ordinal);
        }
    }

    [SharedDataFact]
    public void A_traced_step_shows_what_the_float_model_has()
    {
        EdgeModel quantized = Quantized("etth1-xlstm", 16);
        FloatModel trained = FloatModels.Load(SharedData.Xlstm("etth1-xlstm", "model.safetensors"));
        var trace = new CellTrace(quantized);
        var session = new FloatSession(trained);
        var gates = new float[trained.Layers.Count][];
        session.Stepped = (l, scratch) => gates[l] = scratch.ToArray();
        float[] x = Floats(SharedData.Xlstm("etth1-xlstm", "golden_x.f32"));
        for (int row = 0; row < 400; row++)
        {
            session.Step(x.AsSpan(row * 7, 7), new float[7]);
            trace.Step(x.AsSpan(row * 7, 7), new float[7]);
        }

        for (int l = 1; l <= 2; l++)
        {
            int count = CellTrace.GateNames(quantized.Layers[l]).Length * 32;
            for (int i = 0; i < count; i++)
            {
                Assert.InRange(trace.Gates(l)[i] - gates[l][i], -0.02f, 0.02f);
            }
        }
    }

    [SharedDataFact]
    public void A_state_moves_from_int8_to_float_and_back()
    {
        var int8 = new InferenceSession(Quantized("etth1-xlstm", 16));
        FloatModel trained = FloatModels.Load(SharedData.Xlstm("etth1-xlstm", "model.safetensors"));
        var unbroken = new FloatSession(trained);
        float[] x = Floats(SharedData.Xlstm("etth1-xlstm", "golden_x.f32"));
        float[] expected = new float[7];
        float[] actual = new float[7];
        for (int row = 0; row < 500; row++)
        {
            unbroken.Step(x.AsSpan(row * 7, 7), expected);
            int8.Step(x.AsSpan(row * 7, 7), actual);
        }

        // The float model goes on from the state of int8, and int8 from that of float.
        var continued = new FloatSession(trained);
        float[] state = int8.ExportState();
        continued.Restore(StateFormat.Wrap(MemoryMarshal.AsBytes<float>(state), StateKind.Float32, trained.Sha256));
        int8.ImportState(unbroken.State);
        for (int row = 500; row < 600; row++)
        {
            unbroken.Step(x.AsSpan(row * 7, 7), expected);
            continued.Step(x.AsSpan(row * 7, 7), actual);
            AssertClose();
            int8.Step(x.AsSpan(row * 7, 7), actual);
            AssertClose();
        }

        void AssertClose()
        {
            for (int k = 0; k < 7; k++)
            {
                Assert.InRange(actual[k] - expected[k], -0.03f, 0.03f);
            }
        }
    }

    // Without the evaluation that the command makes.
    private static EdgeModel Quantized(string name, int bits)
    {
        FloatModel model = FloatModels.Load(SharedData.Xlstm(name, "model.safetensors"));
        ModelManifest manifest = ModelManifest.Parse(File.ReadAllBytes(SharedData.Xlstm(name, "model.json")));
        ReadingsFile readings = ReadingsFile.Load(new ReplayOptions { File = SharedData.Readings("ETTh1.csv") }, manifest);
        var settings = new QuantizationSettings { WideLayers = new HashSet<int>(Enumerable.Range(0, bits == 8 ? 0 : model.Layers.Count)) };
        return new ModelQuantizer(model, manifest, ActivationStatistics.Measure(model, readings, 0, 8000), "{}").Quantize(settings);
    }

    private string Quantize(string model, string precision) => CommandLine.Done(
        "quantize", SharedData.Xlstm(model, "model.safetensors"), "--manifest", SharedData.Xlstm(model, "model.json"),
        "--calibration", SharedData.Readings("ETTh1.csv"), "-o", _folder.File("m.safetensors"), "--precision", precision);

    [GeneratedRegex(@"RMSE change, mean over outputs: ([+-]\d+\.\d+) %")]
    private static partial Regex RmseChange();

    private static float[] Floats(string path) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();
}
