using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.Graphs;
using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training.Reference;
using Google.Protobuf;

namespace Edge.Quantize.Tests;

/// <summary>ONNX Runtime beside the float reference, over many steps; streams beside each other in one model.</summary>
public sealed class OnnxModelTests : IDisposable
{
    private const int Steps = 10_000;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Models => SharedData.IsThere
        ?
        [
            .. Directory.GetDirectories(Path.Combine(SharedData.Root, "models"))
                .SelectMany(folder => new[] { "step.onnx", "sequence.onnx" }.Select(file => Path.Combine(Path.GetFileName(folder), file))),
        ]
        : ["absent"];

    public void Dispose() => _folder.Dispose();

    [SharedDataTheory]
    [MemberData(nameof(Models))]
    public void A_trained_model_gives_the_references_outputs_over_10000_steps(string name) =>
        RequireParity(Path.Combine(SharedData.Root, "models", name));

    [SharedDataTheory]
    [MemberData(nameof(ZooTests.Valid), MemberType = typeof(ZooTests))]
    public void A_valid_model_of_the_zoo_gives_the_references_outputs_over_10000_steps(string name) =>
        RequireParity(SharedData.Zoo($"{name}.onnx"));

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

    [SharedDataFact]
    public void A_model_without_a_state_is_stepped_all_the_same()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Zoo("no_recurrent.onnx"), new OnnxOptions());
        int row = model.Open();
        float[] y = new float[model.OutputCount];
        model.Step(row, [1, 2, 3, 4, 5], y);
        float[] first = [.. y];
        model.Step(row, [1, 2, 3, 4, 5], y);
        Assert.Equal(first, y);
        Assert.Equal(0, model.StateCount);
        model.Restore(row, model.Save(row));
    }

    [SharedDataTheory]
    [MemberData(nameof(Models))]
    public void A_saved_step_model_is_the_sequence_models_equal(string name)
    {
        string source = Path.Combine(SharedData.Root, "models", name);
        CommandLine.Done("step", source, "-o", _folder.File("step.onnx"));
        using OnnxModel stepped = OnnxModel.Load(_folder.File("step.onnx"), new OnnxOptions());
        using OnnxModel original = OnnxModel.Load(source, new OnnxOptions());
        Assert.True(stepped.IsBatched);
        (int a, int b) = (stepped.Open(), original.Open());
        var random = new Random(3);
        float[] ya = new float[stepped.OutputCount];
        float[] yb = new float[stepped.OutputCount];
        for (int step = 0; step < 100; step++)
        {
            float[] x = Row(random, stepped.InputCount, null);
            stepped.Step(a, x, ya);
            original.Step(b, x, yb);
            Assert.Equal(yb, ya);
        }
    }

    [SharedDataTheory]
    [InlineData("etth1-lstm64")]
    [InlineData("skab-lstm64x2")]
    [InlineData("etth1-gru64")]
    public void Streams_that_step_together_give_what_each_gives_alone(string name)
    {
        using OnnxModel together = OnnxModel.Load(SharedData.Model(name, "step.onnx"), new OnnxOptions());
        using OnnxModel alone = OnnxModel.Load(SharedData.Model(name, "step.onnx"), new OnnxOptions());
        const int Streams = 13;
        int[] rows = [.. Enumerable.Range(0, Streams).Select(_ => together.Open())];
        int[] single = [.. Enumerable.Range(0, Streams).Select(_ => alone.Open())];
        var random = new Random(5);
        float[][] x = new float[Streams][];
        float[][] y = [.. rows.Select(_ => new float[together.OutputCount])];
        float[] expected = new float[together.OutputCount];
        bool[] takesPart = new bool[Streams];
        bool isOver = false;

        // Every stream has a thread of its own, and all of a round step at once: those that find a call under way step in the next
        // together.
        using var begin = new Barrier(Streams + 1);
        using var end = new Barrier(Streams + 1);
        Thread[] threads = [.. Enumerable.Range(0, Streams).Select(stream => new Thread(() => Run(stream)))];
        Array.ForEach(threads, thread => thread.Start());
        for (int step = 0; step < 200; step++)
        {
            // Some of the streams, in any order; one leaves and another takes its row.
            for (int stream = 0; stream < Streams; stream++)
            {
                takesPart[stream] = random.Next(2) == 0;
                x[stream] = Row(random, together.InputCount, null);
            }

            begin.SignalAndWait();
            end.SignalAndWait();
            for (int stream = 0; stream < Streams; stream++)
            {
                if (takesPart[stream])
                {
                    alone.Step(single[stream], x[stream], expected);
                    Assert.All(Enumerable.Range(0, expected.Length), k => Assert.Equal(expected[k], y[stream][k], 1e-4f));
                }
            }

            if (step % 50 == 49)
            {
                int gone = random.Next(Streams);
                together.Close(rows[gone]);
                rows[gone] = together.Open();
                alone.Close(single[gone]);
                single[gone] = alone.Open();
            }
        }

        isOver = true;
        begin.SignalAndWait();
        Array.ForEach(threads, thread => thread.Join());

        void Run(int stream)
        {
            for (begin.SignalAndWait(); !Volatile.Read(ref isOver); begin.SignalAndWait())
            {
                if (takesPart[stream])
                {
                    together.Step(rows[stream], x[stream], y[stream]);
                }

                end.SignalAndWait();
            }
        }
    }

    [SharedDataFact]
    public void Streams_on_threads_of_their_own_never_get_each_others_outputs()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Model("etth1-lstm64", "sequence.onnx"), new OnnxOptions());
        using OnnxModel alone = OnnxModel.Load(SharedData.Model("etth1-lstm64", "sequence.onnx"), new OnnxOptions());
        int[] rows = [.. Enumerable.Range(0, 8).Select(_ => model.Open())];
        int[] single = [.. Enumerable.Range(0, 8).Select(_ => alone.Open())];
        var results = new float[8][];
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(stream => new Thread(() => Run(model, rows[stream], stream)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        for (int stream = 0; stream < 8; stream++)
        {
            float[] together = results[stream];
            Run(alone, single[stream], stream);
            for (int k = 0; k < together.Length; k++)
            {
                Assert.Equal(results[stream][k], together[k], 1e-4f);
            }
        }

        void Run(OnnxModel of, int row, int stream)
        {
            var random = new Random(stream);
            float[] y = new float[of.OutputCount];
            for (int step = 0; step < 2000; step++)
            {
                of.Step(row, Row(random, of.InputCount, null), y);
            }

            results[stream] = y;
        }
    }

    [SharedDataFact]
    public void A_step_allocates_nothing()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Model("etth1-lstm64", "step.onnx"), new OnnxOptions());
        int row = model.Open();
        float[] x = new float[model.InputCount];
        float[] y = new float[model.OutputCount];
        for (int step = 0; step < 300; step++)
        {
            model.Step(row, x, y);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 1000; step++)
        {
            model.Step(row, x, y);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [SharedDataFact]
    public void A_reading_that_is_not_finite_never_reaches_the_state()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Model("ambient-lstm32", "step.onnx"), new OnnxOptions());
        int row = model.Open();
        float[] y = new float[1];
        model.Step(row, [0.3f], y);
        byte[] before = model.Save(row);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            Assert.Throws<ArgumentException>(() => model.Step(row, [bad], new float[1]));
        }

        Assert.Throws<ArgumentException>(() => model.Step(row, [1, 2], new float[1]));
        Assert.Throws<ArgumentException>(() => model.Step(row, [1], new float[2]));
        Assert.Equal(before, model.Save(row));
    }

    [SharedDataFact]
    public void A_state_goes_on_where_it_was_saved_and_others_are_refused()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Model("skab-lstm64x2", "step.onnx"), new OnnxOptions());
        using OnnxModel restarted = OnnxModel.Load(SharedData.Model("skab-lstm64x2", "step.onnx"), new OnnxOptions());
        using OnnxModel other = OnnxModel.Load(SharedData.Model("etth1-lstm64", "step.onnx"), new OnnxOptions());
        var random = new Random(1);
        (int row, int again) = (model.Open(), restarted.Open());
        float[] y = new float[model.OutputCount];
        float[] z = new float[model.OutputCount];
        for (int step = 0; step < 500; step++)
        {
            model.Step(row, Row(random, model.InputCount, null), y);
        }

        byte[] saved = model.Save(row);
        restarted.Restore(again, saved);
        for (int step = 0; step < 500; step++)
        {
            float[] x = Row(random, model.InputCount, null);
            model.Step(row, x, y);
            restarted.Step(again, x, z);
            Assert.Equal(y, z);
        }

        Assert.Contains(
            "another model",
            Assert.Throws<ModelFormatException>(() => other.Restore(other.Open(), saved)).Message,
            StringComparison.Ordinal);
        saved[40] ^= 1;
        Assert.Contains(
            "checksum",
            Assert.Throws<ModelFormatException>(() => restarted.Restore(again, saved)).Message,
            StringComparison.Ordinal);
    }

    [SharedDataFact]
    public void Infer_runs_a_model_on_ONNX_Runtime_and_carries_its_state()
    {
        string golden = SharedData.Model("etth1-lstm64", "golden_x.f32");
        string model = SharedData.Model("etth1-lstm64", "sequence.onnx");
        CommandLine.Done(
            "infer", model, "--engine", "onnx", "--input", golden, "--output", _folder.File("y.f32"), "--state-out",
            _folder.File("state"));
        float[] actual = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(_folder.File("y.f32"))).ToArray();
        float[] expected = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(
            File.ReadAllBytes(SharedData.Model("etth1-lstm64", "golden_y.f32"))).ToArray();
        Assert.InRange(actual.Zip(expected, (a, b) => Math.Abs(a - b)).Max(), 0, 1e-4f);
        CommandLine.Done(
            "infer", model, "--engine", "float", "--input", golden, "--output", _folder.File("z.f32"), "--state-in",
            _folder.File("state"));
        CommandLine.Done(
            "infer", model, "--engine", "onnx", "--input", golden, "--output", _folder.File("z.f32"), "--state-in",
            _folder.File("state"));
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

    // Readings from -3 to 3 deviations, or symbols.
    private static float[] Row(Random random, int width, int? symbols) =>
        [.. Enumerable.Range(0, width).Select(_ => symbols is { } count ? random.Next(count) : (random.NextSingle() * 6) - 3)];

    private static void RequireParity(string path)
    {
        FloatModel reference = FloatModels.Load(path);
        var session = new FloatSession(reference);
        using OnnxModel model = OnnxModel.Load(path, new OnnxOptions());
        int row = model.Open();
        Assert.Equal(reference.InputCount, model.InputCount);
        Assert.Equal(reference.OutputCount, model.OutputCount);
        var random = new Random(2);
        float[] expected = new float[reference.OutputCount];
        float[] actual = new float[reference.OutputCount];
        float[] state = new float[model.StateCount];
        double worst = 0;
        for (int step = 0; step < Steps; step++)
        {
            float[] x = Row(random, reference.InputCount, reference.Embedding?.SymbolCount);
            session.Step(x, expected);
            model.Step(row, x, actual);
            for (int k = 0; k < expected.Length; k++)
            {
                worst = Math.Max(worst, Math.Abs(expected[k] - actual[k]));
            }
        }

        Assert.InRange(worst, 0, 2e-5);
        model.Read(row, state);
        Assert.InRange(session.State.ToArray().Zip(state, (a, b) => Math.Abs(a - b)).Max(), 0, 2e-5f);
    }
}
