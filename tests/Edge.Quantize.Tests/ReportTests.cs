using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Reports;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>What a user gets to see and to keep: pages, JSON, benchmarks, signatures.</summary>
public sealed class ReportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("lstm_2_layers_hn.onnx")]
    [InlineData("gru_opset11.onnx")]
    [InlineData("rnn_mlp.onnx")]
    public void The_evaluation_is_a_page_without_script_or_network(string file)
    {
        Quantize(file, "--report", _folder.File("r.html"));
        string page = RequireSelfContained("r.html");
        Assert.Contains("Drift", page, StringComparison.Ordinal);
        Assert.Contains("Which gate costs what", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lstm_2_layers_hn.onnx", "forget gate f")]
    [InlineData("gru_opset11.onnx", "update gate z")]
    [InlineData("rnn_mlp.onnx", "hidden state h")]
    public void The_trace_shows_every_gate_in_float_and_int8(string file, string gate)
    {
        Quantize(file);
        CommandLine.Done(
            "trace",
            _folder.File("m.safetensors"),
            "--float",
            Export(file),
            "--data",
            Export("x.f32"),
            "--rows",
            "30",
            "--unit",
            "1",
            "--report",
            _folder.File("t.html"));
        string page = RequireSelfContained("t.html");
        Assert.Contains(gate, page, StringComparison.Ordinal);
        Assert.Contains("class=\"s1\"", page, StringComparison.Ordinal);
        Assert.Contains("class=\"s2\"", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0.9, 0.9, "The model beats every simple forecast on every output.")]
    [InlineData(0.9, 1.0004, "The model beats every simple forecast on 1 of 2 outputs. It equals the best of them on 1: a[t+2] (ridge).")]
    [InlineData(1.0004, 1, "The model beats every simple forecast on 0 of 2 outputs. It equals the best of them on 2: a[t+1] (ridge); ")]
    [InlineData(0.9, 0.9994, "The model beats every simple forecast on every output.")]
    [InlineData(0.9, 0.9996, "The model beats every simple forecast on 1 of 2 outputs. It equals the best of them on 1: a[t+2] (ridge).")]
    [InlineData(1, 0, "The model beats every simple forecast on 1 of 2 outputs. It equals the best of them on 1: a[t+1] (ridge).")]
    [InlineData(0.9, 1.25, "The model beats every simple forecast on 1 of 2 outputs. It loses on 1: a[t+2] (to ridge by 20.0 %).")]
    [InlineData(1.0004, 1.25, "on 0 of 2 outputs. It equals the best of them on 1: a[t+1] (ridge). It loses on 1: a[t+2] (to ridge by")]
    public void What_rounds_to_no_difference_is_equal(double first, double second, string verdict)
    {
        ModelManifest manifest = ModelManifest.Parse(
            """{"columns":["a"],"period_seconds":1,"mean":[0],"std":[1],"outputs_named":["a[t+1]","a[t+2]"]}"""u8.ToArray())
            .WithOutputRmse([first, second])
            .WithBaselines(new Dictionary<string, IReadOnlyList<double>> { ["persistence"] = [2, 2], ["ridge"] = [1, 1] });
        Assert.Contains(verdict, BaselineTable.Verdict(manifest), StringComparison.Ordinal);
    }

    [Fact]
    public void The_largest_losses_are_named_first()
    {
        double[] errors = [1.1, 0.9, 2, 1.2, 1.3, 1.25, 4, 1.05, 5];
        string names = string.Join(',', errors.Select((_, k) => $"\"a[t+{k + 1}]\""));
        ModelManifest manifest = ModelManifest.Parse(Encoding.UTF8.GetBytes(
            $$"""{"columns":["a"],"period_seconds":1,"mean":[0],"std":[1],"outputs_named":[{{names}}]}"""))
            .WithOutputRmse(errors)
            .WithBaselines(new Dictionary<string, IReadOnlyList<double>> { ["ridge"] = [.. errors.Select(_ => 1.0)] });
        string verdict = BaselineTable.Verdict(manifest);
        int[] lost = [.. Regex.Matches(verdict, @"t\+(\d)\] \(to").Select(match => match.Groups[1].Value[0] - '0')];
        Assert.Equal([9, 7, 3, 5, 6, 4], lost);
        Assert.EndsWith("(to ridge by 16.7 %) and 2 more.", verdict, StringComparison.Ordinal);
    }

    [Fact]
    public void The_former_name_of_persistence_is_read()
    {
        ModelManifest manifest = ModelManifest.Parse(
            """
            {"columns":["a"],"period_seconds":1,"mean":[0],"std":[1],"outputs_named":["a[t+1]"],
            "output_rmse_normalised":[1],"baseline_rmse_normalised":{"last value":[2]}}
            """u8.ToArray());
        Assert.Equal(["persistence"], manifest.Baselines.Keys);
        Assert.Equal(0.75, BaselineTable.Skill(manifest), 9);
    }

    [Fact]
    public void A_name_that_looks_like_markup_stays_text()
    {
        File.WriteAllText(
            _folder.File("m.json"),
            """{"name":"<script>alert(1)</script>","columns":["a&b","<i>","c","d"],"period_seconds":1"""
            + ""","mean":[0,0,0,0],"std":[1,1,1,1],"outputs_named":["a&b[t+1]","<i>[t+1]","y"]}""");
        Quantize("gru_opset11.onnx", "--manifest", _folder.File("m.json"), "--report", _folder.File("r.html"));
        Assert.DoesNotContain("<script>", RequireSelfContained("r.html"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_evaluation_as_JSON_has_every_figure()
    {
        Quantize("lstm_2_layers_hn.onnx");
        string json = CommandLine.Done(
            "evaluate",
            Export("lstm_2_layers_hn.onnx"),
            _folder.File("m.safetensors"),
            "--data",
            Export("x.f32"),
            "--json");
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement root = document.RootElement;
        Assert.Equal(3, root.GetProperty("outputs").GetArrayLength());
        Assert.InRange(root.GetProperty("drift").GetProperty("steps").GetInt32(), 100_000, 200_000);
        Assert.Equal(9, root.GetProperty("costs").GetArrayLength());
        Assert.Equal(2, root.GetProperty("hidden_saturations").GetArrayLength());
        Assert.Equal(4, root.GetProperty("outside_calibrated_range").GetArrayLength());
    }

    [Fact]
    public void Models_that_do_not_belong_together_are_refused()
    {
        Quantize("gru_opset11.onnx");
        CommandLine.Refuses(
            ["evaluate", Export("lstm_opset9.onnx"), _folder.File("m.safetensors"), "--data", Export("x.f32")],
            "was not made from this float model",
            "gru");
        CommandLine.Refuses(["trace", Export("lstm_opset9.onnx"), "--data", Export("x.f32"), "--report", "r"], "is a float model");
        CommandLine.Refuses(
            ["trace", _folder.File("m.safetensors"), "--data", Export("x.f32"), "--from", "40", "--report", "r"],
            "--from 40");
        CommandLine.Refuses(["trace", _folder.File("m.safetensors"), "--data", Export("x.f32"), "--unit", "6", "--report", "r"], "--unit");
    }

    [Fact]
    public void The_same_inputs_give_the_same_bytes()
    {
        Quantize("lstm_3_layers_step.onnx");
        byte[] first = File.ReadAllBytes(_folder.File("m.safetensors"));
        Quantize("lstm_3_layers_step.onnx");
        Assert.Equal(first, File.ReadAllBytes(_folder.File("m.safetensors")));
    }

    [Fact]
    public void Precision_by_hand_is_what_the_file_has()
    {
        Quantize("lstm_2_layers_hn.onnx", "--precision", "int16");
        Assert.Contains("hidden int16", CommandLine.Done("inspect", _folder.File("m.safetensors")), StringComparison.Ordinal);
        Quantize("lstm_2_layers_hn.onnx", "--precision", "int8");
        Assert.DoesNotContain("hidden int16", CommandLine.Done("inspect", _folder.File("m.safetensors")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("percentile")]
    [InlineData("mse")]
    public void Every_calibration_method_gives_a_model(string range) => Quantize("gru_opset11.onnx", "--range", range);

    [Fact]
    public void A_tolerance_that_nothing_meets_is_said_and_the_closest_taken()
    {
        string printed = Quantize("rnn_relu.onnx", "--tolerance", "0", "--manifest", Manifest());
        Assert.Contains("tried hidden int8", printed, StringComparison.Ordinal);
        Assert.True(File.Exists(_folder.File("m.safetensors")));
    }

    [Fact]
    public void Bench_measures_every_kernel()
    {
        Quantize("gru_opset11.onnx");
        using JsonDocument document = JsonDocument.Parse(CommandLine.Done("bench", _folder.File("m.safetensors"), "--json"));
        Assert.Equal(
            Inference.InferenceSession.Kernels,
            document.RootElement.EnumerateArray().Select(entry => entry.GetProperty("kernel").GetString()!));
    }

    [Fact]
    public void A_signature_holds_for_these_bytes_and_this_key_only()
    {
        Quantize("gru_opset11.onnx");
        string model = _folder.File("m.safetensors");
        CommandLine.Done("keygen", "--key", _folder.File("a.pem"));
        CommandLine.Done("keygen", "--key", _folder.File("b.pem"));
        CommandLine.Refuses(["keygen", "--key", _folder.File("a.pem")], "keys are not overwritten");
        CommandLine.Refuses(["verify", model, "--key", _folder.File("a.pub.pem")], "Signature", "does not exist");
        CommandLine.Done("sign", model, "--key", _folder.File("a.pem"));
        CommandLine.Done("verify", model, "--key", _folder.File("a.pub.pem"));
        CommandLine.Refuses(["verify", model, "--key", _folder.File("b.pub.pem")], "has no valid signature of this key");
        CommandLine.Refuses(["verify", model, "--key", _folder.File("a.pem")], "This is a private key");
        CommandLine.Refuses(["sign", model, "--key", _folder.File("a.pub.pem")], "not a private");
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.File("a.pem")));
        }

        byte[] bytes = File.ReadAllBytes(model);
        bytes[^1] ^= 1;
        File.WriteAllBytes(model, bytes);
        CommandLine.Refuses(["verify", model, "--key", _folder.File("a.pub.pem")], "changed after signing");
        File.WriteAllText(model + ".sig", "not base64!");
        CommandLine.Refuses(["verify", model, "--key", _folder.File("a.pub.pem")], "has no valid signature");
    }

    private string Quantize(string file, params string[] more) =>
        CommandLine.Done(["quantize", Export(file), "--calibration", Export("x.f32"), "-o", _folder.File("m.safetensors"), .. more]);

    private string Manifest()
    {
        File.WriteAllText(
            _folder.File("manifest.json"),
            """{"columns":["a","b","c","d"],"period_seconds":1,"mean":[0,0,0,0],"std":[1,1,1,1]"""
            + ""","outputs_named":["a[t+1]","b[t+1]","c[t+1]"]}""");
        return _folder.File("manifest.json");
    }

    // Well-formed, and nothing in it that a browser would run or fetch.
    private string RequireSelfContained(string name)
    {
        string page = File.ReadAllText(_folder.File(name));
        Assert.DoesNotContain("http", page.Replace("http-equiv", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("NaN", page, StringComparison.Ordinal);
        string body =
            page[page.IndexOf("<body>", StringComparison.Ordinal)..(page.IndexOf("</body>", StringComparison.Ordinal) + "</body>".Length)];
        new XmlDocument().LoadXml(body);
        return page;
    }

    private static string Export(string name) => RepositoryFile.Path($"tests/Edge.Quantize.Tests/Exports/{name}");
}
