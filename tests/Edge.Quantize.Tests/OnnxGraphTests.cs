using Edge.Inference;
using Edge.Onnx;
using Edge.Onnx.Graphs;
using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Testing;
using Google.Protobuf;

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
            () => OnnxModel.Load(SharedData.Zoo($"{name}.onnx"), new OnnxOptions())).Message;
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
        StepGraph step = StepGraph.Read(File.ReadAllBytes(source));
        Assert.Equal(["h", "c"], step.States.Select(state => state.Input));
        Assert.Equal(["hn", "cn"], step.States.Select(state => state.Output));
        Assert.Equal("y", step.Output);
        Assert.Equal(1, step.StreamAxis);
    }

    private OnnxModel Load(Graph graph)
    {
        var model = new Edge.Onnx.Proto.Model
        {
            IrVersion = 8,
            Graph = graph,
            OpsetImport = { new OperatorSet { Domain = "", Version = 15 } },
        };
        File.WriteAllBytes(_folder.File("m.onnx"), model.ToByteArray());
        return OnnxModel.Load(_folder.File("m.onnx"), new OnnxOptions());
    }

    private static Node Apply(string type, string output, params string[] inputs) => new()
    {
        OpType = type,
        Name = output,
        Input = { inputs },
        Output = { output },
    };

    private static ValueInfo Value(string name, params long[] shape) => new()
    {
        Name = name,
        Type = new Edge.Onnx.Proto.Type
        {
            TensorType = new TensorType
            {
                ElemType = 1,
                Shape = new Shape { Dim = { shape.Select(size => new Dimension { DimValue = size }) } },
            },
        },
    };

    private static TensorProto Tensor(string name, float[] values, params long[] shape) => new()
    {
        Name = name,
        DataType = 1,
        Dims = { shape },
        FloatData = { values },
    };
}
