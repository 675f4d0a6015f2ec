using Edge.Inference;
using Edge.Onnx;
using Edge.Onnx.Engines;
using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Streams.Engines;
using Edge.Testing;
using static Edge.Quantize.Tests.Graphs;

namespace Edge.Quantize.Tests;

/// <summary>
/// A model on ONNX Runtime whose calls fail, as those on a GPU that is lost or has no memory left: here, one that asks for more memory than
/// any machine has.
/// </summary>
public sealed class OnnxFailureTests : IDisposable
{
    private const int Places = 8;
    private const long HugeValues = 1L << 58;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_call_that_fails_is_a_sentence_and_leaves_the_state_as_it_was()
    {
        using OnnxModel model = OnnxModel.Load(WriteModel(), OnnxProvider.Options);
        int row = model.Open();
        float[] y = new float[1];
        model.Step(row, [1, 2], y);
        Assert.Equal(30, y[0]);
        byte[] before = model.Save(row);

        InputException fault = Assert.Throws<InputException>(() => model.Step(row, [Places, 0], y));

        Assert.Matches($"^ONNX Runtime failed on {model.Provider}: .*{HugeValues * sizeof(float)}", fault.Message);
        Assert.DoesNotContain(".cc", fault.Message, StringComparison.Ordinal);
        Assert.Equal(before, model.Save(row));
        model.Step(row, [1, 2], y);
        Assert.Equal(30, y[0]);
    }

    [Fact]
    public void Streams_opened_after_a_failure_get_the_model_loaded_again()
    {
        string path = WriteModel();
        using var engines = new OnnxEngines(new OnnxOptions());
        IInferenceEngine failing = engines.Load(path, null);
        IInferenceEngine beside = engines.Load(path, null);
        float[] y = new float[1];
        failing.Step([1, 1], y);
        float[] state = failing.ExportState();
        Assert.Throws<InputException>(() => failing.Step([Places, 0], y));
        failing.Dispose();
        failing.Dispose();

        using IInferenceEngine again = engines.Load(path, null);
        using IInferenceEngine other = engines.Load(path, null);
        again.ImportState(state);
        other.Step([1, 3], y);
        Assert.Equal(40, y[0]);
        Assert.Equal(state, again.ExportState());
        Assert.Equal([4f], other.ExportState());

        // The streams of the model that failed end with it.
        beside.Step([0, 1], y);
        Assert.Equal(10, y[0]);
        beside.Dispose();
        Assert.Throws<ObjectDisposedException>(() => beside.Step([0, 1], y));
    }

    // y is ten times the sum of both inputs, from a table; the state is the sum of all of them. Where that is 8, y is first spread
    // over HugeValues.
    private string WriteModel()
    {
        var graph = new Graph { Name = "table" };
        graph.Input.Add([Value("x", 1, 2), Value("sum", 1, 1)]);
        graph.Output.Add([Value("y", 1, 1), Value("next_sum", 1, 1)]);
        graph.Initializer.Add(
        [
            Tensor("ones", [1, 1], 2, 1),
            Tensor("table", [.. Enumerable.Range(0, Places + 1).Select(place => 10f * place)], Places + 1),
            Whole("sizes", [.. Enumerable.Repeat(1L, Places), HugeValues]),
            Whole("flat", 1),
        ]);
        Node whole = Apply("Cast", "place", "both");
        whole.Attribute.Add(Int("to", 7));
        graph.Node.Add(
        [
            Apply("MatMul", "both", "x", "ones"),
            whole,
            Apply("Gather", "value", "table", "place"),
            Apply("Reshape", "one_place", "place", "flat"),
            Apply("Gather", "size", "sizes", "one_place"),
            Apply("Expand", "spread", "value", "size"),
            Apply("ReduceMax", "y", "spread"),
            Apply("Add", "next_sum", "sum", "both"),
        ]);
        _folder.Write(
            "model.json",
            """
            {"name":"table","columns":["a","b"],"period_seconds":60,"mean":[0,0],"std":[1,1],"outputs_named":["a[t+1]"]}
            """);
        string path = _folder.File("model.onnx");
        System.IO.File.WriteAllBytes(path, File(graph));
        return path;
    }
}
