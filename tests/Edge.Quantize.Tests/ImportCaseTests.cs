using System.Runtime.InteropServices;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>Exports as they are found, each as the table in docs/import.md says.</summary>
public sealed class ImportCaseTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [ImportCaseTheory]
    [InlineData("two_heads")]
    [InlineData("two_heads_alarm")]
    [InlineData("two_heads_concat")]
    [InlineData("policy_elu", "obs")]
    [InlineData("torch_policy_tanh", "obs")]
    [InlineData("torch_lstmcell")]
    [InlineData("dynamo_dynamic")]
    [InlineData("torch_conv1x1")]
    [InlineData("qdq_weights")]
    [InlineData("keras_masking")]
    public void An_export_is_imported_verified_and_good_in_int8(string name, string rows = "z")
    {
        Assert.Contains("float import, row by row", Verify(name, rows), StringComparison.Ordinal);
        string output = Quantize(name, rows);
        Assert.Contains("import: equals ONNX Runtime over 600 rows", output, StringComparison.Ordinal);
        Assert.Contains(": good", output, StringComparison.Ordinal);
    }

    // Without VNNI, ONNX Runtime's products of 8 bits saturate in 16, and differ from those of its own steps by more than the tolerance.
    [ImportCaseFact]
    public void A_model_that_rounds_its_inputs_is_imported_where_the_processor_multiplies_them_exactly()
    {
        string[] verify = ["verify-import", ImportCases.Path("ort_dynamic_quant.onnx"), "--input", ImportCases.Path("z.f32")];
        if (RuntimeInformation.ProcessArchitecture == Architecture.X64 && !HasVnni())
        {
            CommandLine.Refuses(verify, "differs by more than 0.05 when it is stepped row by row");
            return;
        }

        An_export_is_imported_verified_and_good_in_int8("ort_dynamic_quant");
    }

    // Its outputs hardly move, so that the rounding of the integers shows: it is said.
    [ImportCaseFact]
    public void An_export_that_int8_does_not_reach_is_said_to_miss_the_tolerance()
    {
        Assert.Contains("float import, row by row", Verify("torch_window_quantiles", "z"), StringComparison.Ordinal);
        Assert.Contains("warning: no setting meets the tolerance", Quantize("torch_window_quantiles", "z"), StringComparison.Ordinal);
    }

    [ImportCaseTheory]
    [InlineData("conv_lstm_causal", "Conv node 'conv'")]
    [InlineData("tcn_dynamic", "no recurrent node")]
    [InlineData("argmax", "ArgMax node 'argmax'")]
    public void An_export_that_only_steps_says_so(string name, string reason)
    {
        string output = Verify(name, "z");
        Assert.Contains("engine: onnx, row by row", output, StringComparison.Ordinal);
        Assert.Contains(reason, output, StringComparison.Ordinal);
        Assert.Contains("Or run the model with engine: onnx.", output, StringComparison.Ordinal);
    }

    [ImportCaseTheory]
    [InlineData("attention_pool", "Softmax node 'attention'")]
    public void What_cannot_stream_is_refused_everywhere_and_nothing_is_recommended(string name, string reason)
    {
        string model = ImportCases.Path($"{name}.onnx");
        CommandLine.Refuses(["inspect", model], reason);
        CommandLine.Refuses(["step", model, "-o", _folder.File("s.onnx")], reason);
        CommandLine.Refuses(["infer", model, "--engine", "onnx", "--input", ImportCases.Path("z.f32"), "--output", _folder.File("y")],
            reason);
        Assert.DoesNotContain("engine: onnx", CommandLine.Run("inspect", model).Error, StringComparison.Ordinal);
    }

    [ImportCaseFact]
    public void Readings_and_the_day_of_the_week_are_imported_verified_and_good_in_int8()
    {
        float[] rows = SymbolGraph.Rows(3, 7);
        File.WriteAllBytes(_folder.File("x.f32"), MemoryMarshal.AsBytes(rows.AsSpan()).ToArray());
        string model = ImportCases.Path("torch_day_embedding.onnx");
        string verified = CommandLine.Done("verify-import", model, "--input", _folder.File("x.f32"));
        Assert.Contains("engine: onnx, row by row", verified, StringComparison.Ordinal);
        Assert.Contains("float import, row by row", verified, StringComparison.Ordinal);
        string output = CommandLine.Done(
            "quantize", model, "--calibration", _folder.File("x.f32"), "-o", _folder.File("m.safetensors"));
        Assert.Contains("3 readings + embedding 7x4, lstm 7x16", output, StringComparison.Ordinal);
        Assert.Contains("import: equals ONNX Runtime over 600 rows", output, StringComparison.Ordinal);
        Assert.Contains(": good", output, StringComparison.Ordinal);
        Assert.Contains("x3 (a symbol, 0 to 6)", CommandLine.Done("inspect", _folder.File("m.safetensors")), StringComparison.Ordinal);
        Assert.Contains("beside 3 readings", CommandLine.Done("inspect", model), StringComparison.Ordinal);
    }

    [ImportCaseFact]
    public void Outputs_that_no_column_is_forecast_by_are_not_called_good_for_what_was_not_measured()
    {
        string output = Quantize("torch_policy_tanh", "obs_v");
        Assert.DoesNotContain("RMSE", output.Split('\n').First(line => line.StartsWith("tried", StringComparison.Ordinal)),
            StringComparison.Ordinal);
        Assert.DoesNotContain(": good", output, StringComparison.Ordinal);
        Assert.Contains("warning: no setting meets the tolerance", output, StringComparison.Ordinal);
    }

    [ImportCaseFact]
    public void Missing_cells_are_held_and_counted_and_outputs_beyond_the_manifest_are_named()
    {
        string output = CommandLine.Done(
            "quantize", ImportCases.Path("two_heads.onnx"), "--manifest", ImportCases.Path("field.json"), "--calibration",
            ImportCases.Path("gaps.csv"), "-o", _folder.File("m"));
        Assert.Contains("missing values: 6 replaced by the last one, 0 rows left out", output, StringComparison.Ordinal);
        Assert.Contains("left out: Output 'logvar' (2 values), which the manifest does not name.", output, StringComparison.Ordinal);
    }

    // As ONNX Runtime sees it, whatever instructions .NET was told to leave.
    private static bool HasVnni() => File.ReadAllText("/proc/cpuinfo").Contains("vnni", StringComparison.Ordinal);

    private static string Verify(string name, string rows) =>
        CommandLine.Done("verify-import", ImportCases.Path($"{name}.onnx"), "--input", ImportCases.Path($"{rows}.f32"));

    private string Quantize(string name, string rows) => CommandLine.Done(
        "quantize", ImportCases.Path($"{name}.onnx"), "--calibration", ImportCases.Path($"{rows}.f32"), "-o",
            _folder.File("m.safetensors"));
}

/// <summary>The exports beside the checkout (../shared/cases/model).</summary>
internal static class ImportCases
{
    internal static string? Missing => Directory.Exists(Root) ? null : "../shared/cases/model is not beside this checkout";

    private static string Root { get; } = System.IO.Path.Combine(SharedData.Root, "..", "cases", "model");

    internal static string Path(string file) => System.IO.Path.Combine(Root, file);
}

/// <summary>A test that reads them.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ImportCaseFactAttribute : FactAttribute
{
    public ImportCaseFactAttribute() => Skip = ImportCases.Missing;
}

/// <summary>The same for a theory.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ImportCaseTheoryAttribute : TheoryAttribute
{
    public ImportCaseTheoryAttribute() => Skip = ImportCases.Missing;
}
