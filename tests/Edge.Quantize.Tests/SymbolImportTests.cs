using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Quantize.Import;
using Edge.Sensors.Simulated;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>Graphs that read readings and a symbol beside them, such as the day of the week.</summary>
public sealed class SymbolImportTests : IDisposable
{
    private const string Manifest =
        """
        {"name": "m", "columns": ["a", "b", "c", "day"], "period_seconds": 1, "mean": [0, 0, 0, 0], "std": [1, 1, 1, 1],
         "outputs_named": ["a[t+1]", "b[t+1]"]}
        """;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Imported => [.. SymbolGraph.Imported];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Imported))]
    public void Each_way_to_join_them_is_imported_verified_and_good_in_int8(string kind)
    {
        Write(kind);
        string verified = CommandLine.Done("verify-import", Model, "--input", _folder.File("x.f32"));
        Assert.Contains("engine: onnx, row by row", verified, StringComparison.Ordinal);
        Assert.Contains("float import, row by row", verified, StringComparison.Ordinal);
        string output = CommandLine.Done("quantize", Model, "--calibration", _folder.File("x.f32"), "-o", Int8);
        Assert.Contains("import: equals ONNX Runtime over 600 rows", output, StringComparison.Ordinal);
        Assert.Contains(": good", output, StringComparison.Ordinal);
        EdgeModel model = EdgeModel.Load(Int8);
        Assert.Equal(
            (4, SymbolGraph.Symbols, false), (model.InputCount, model.Manifest.SymbolCount, model.ReadsSymbols));
    }

    [Theory]
    [InlineData("layer below", "Concat node 'row'")]
    [InlineData("convolution", "no recurrent node")]
    public void What_has_no_layers_is_stepped_by_ONNX_Runtime(string kind, string reason)
    {
        Write(kind);
        string verified = CommandLine.Done("verify-import", Model, "--input", _folder.File("x.f32"));
        Assert.Contains("engine: onnx, row by row", verified, StringComparison.Ordinal);
        Assert.Contains(reason, verified, StringComparison.Ordinal);
        Assert.Contains("Or run the model with engine: onnx.", verified, StringComparison.Ordinal);
    }

    [Fact]
    public void A_symbol_that_is_computed_with_is_refused_everywhere()
    {
        Write("shifted symbol");
        CommandLine.Refuses(["inspect", Model], "Sub node 'id' computes with the numbers of symbols");
        CommandLine.Refuses(
            ["verify-import", Model, "--input", _folder.File("x.f32")], "'day' is not looked up in a constant table");
    }

    [Fact]
    public void Two_symbols_and_a_symbol_of_other_rows_are_refused_by_name()
    {
        Edge.Onnx.Proto.Model file = Edge.Onnx.Proto.Model.Parser.ParseFrom(SymbolGraph.File("readings first"));
        file.Graph.Input[1].Type.TensorType.Shape.Dim.RemoveAt(1);
        File.WriteAllBytes(Model, Google.Protobuf.MessageExtensions.ToByteArray(file));
        CommandLine.Refuses(["inspect", Model], "Input 'day' has 1 dimensions, but beside 'x' it must have its first 2");

        file = Edge.Onnx.Proto.Model.Parser.ParseFrom(SymbolGraph.File("readings first"));
        ValueInfo hour = file.Graph.Input[1].Clone();
        hour.Name = "hour";
        file.Graph.Input.Add(hour);
        file.Graph.Node.Insert(0, Graphs.Apply("Gather", "of_hour", "table", "hour"));
        file.Graph.Node.First(node => node.OpType == "Concat").Input[1] = "both";
        file.Graph.Node.Insert(2, Graphs.Apply("Add", "both", "vector", "of_hour"));
        File.WriteAllBytes(Model, Google.Protobuf.MessageExtensions.ToByteArray(file));
        CommandLine.Refuses(["inspect", Model], "reads 2 symbols ('day', 'hour')");
    }

    [Theory]
    [InlineData(7f)]
    [InlineData(2.5f)]
    [InlineData(-1f)]
    public void A_row_with_a_wrong_symbol_is_named_by_every_command(float wrong)
    {
        float[] rows = Write("readings first");
        CommandLine.Done("quantize", Model, "--calibration", _folder.File("x.f32"), "-o", Int8);
        rows[(4 * 33) + 3] = wrong;
        WriteRows(rows);
        string sentence = $"{wrong} is not a symbol of this model. Use a whole number from 0 to 6.";
        string[] input = ["--input", _folder.File("x.f32")];
        string[] output = ["--output", _folder.File("y.f32")];
        CommandLine.Refuses(["verify-import", Model, .. input], "Row 33 of the input", sentence);
        CommandLine.Refuses(
            ["quantize", Model, "--calibration", input[1], "-o", _folder.File("other")], "Row 33 of the readings", sentence);
        CommandLine.Refuses(["evaluate", Model, Int8, "--data", input[1]], "Row 33 of the readings", sentence);
        foreach (string engine in new[] { "float", "onnx" })
        {
            CommandLine.Refuses(["infer", Model, "--engine", engine, .. input, .. output], "33", sentence);
        }

        CommandLine.Refuses(["infer", Int8, .. input, .. output], "33", sentence);
    }

    [Fact]
    public void A_manifest_that_does_not_name_the_symbol_last_and_a_wrong_cell_are_refused()
    {
        Write("readings first");
        string csv = _folder.Write("x.csv", "day,a,b,c\n0,1,2,3\n6,1.5,2.5,3\n7,1,2,3\n");
        string[] quantize = ["quantize", Model, "--calibration", csv, "-o", Int8, "--manifest"];
        CommandLine.Refuses(
            [.. quantize, _folder.Write("m.json", Manifest)], "line 4, column 'day': '7' is not a symbol of the model");
        string wrong = Manifest.Replace("\"mean\": [0, 0, 0, 0]", "\"mean\": [0, 0, 0, 3]", StringComparison.Ordinal);
        CommandLine.Refuses(
            [.. quantize, _folder.Write("m.json", wrong)], "m.json'", "Name the column of symbols last in 'columns', with 'mean' 0");
    }

    [Fact]
    public void Streams_of_ONNX_Runtime_step_together_and_refuse_a_wrong_symbol_without_a_trace()
    {
        float[] rows = Write("symbol first");
        using OnnxModel model = OnnxModel.Load(Model, OnnxProvider.Options);
        Assert.True(model.IsBatched);
        var reference = new FloatSession(FloatModels.Load(Model));
        int row = model.Open();
        (float[] actual, float[] expected) = (new float[2], new float[2]);
        for (int at = 0; at < 400; at += 4)
        {
            ReadOnlySpan<float> x = rows.AsSpan(at, 4);
            float[] wrong = [x[0], x[1], x[2], -1];
            Assert.Throws<ArgumentException>(() => model.Step(row, wrong, new float[2]));
            model.Step(row, x, actual);
            reference.Step(x, expected);
            Assert.InRange(actual.Zip(expected, (a, b) => Math.Abs(a - b)).Max(), 0, 2e-6f);
        }
    }

    [Fact]
    public void A_rollout_of_a_symbol_is_refused()
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8WithSymbol(1, 2, 5, 3));
        Assert.Contains(
            "reads a symbol in column 'c2', which no forecast is",
            Assert.Throws<InputException>(() => new RolloutEngine(new Int8Engine(model), 3)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_of_fewer_symbols_cannot_replace_another()
    {
        ModelManifest manifest = EdgeModel.Parse(RandomModels.Int8WithSymbol(1, 2, 5, 3)).Manifest;
        Assert.True(CanaryModel.Fits(manifest, EdgeModel.Parse(RandomModels.Int8WithSymbol(2, 2, 9, 3)).Manifest));
        Assert.False(CanaryModel.Fits(manifest, manifest.WithSymbols(RandomModels.Symbols - 1)));
        Assert.False(CanaryModel.Fits(manifest, manifest.WithSymbols(0)));
    }

    [Fact]
    public void A_simulated_source_gives_each_symbol_in_turn()
    {
        ModelManifest manifest = EdgeModel.Parse(RandomModels.Int8WithSymbol(1, 2, 5, 3)).Manifest;
        var plant = SimulatedPlant.Create(
            new SimulatedOptions { Shape = SimulatedShape.Daily, Turn = TimeSpan.FromSeconds(4) }, manifest, TimeSpan.FromSeconds(1));
        double[] values = new double[3];
        var seen = new List<double>();
        for (int tick = 0; tick < 100; tick++)
        {
            plant.Step(values);
            Assert.True(manifest.CanHave(2, values[2]));
            seen.Add(values[2]);
        }

        Assert.Equal(Enumerable.Range(0, RandomModels.Symbols).Select(each => (double)each), seen.Distinct().Order());
        double[] steps = [0, 1, 1 - RandomModels.Symbols];
        Assert.All(seen.Zip(seen.Skip(1)), pair => Assert.Contains(pair.Second - pair.First, steps));
    }

    private string Model => _folder.File("m.onnx");

    private string Int8 => _folder.File("m.safetensors");

    private float[] Write(string kind)
    {
        File.WriteAllBytes(Model, SymbolGraph.File(kind));
        float[] rows = SymbolGraph.Rows(SymbolGraph.Readings, SymbolGraph.Symbols);
        WriteRows(rows);
        return rows;
    }

    private void WriteRows(float[] rows) => File.WriteAllBytes(_folder.File("x.f32"), MemoryMarshal.AsBytes(rows.AsSpan()).ToArray());
}
