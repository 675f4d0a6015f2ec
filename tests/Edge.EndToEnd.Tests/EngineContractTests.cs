using Edge.Inference;
using Edge.Onnx;
using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Edge.Sensors.Simulated;
using Edge.Streams.Engines;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>What every engine owes a stream, over every engine this build has.</summary>
[Trait("Runs", "kernels")]
public sealed class EngineContractTests : IDisposable
{
    private const string Name = "skab-lstm64x2";

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Engines => ["int8", "onnx"];

    public void Dispose() => _folder.Dispose();

    [SharedDataTheory]
    [MemberData(nameof(Engines))]
    public void A_state_goes_on_where_it_was_saved(string kind)
    {
        using EngineFactory factory = new(new OnnxOptions());
        using IInferenceEngine engine = factory.Load(Stream(kind));
        using IInferenceEngine again = factory.Load(Stream(kind));
        var random = new Random(1);
        float[] y = new float[engine.Manifest.Outputs.Count];
        float[] z = new float[y.Length];
        Run(engine, random, 300);
        again.RestoreState(engine.SaveState());
        for (int step = 0; step < 300; step++)
        {
            float[] x = Row(random, engine);
            engine.Step(x, y);
            again.Step(x, z);
            Assert.All(y.Zip(z), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));
        }
    }

    [SharedDataTheory]
    [MemberData(nameof(Engines))]
    public void Streams_of_one_model_do_not_touch_each_other_and_a_fork_copies_the_state(string kind)
    {
        using EngineFactory factory = new(new OnnxOptions());
        using IInferenceEngine engine = factory.Load(Stream(kind));
        byte[] fresh = engine.SaveState();
        using IInferenceEngine other = factory.Load(Stream(kind));
        using IInferenceEngine fork = engine.Fork();
        Run(other, new Random(2), 20);
        Assert.Equal(fresh, engine.SaveState());
        other.CopyStateTo(fork);
        Assert.Equal(other.SaveState(), fork.SaveState());
        Assert.NotEqual(fresh, fork.SaveState());
    }

    [SharedDataTheory]
    [MemberData(nameof(Engines))]
    public void Wrong_shapes_and_values_are_refused_and_leave_the_state_alone(string kind)
    {
        using EngineFactory factory = new(new OnnxOptions());
        using IInferenceEngine engine = factory.Load(Stream(kind));
        Run(engine, new Random(3), 20);
        byte[] before = engine.SaveState();
        float[] y = new float[engine.Manifest.Outputs.Count];
        Assert.Throws<ArgumentException>(() => engine.Step(new float[3], y));
        Assert.Throws<ArgumentException>(() => engine.Step(new float[8], new float[1]));
        Assert.Throws<ArgumentException>(() => engine.Step([1, 2, 3, float.NaN, 5, 6, 7, 8], y));
        Assert.Throws<ArgumentException>(() => engine.Step([1, 2, 3, 4, 5, 6, 7, float.NegativeInfinity], y));
        Assert.Throws<ModelFormatException>(() => engine.RestoreState([]));
        Assert.Throws<ModelFormatException>(() => engine.RestoreState(before.AsSpan(0, before.Length - 1)));
        Assert.Throws<ModelFormatException>(() => engine.ImportState(new float[3]));
        byte[] flipped = [.. before];
        flipped[30] ^= 4;
        Assert.Throws<ModelFormatException>(() => engine.RestoreState(flipped));
        Assert.Equal(before, engine.SaveState());
    }

    [SharedDataTheory]
    [MemberData(nameof(Engines))]
    public void A_bad_model_is_one_sentence(string kind)
    {
        using EngineFactory factory = new(new OnnxOptions());
        StreamConfig stream = Stream(kind);
        byte[] bytes = File.ReadAllBytes(stream.Model);
        (string Name, byte[] Bad)[] damaged =
        [
            ("empty", []),
            ("half", bytes[..(bytes.Length / 2)]),
            ("noise", [.. bytes.Select((b, i) => (byte)(b ^ (i % 7)))]),
        ];
        foreach ((string name, byte[] bad) in damaged)
        {
            string path = _folder.File(name + Path.GetExtension(stream.Model));
            File.WriteAllBytes(path, bad);
            File.Copy(SharedData.Model(Name, "model.json"), _folder.File("model.json"), overwrite: true);
            string message = Assert.ThrowsAny<InputException>(() => factory.Load(stream with { Model = path, Manifest = null })).Message;
            Assert.DoesNotContain('\n', message);
            Assert.Contains(name, message, StringComparison.Ordinal);
        }

        Assert.Contains(
            "missing",
            Assert.ThrowsAny<InputException>(
                () => factory.Load(stream with { Model = _folder.File("missing" + Path.GetExtension(stream.Model)) })).Message,
            StringComparison.Ordinal);
    }

    // The int8 state keeps what it can of the float one; the forecasts that follow stay as close as int8's always are.
    [SharedDataTheory]
    [InlineData("skab-lstm64x2")]
    [InlineData("etth1-lstm64")]
    [InlineData("etth1-gru64")]
    [InlineData("ambient-rnn16")]
    public void A_state_is_converted_between_engines(string model)
    {
        using EngineFactory factory = new(new OnnxOptions());
        using IInferenceEngine onnx = factory.Load(Stream("onnx", model));
        using IInferenceEngine int8 = factory.Load(Stream("int8", model));
        using IInferenceEngine fresh = factory.Load(Stream("int8", model));
        var random = new Random(8);
        float[] y = new float[onnx.Manifest.Outputs.Count];
        float[] z = new float[y.Length];
        float[] w = new float[y.Length];
        Run(onnx, random, 400);
        int8.ImportState(onnx.ExportState());
        double converted = 0;
        double begun = 0;
        for (int step = 0; step < 5; step++)
        {
            float[] x = Row(random, onnx);
            onnx.Step(x, y);
            int8.Step(x, z);
            fresh.Step(x, w);
            converted += y.Zip(z).Sum(pair => Math.Abs(pair.First - pair.Second));
            begun += y.Zip(w).Sum(pair => Math.Abs(pair.First - pair.Second));
        }

        Assert.InRange(converted, 0, begun / 3);

        // And back: what int8 has is written exactly.
        onnx.ImportState(int8.ExportState());
        float[] back = onnx.ExportState();
        Assert.Equal(int8.ExportState(), back);
        int8.ImportState(back);
        Assert.Equal(back, int8.ExportState());
    }

    private static StreamConfig Stream(string kind, string name = Name)
    {
        string model = kind == "onnx" ? SharedData.Model(name, "step.onnx") : QuantizedModels.Of(name);
        return new StreamConfig { Name = "s", Model = model, Engine = StreamConfig.EngineOf(model), Source = new SimulatedOptions() };
    }

    private static void Run(IInferenceEngine engine, Random random, int steps)
    {
        float[] y = new float[engine.Manifest.Outputs.Count];
        for (int step = 0; step < steps; step++)
        {
            engine.Step(Row(random, engine), y);
        }
    }

    private static float[] Row(Random random, IInferenceEngine engine) =>
        [.. engine.Manifest.Columns.Select(_ => (random.NextSingle() * 2) - 1)];
}
