using Edge.Inference;
using Edge.Onnx;
using Edge.Onnx.Graphs;
using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Testing;
using static Edge.Quantize.Tests.Graphs;

namespace Edge.Quantize.Tests;

/// <summary>How a graph becomes a step: its states, where they begin, and what is refused.</summary>
public sealed class OnnxGraphTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedDataTheory]
    [InlineData("lstm_reverse", "needs future readings")]
    [InlineData("lstm_bidirectional", "needs future readings")]
    [InlineData("bad_empty", "is empty")]
    [InlineData("bad_garbage", "not a whole ONNX file")]
    [InlineData("bad_truncated", "not a whole ONNX file")]
    [InlineData("bad_hidden_size", "ONNX Runtime")]
    [InlineData("bad_nan_weight", "not finite")]
    [InlineData("bad_external_escape", "outside the model's folder")]
    public void A_bad_model_is_one_sentence(string name, string part)
    {
        string message = Assert.Throws<ModelFormatException>(
            () => OnnxModel.Load(SharedData.Zoo($"{name}.onnx"), OnnxProvider.Options)).Message;
        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Contains($"{name}.onnx", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    // h' = tanh(x·W + h·R), y = h'·V, written out: nothing says which input is the state but its shape.
    [Fact]
    public void A_graph_of_plain_operators_pairs_its_states_by_shape()
    {
        var graph = new Graph { Name = "plain" };
        graph.Input.Add([Value("x", 1, 2), Value("memory", 1, 3)]);
        graph.Output.Add([Value("y", 1, 1), Value("next", 1, 3)]);
        graph.Initializer.Add(
            [
                Tensor("W", [0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f], 2, 3),
                Tensor("R", [0.5f, 0, 0, 0, 0.5f, 0, 0, 0, 0.5f], 3, 3),
                Tensor("V", [1, -1, 2], 3, 1),
            ]);
        graph.Node.Add(
            [
                Apply("MatMul", "a", "x", "W"),
                Apply("MatMul", "b", "memory", "R"),
                Apply("Add", "c", "a", "b"),
                Apply("Tanh", "next", "c"),
                Apply("MatMul", "y", "next", "V"),
            ]);
        using OnnxModel model = Load(graph);
        Assert.Equal(3, model.StateCount);
        int row = model.Open();
        float[] y = new float[1];
        float[] h = new float[3];
        for (int step = 0; step < 20; step++)
        {
            float[] x = [0.1f * step, 1 - (0.1f * step)];
            model.Step(row, x, y);
            h = [.. h.Select((value, j) => MathF.Tanh((x[0] * 0.1f * (j + 1)) + (x[1] * 0.1f * (j + 4)) + (0.5f * value)))];
            Assert.Equal(h[0] - h[1] + (2 * h[2]), y[0], 1e-5f);
        }
    }

    [Fact]
    public void An_initial_state_of_the_models_own_is_where_each_stream_begins()
    {
        var graph = new Graph { Name = "rnn" };
        graph.Input.Add(Value("x", 1, 1, 2));
        graph.Output.Add(Value("Y", 1, 1, 1, 2));
        graph.Initializer.Add(
            [
                Tensor("W", [0.1f, 0.2f, 0.3f, 0.4f], 1, 2, 2),
                Tensor("R", [0.5f, 0.1f, -0.2f, 0.4f], 1, 2, 2),
                Tensor("B", new float[4], 1, 4),
                Tensor("h0", [0.7f, -0.6f], 1, 1, 2),
            ]);
        Node rnn = Apply("RNN", "Y", "x", "W", "R", "B", "", "h0");
        rnn.Attribute.Add(new Edge.Onnx.Proto.Attribute { Name = "hidden_size", I = 2, Type = 2 });
        graph.Node.Add(rnn);
        using OnnxModel model = Load(graph);
        _ = model.Open();
        int row = model.Open();
        float[] state = new float[2];
        model.Read(row, state);
        Assert.Equal([0.7f, -0.6f], state);
        float[] y = new float[2];
        model.Step(row, [1, -1], y);
        Assert.Equal(MathF.Tanh(0.1f - 0.2f + (0.5f * 0.7f) - (0.1f * 0.6f)), y[0], 1e-6f);
        Assert.Equal(MathF.Tanh(0.3f - 0.4f - (0.2f * 0.7f) - (0.4f * 0.6f)), y[1], 1e-6f);
    }

    [SharedDataFact]
    public void States_that_are_inputs_are_found_by_what_they_feed()
    {
        string source = SharedData.Model("etth1-lstm64", "step.onnx");
        StepGraph step = StepGraph.Read(System.IO.File.ReadAllBytes(source));
        Assert.Equal(["h", "c"], step.States.Select(state => state.Input));
        Assert.Equal(["hn", "cn"], step.States.Select(state => state.Output));
        Assert.Equal("y", step.Output);
        Assert.Equal(1, step.StreamAxis);
    }

    // y = W·(x of three rows), which no step of one row can know: there is no output before the third.
    [Fact]
    public void A_window_gives_its_outputs_once_it_is_full_and_goes_on_after_a_restart()
    {
        var graph = new Graph { Name = "window" };
        graph.Input.Add(Value("x", 1, 3, 2));
        graph.Output.Add(Value("y", 1, 1));
        graph.Initializer.Add(Tensor("W", [1, 2, 4, 8, 16, 32], 6, 1));
        graph.Node.Add([Apply("Flatten", "flat", "x"), Apply("MatMul", "y", "flat", "W")]);
        using OnnxModel model = Load(graph);
        Assert.Equal((2, 1, 3), (model.InputCount, model.OutputCount, model.WindowRows));
        int row = model.Open();
        float[] y = new float[1];
        var outputs = new List<float>();
        for (int step = 0; step < 6; step++)
        {
            if (step == 3)
            {
                byte[] saved = model.Save(row);
                row = model.Open();
                model.Restore(row, saved);
            }

            model.Step(row, [step, 10 * step], y);
            outputs.Add(y[0]);
        }

        static float Of(int step) => step - 2 + (20 * (step - 2)) + (4 * (step - 1)) + (80 * (step - 1)) + (16 * step) + (320 * step);
        Assert.Equal([float.NaN, float.NaN, Of(2), Of(3), Of(4), Of(5)], outputs);
    }

    // Two rows of padding in front, and none: the second needs rows that are not there.
    [Theory]
    [InlineData(2, 0, true)]
    [InlineData(1, 1, false)]
    [InlineData(0, 0, false)]
    [InlineData(0, 2, false)]
    public void A_convolution_is_stepped_only_if_it_reads_the_past(long before, long behind, bool isCausal)
    {
        var graph = new Graph { Name = "convolution" };
        graph.Input.Add(Value("x", 0, 1, 2));
        graph.Output.Add(Value("y", 1, 3, 0));
        graph.Initializer.Add(Random(new Random(1), "K", 3, 2, 3));
        Node turn = Apply("Transpose", "turned", "x");
        turn.Attribute.Add(new Edge.Onnx.Proto.Attribute { Name = "perm", Type = 7, Ints = { 1, 2, 0 } });
        Node convolution = Apply("Conv", "y", "turned", "K");
        convolution.Attribute.Add(new Edge.Onnx.Proto.Attribute { Name = "pads", Type = 7, Ints = { before, behind } });
        graph.Node.Add([turn, convolution]);
        if (isCausal)
        {
            using OnnxModel model = Load(graph);
            Assert.Equal(4, model.StateCount);
            return;
        }

        string message = Assert.Throws<ModelFormatException>(() => Load(graph)).Message;
        Assert.Contains("Conv node 'y'", message, StringComparison.Ordinal);
    }

    private OnnxModel Load(Graph graph)
    {
        System.IO.File.WriteAllBytes(_folder.File("m.onnx"), Graphs.File(graph, 15));
        return OnnxModel.Load(_folder.File("m.onnx"), OnnxProvider.Options);
    }
}
