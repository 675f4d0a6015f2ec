using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.OnnxRuntime;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>ONNX Runtime beside the float reference, over many steps.</summary>
public sealed class OnnxParityTests : IDisposable
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
    [MemberData(nameof(Models))]
    public void A_saved_step_model_is_the_sequence_models_equal(string name)
    {
        string source = Path.Combine(SharedData.Root, "models", name);
        CommandLine.Done("step", source, "-o", _folder.File("step.onnx"));
        using OnnxModel stepped = OnnxModel.Load(_folder.File("step.onnx"), OnnxProvider.Options);
        using OnnxModel original = OnnxModel.Load(source, OnnxProvider.Options);
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

    /// <summary>Readings from -3 to 3 deviations, or symbols.</summary>
    internal static float[] Row(Random random, int width, int? symbols) =>
        [.. Enumerable.Range(0, width).Select(_ => symbols is { } count ? random.Next(count) : (random.NextSingle() * 6) - 3)];

    private static void RequireParity(string path)
    {
        FloatModel reference = FloatModels.Load(path);
        var session = new FloatSession(reference);
        using OnnxModel model = OnnxModel.Load(path, OnnxProvider.Options);
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
