using System.Runtime.InteropServices;
using System.Text.Json;
using Edge.Inference;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>The models trained with PyTorch on real readings, through the commands a user types.</summary>
public sealed class RealModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedDataTheory]
    [InlineData("etth1-lstm64", "step.onnx")]
    [InlineData("etth1-lstm64", "sequence.onnx")]
    [InlineData("etth1-ot24", "step.onnx")]
    [InlineData("etth1-ot24", "sequence.onnx")]
    [InlineData("skab-lstm64x2", "step.onnx")]
    [InlineData("skab-lstm64x2", "sequence.onnx")]
    [InlineData("ambient-lstm32", "step.onnx")]
    [InlineData("ambient-lstm32", "sequence.onnx")]
    [InlineData("etth1-gru64", "step.onnx")]
    [InlineData("etth1-gru64", "sequence.onnx")]
    [InlineData("ambient-rnn16", "step.onnx")]
    [InlineData("ambient-rnn16", "sequence.onnx")]
    public void Float_inference_is_within_1e_4_of_PyTorch_at_every_value(string model, string file)
    {
        CommandLine.Done(
            "infer",
            SharedData.Model(model, file),
            "--engine",
            "float",
            "--input",
            SharedData.Model(model, "golden_x.f32"),
            "--output",
            _folder.File("y.f32"));
        float[] expected = Floats(SharedData.Model(model, "golden_y.f32"));
        float[] actual = Floats(_folder.File("y.f32"));
        Assert.Equal(expected.Length, actual.Length);
        Assert.InRange(expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max(), 0, 1e-4f);
    }

    [SharedDataTheory]
    [InlineData("etth1-lstm64")]
    [InlineData("skab-lstm64x2")]
    [InlineData("etth1-gru64")]
    [InlineData("ambient-rnn16")]
    public void Float_state_after_the_last_row_is_PyTorchs(string model)
    {
        var session = new FloatSession(FloatModels.Load(SharedData.Model(model, "step.onnx")));
        float[] x = Floats(SharedData.Model(model, "golden_x.f32"));
        float[] y = new float[session.Model.OutputCount];
        for (int at = 0; at < x.Length; at += session.Model.InputCount)
        {
            session.Step(x.AsSpan(at, session.Model.InputCount), y);
        }

        Assert.InRange(
            Floats(SharedData.Model(model, "golden_state.f32")).Zip(session.State.ToArray(), (a, b) => Math.Abs(a - b)).Max(),
            0,
            1e-4f);
    }

    [SharedDataTheory]
    [InlineData("etth1-lstm64")]
    [InlineData("etth1-ot24")]
    [InlineData("skab-lstm64x2")]
    [InlineData("ambient-lstm32")]
    [InlineData("etth1-gru64")]
    [InlineData("ambient-rnn16")]
    public void Int8_stays_within_one_and_a_half_percent_of_each_outputs_deviation(string model)
    {
        string printed = Quantize(model, "m.safetensors");
        Assert.Contains("RMSE change, mean over outputs", printed, StringComparison.Ordinal);
        CommandLine.Done(
            "infer",
            _folder.File("m.safetensors"),
            "--input",
            SharedData.Model(model, "golden_x.f32"),
            "--output",
            _folder.File("y.f32"));
        float[] expected = Floats(SharedData.Model(model, "golden_y.f32"));
        float[] actual = Floats(_folder.File("y.f32"));
        using JsonDocument manifest = JsonDocument.Parse(File.ReadAllBytes(SharedData.Model(model, "model.json")));
        int outputs = manifest.RootElement.GetProperty("outputs").GetInt32();
        for (int k = 0; k < outputs; k++)
        {
            double[] e = expected.Where((_, at) => at % outputs == k).Select(value => (double)value).ToArray();
            double[] a = actual.Where((_, at) => at % outputs == k).Select(value => (double)value).ToArray();
            double mean = e.Average();
            double deviation = Math.Sqrt(e.Average(value => (value - mean) * (value - mean)));
            double rms = Math.Sqrt(e.Zip(a, (p, q) => (p - q) * (p - q)).Average());
            Assert.InRange(rms / deviation, 0, 0.015);
        }
    }

    [SharedDataFact]
    public void Quantizing_twice_gives_the_same_bytes()
    {
        Quantize("ambient-lstm32", "a.safetensors");
        Quantize("ambient-lstm32", "b.safetensors");
        Assert.Equal(File.ReadAllBytes(_folder.File("a.safetensors")), File.ReadAllBytes(_folder.File("b.safetensors")));
    }

    [SharedDataTheory]
    [InlineData("m.safetensors")]
    [InlineData("step.onnx")]
    public void Two_runs_with_the_state_carried_between_them_equal_one_run(string file)
    {
        Quantize("etth1-lstm64", "m.safetensors");
        string model = file == "m.safetensors" ? _folder.File(file) : SharedData.Model("etth1-lstm64", file);
        byte[] x = File.ReadAllBytes(SharedData.Model("etth1-lstm64", "golden_x.f32"));
        int cut = 777 * 7 * sizeof(float);
        File.WriteAllBytes(_folder.File("x"), x);
        File.WriteAllBytes(_folder.File("x1"), x[..cut]);
        File.WriteAllBytes(_folder.File("x2"), x[cut..]);

        CommandLine.Done("infer", model, "--input", _folder.File("x"), "--output", _folder.File("y"), "--state-out", _folder.File("s"));
        CommandLine.Done("infer", model, "--input", _folder.File("x1"), "--output", _folder.File("y1"), "--state-out", _folder.File("s1"));
        CommandLine.Done(
            "infer", model, "--input", _folder.File("x2"), "--output", _folder.File("y2"), "--state-in", _folder.File("s1"),
            "--state-out", _folder.File("s2"));

        byte[] joined = [.. File.ReadAllBytes(_folder.File("y1")), .. File.ReadAllBytes(_folder.File("y2"))];
        Assert.Equal(File.ReadAllBytes(_folder.File("y")), joined);
        Assert.Equal(File.ReadAllBytes(_folder.File("s")), File.ReadAllBytes(_folder.File("s2")));
    }

    [SharedDataFact]
    public void Every_kernel_gives_the_same_file()
    {
        Quantize("skab-lstm64x2", "m.safetensors");
        string[] results = InferenceSession.Kernels.Select(kernel =>
        {
            CommandLine.Done(
                "infer",
                _folder.File("m.safetensors"),
                "--input",
                SharedData.Model("skab-lstm64x2", "golden_x.f32"),
                "--output",
                _folder.File(kernel),
                "--state-out",
                _folder.File(kernel + ".s"),
                "--kernel",
                kernel);
            return Convert.ToHexString(File.ReadAllBytes(_folder.File(kernel)))
                + Convert.ToHexString(File.ReadAllBytes(_folder.File(kernel + ".s")));
        }).ToArray();
        Assert.Single(results.Distinct());
        CommandLine.Refuses(
            ["infer", _folder.File("m.safetensors"), "--input", "x", "--output", "y", "--kernel", "gpu"],
            "'gpu' does not run on this processor",
            "scalar");
    }

    [SharedDataFact]
    public void Inspect_and_evaluate_say_the_same_to_people_and_programs()
    {
        Quantize("ambient-lstm32", "m.safetensors");
        Assert.Contains("96 bytes per stream", CommandLine.Done("inspect", _folder.File("m.safetensors")), StringComparison.Ordinal);
        using JsonDocument inspected = JsonDocument.Parse(CommandLine.Done("inspect", _folder.File("m.safetensors"), "--json"));
        Assert.Equal(96, inspected.RootElement.GetProperty("state_bytes").GetInt32());
        Assert.Equal("lstm", inspected.RootElement.GetProperty("layers")[0].GetProperty("type").GetString());
        Assert.Equal(
            "float32",
            JsonDocument.Parse(
                CommandLine.Done("inspect", SharedData.Model("ambient-lstm32", "step.onnx"), "--json")).RootElement.GetProperty("precision")
                    .GetString());

        using JsonDocument evaluated = JsonDocument.Parse(CommandLine.Done(
            "evaluate",
            SharedData.Model("ambient-lstm32", "step.onnx"),
            _folder.File("m.safetensors"),
            "--data",
            SharedData.ReadingsOf("ambient-lstm32"),
            "--json"));
        JsonElement output = evaluated.RootElement.GetProperty("outputs")[0];
        using JsonDocument manifest = JsonDocument.Parse(File.ReadAllBytes(SharedData.Model("ambient-lstm32", "model.json")));
        double trained = manifest.RootElement.GetProperty("test_rmse_mean")
            .GetDouble() * manifest.RootElement.GetProperty("std")[0]
            .GetDouble();
        Assert.InRange(output.GetProperty("float_rmse").GetDouble() / trained, 0.98, 1.02);
        Assert.InRange(output.GetProperty("int8_rmse").GetDouble() / output.GetProperty("float_rmse").GetDouble(), 0.99, 1.01);
    }

    private string Quantize(string model, string target) => CommandLine.Done(
        "quantize", SharedData.Model(model, "step.onnx"), "--manifest", SharedData.Model(model, "model.json"),
        "--calibration", SharedData.ReadingsOf(model), "-o", _folder.File(target));

    private static float[] Floats(string path) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();
}
