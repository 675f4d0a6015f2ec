using System.Runtime.InteropServices;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Inference.Tests;

/// <summary>
/// The vectors that docs/int8-vector/reproduce.py reproduces from the formulas alone. They change only when the arithmetic does, and then
/// every model's results do; EDGE_WRITE_VECTOR=1 writes them again.
/// </summary>
public sealed class CommittedVectorTests
{
    private const int Rows = 300;

    // Random stacks that together have every cell, option and activation of the family.
    private static readonly int[] FamilySeeds = [3, 5, 19, 30, 34, 160];

    // Random xLSTM stacks that together have every part in both widths, with and without convolutions.
    private static readonly int[] StackSeeds = [6, 7, 13, 34];

    // Random stacks that together have norms with both kinds of epsilon and residual connections of every alignment.
    private static readonly int[] ResidualSeeds = [2, 3, 8];

    public static TheoryData<string, string> Vectors
    {
        get
        {
            var vectors = new TheoryData<string, string>();
            foreach (string folder in FamilySeeds.Select(seed => $"family-{seed}")
                .Concat(StackSeeds.Select(seed => $"xlstm-{seed}"))
                .Concat(ResidualSeeds.Select(seed => $"residual-{seed}"))
                .Append("tables")
                .Append("symbol")
                .Append("."))
            {
                foreach (string kernel in InferenceSession.Kernels)
                {
                    vectors.Add(folder, kernel);
                }
            }

            return vectors;
        }
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Every_kernel_gives_the_committed_bytes(string folder, string kernel)
    {
        if (Environment.GetEnvironmentVariable("EDGE_WRITE_VECTOR") == "1")
        {
            Write(folder);
        }

        (byte[] y, byte[] state) = Run(
            EdgeModel.Load(File(folder, "model.safetensors")),
            System.IO.File.ReadAllBytes(File(folder, "x.f32")),
            kernel);
        Assert.Equal(System.IO.File.ReadAllBytes(File(folder, "y.f32")), y);
        Assert.Equal(System.IO.File.ReadAllBytes(File(folder, "state.bin")), state);
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

    private static void Write(string folder)
    {
        byte[] model = folder == "."
            ? RandomModels.Int8(1, 5, 23, 2, 3)
            : folder.StartsWith("xlstm-", StringComparison.Ordinal) ? RandomStacks.Int8(int.Parse(folder.AsSpan("xlstm-".Length)), 5)
            : folder.StartsWith("residual-", StringComparison.Ordinal)
            ? RandomModels.Int8WithResiduals(int.Parse(folder.AsSpan("residual-".Length)), 5, 14, 3)
            : folder == "tables" ? RandomModels.Int8WithTables(11, 5, 19, 6)
            : folder == "symbol" ? RandomModels.Int8WithSymbol(4, 5, 19, 3)
            : RandomModels.Int8Family(int.Parse(folder.AsSpan("family-".Length)), 5, 19, 4, 3);
        var random = new Random(2);
        (int inputs, int readings) = (EdgeModel.Parse(model).InputCount, EdgeModel.Parse(model).ReadingCount);
        float[] x =
        [
            .. Enumerable.Range(0, Rows * inputs).Select(i => i % inputs >= readings ? random.Next(RandomModels.Symbols)
                : i % 97 == 0 ? 20f : 8 * (random.NextSingle() - 0.5f)),
        ];
        byte[] bytes = MemoryMarshal.AsBytes(x.AsSpan()).ToArray();
        (byte[] y, byte[] state) = Run(EdgeModel.Parse(model), bytes, "scalar");
        Directory.CreateDirectory(File(folder, ""));
        System.IO.File.WriteAllBytes(File(folder, "model.safetensors"), model);
        System.IO.File.WriteAllBytes(File(folder, "x.f32"), bytes);
        System.IO.File.WriteAllBytes(File(folder, "y.f32"), y);
        System.IO.File.WriteAllBytes(File(folder, "state.bin"), state);
    }

    private static string File(string folder, string name) => RepositoryFile.Path($"docs/int8-vector/{folder}/{name}");
}
