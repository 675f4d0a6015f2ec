using System.Runtime.InteropServices;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Inference.Tests;

/// <summary>
/// The vector that docs/int8-vector/reproduce.py reproduces from the formulas alone. It changes only when the arithmetic does, and then every
/// model's results do; EDGE_WRITE_VECTOR=1 writes it anew.
/// </summary>
public sealed class CommittedVectorTests
{
    private const int Rows = 300;

    public static TheoryData<string> Kernels => [.. InferenceSession.Kernels];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Every_kernel_gives_the_committed_bytes(string kernel)
    {
        if (Environment.GetEnvironmentVariable("EDGE_WRITE_VECTOR") == "1")
        {
            Write();
        }

        (byte[] y, byte[] state) = Run(EdgeModel.Load(File("model.safetensors")), System.IO.File.ReadAllBytes(File("x.f32")), kernel);
        Assert.Equal(System.IO.File.ReadAllBytes(File("y.f32")), y);
        Assert.Equal(System.IO.File.ReadAllBytes(File("state.bin")), state);
    }

    private static (byte[] Y, byte[] State) Run(EdgeModel model, byte[] bytes, string kernel)
    {
        var session = new InferenceSession(model, kernel);
        ReadOnlySpan<float> x = MemoryMarshal.Cast<byte, float>(bytes);
        float[] y = new float[x.Length / model.InputCount * model.OutputCount];
        for (int row = 0; row * model.InputCount < x.Length; row++)
        {
            session.Step(x.Slice(row * model.InputCount, model.InputCount), y.AsSpan(row * model.OutputCount, model.OutputCount));
        }

        return (MemoryMarshal.AsBytes(y.AsSpan()).ToArray(), session.State.ToArray());
    }

    private static void Write()
    {
        byte[] model = RandomModels.Int8(1, 5, 23, 2, 3);
        var random = new Random(2);
        float[] x = Enumerable.Range(0, Rows * 5).Select(i => i % 97 == 0 ? 20f : 8 * (random.NextSingle() - 0.5f)).ToArray();
        byte[] bytes = MemoryMarshal.AsBytes(x.AsSpan()).ToArray();
        (byte[] y, byte[] state) = Run(EdgeModel.Parse(model), bytes, "scalar");
        System.IO.File.WriteAllBytes(File("model.safetensors"), model);
        System.IO.File.WriteAllBytes(File("x.f32"), bytes);
        System.IO.File.WriteAllBytes(File("y.f32"), y);
        System.IO.File.WriteAllBytes(File("state.bin"), state);
    }

    private static string File(string name) => RepositoryFile.Path($"docs/int8-vector/{name}");
}
