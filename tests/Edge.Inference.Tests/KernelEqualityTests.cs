using Edge.Inference.Models;
using Edge.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Edge.Inference.Tests;

/// <summary>
/// Every kernel this processor has, and every emulation, against the scalar specification: state and output, byte for byte.
/// </summary>
public sealed class KernelEqualityTests
{
    private const int Steps = 100;

    // Run with EDGE_TEST_CASES=10000 for the long run; the fast suite takes a sample.
    private static readonly int Cases = int.TryParse(Environment.GetEnvironmentVariable("EDGE_TEST_CASES"), out int cases) ? cases : 150;

    private static readonly string[] VectorKernelNames = [.. InferenceSession.Kernels.Where(name => name != "scalar")];

    public static TheoryData<string> VectorKernels => [.. VectorKernelNames];

    [Theory]
    [MemberData(nameof(VectorKernels))]
    public void Any_shape_gives_the_scalar_bytes(string kernel)
    {
        Prop.ForAll(Shapes(smallOnes: 8, deepest: 3), shape => SameBytes(
                kernel, RandomModels.Int8(shape.Seed, shape.Inputs, shape.Hidden, shape.Layers, shape.Outputs), shape.Seed))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(Cases).WithReplay(20260101, 1));
    }

    [Theory]
    [MemberData(nameof(VectorKernels))]
    public void Any_stack_of_the_family_gives_the_scalar_bytes(string kernel)
    {
        Prop.ForAll(Shapes(smallOnes: 12, deepest: 4), shape => SameBytes(
                kernel, RandomModels.Int8Family(shape.Seed, shape.Inputs, shape.Hidden, shape.Layers, shape.Outputs), shape.Seed))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2 * Cases).WithReplay(20260102, 1));
    }

    [Theory]
    [MemberData(nameof(VectorKernels))]
    public void Tables_and_heads_of_several_activations_give_the_scalar_bytes(string kernel)
    {
        for (int seed = 0; seed < Cases / 4; seed++)
        {
            SameBytes(kernel, RandomModels.Int8WithTables(seed, 1 + (seed % 7), 1 + (seed % 53), 1 + (seed % 9)), seed);
        }
    }

    [Theory]
    [MemberData(nameof(VectorKernels))]
    public void Any_xLSTM_block_stack_gives_the_scalar_bytes(string kernel)
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            SameBytes(kernel, RandomStacks.Int8(seed, 1 + (seed % 7)), seed);
        }

        for (int seed = 0; seed < Cases / 50; seed++)
        {
            SameBytes(kernel, RandomStacks.Int8(seed, 3, headsMax: 3, headUnitsMax: 70), seed);
        }
    }

    [Theory]
    [MemberData(nameof(VectorKernels))]
    public void Norms_and_residual_connections_give_the_scalar_bytes(string kernel)
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            SameBytes(kernel, RandomModels.Int8WithResiduals(seed, 1 + (seed % 7), 1 + (seed % 53), 3), seed);
        }

        for (int seed = 0; seed < Cases / 50; seed++)
        {
            SameBytes(kernel, RandomModels.Int8WithResiduals(seed, 3, 90 + (70 * seed % 300), 3), seed);
        }
    }

    [Theory]
    [MemberData(nameof(VectorKernels))]
    public void Readings_and_a_symbol_give_the_scalar_bytes(string kernel)
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            SameBytes(kernel, RandomModels.Int8WithSymbol(seed, 1 + (seed % 9), 1 + (seed % 53), 3), seed);
        }
    }

    [Theory]
    [MemberData(nameof(VectorKernels))]
    public void Many_states_in_one_call_equal_single_steps(string kernel)
    {
        ManyEqualSingle(kernel, RandomModels.Int8WithTables(3, 7, 44, 5));
        ManyEqualSingle(kernel, RandomModels.Int8(5, 7, 44, 2, 3));
        for (int seed = 0; seed < 20; seed++)
        {
            ManyEqualSingle(kernel, RandomModels.Int8Family(seed, 7, 44, 3, 3));
            ManyEqualSingle(kernel, RandomStacks.Int8(seed, 7));
            ManyEqualSingle(kernel, RandomModels.Int8WithResiduals(seed, 7, 21, 3));
            ManyEqualSingle(kernel, RandomModels.Int8WithSymbol(seed, 7, 21, 3));
        }
    }

    // Mostly small shapes, where edges are many; one for every so many small ones has up to 300 of everything.
    private static Arbitrary<(int Seed, int Inputs, int Hidden, int Layers, int Outputs)> Shapes(int smallOnes, int deepest)
    {
        Gen<int> size = Gen.Frequency((smallOnes, Gen.Choose(1, 40)), (1, Gen.Choose(41, 300)));
        Gen<(int, int, int, int, int)> shapes =
            from seed in Gen.Choose(0, 1_000_000)
            from inputs in size
            from hidden in size
            from layers in Gen.Choose(1, hidden > 100 ? 1 : deepest)
            from outputs in Gen.Choose(1, 9)
            select (seed, inputs, hidden, layers, outputs);
        return shapes.ToArbitrary();
    }

    private static void ManyEqualSingle(string kernel, byte[] file)
    {
        const int Count = 37;
        EdgeModel model = EdgeModel.Parse(file);
        int outputs = model.OutputCount;
        var batch = new InferenceBatch(model, Count, kernel);
        InferenceSession[] singles = Enumerable.Range(0, Count).Select(_ => new InferenceSession(model, "scalar")).ToArray();
        var random = new Random(1);
        float[] x = new float[Count * model.InputCount];
        float[] y = new float[Count * outputs];
        float[] one = new float[outputs];
        for (int step = 0; step < 50; step++)
        {
            RandomModels.Fill(random, model, x);
            batch.Step(x, y);
            for (int s = 0; s < Count; s++)
            {
                singles[s].Step(x.AsSpan(s * model.InputCount, model.InputCount), one);
                Assert.Equal(one, y[(s * outputs)..((s + 1) * outputs)]);
                Assert.True(singles[s].State.SequenceEqual(batch.State(s)));
            }
        }
    }

    // Skipped, so that a run says what it did not compare.
    [KernelFact("avxvnni")]
    public void Avxvnni_is_compared_here() => Assert.Contains("avxvnni", VectorKernelNames);

    [KernelFact("avx512")]
    public void Avx512_is_compared_here() => Assert.Contains("avx512", VectorKernelNames);

    [KernelFact("avx2")]
    public void Avx2_is_compared_here() => Assert.Contains("avx2", VectorKernelNames);

    [KernelFact("advsimd-dot")]
    public void Advsimd_dot_is_compared_here() => Assert.Contains("advsimd-dot", VectorKernelNames);

    [KernelFact("advsimd")]
    public void Advsimd_is_compared_here() => Assert.Contains("advsimd", VectorKernelNames);

    [Fact]
    public void An_unknown_kernel_is_refused_with_those_there_are() =>
        Assert.Contains(
            "scalar",
            Assert.Throws<ArgumentException>(() => new InferenceSession(EdgeModel.Parse(RandomModels.Int8(1, 2, 3, 1, 1)), "gpu")).Message,
            StringComparison.Ordinal);

    private static void SameBytes(string kernel, byte[] file, int seed)
    {
        EdgeModel model = EdgeModel.Parse(file);
        var scalar = new InferenceSession(model, "scalar");
        var vector = new InferenceSession(model, kernel);
        var random = new Random(seed);
        float[] x = new float[model.InputCount];
        float[] expected = new float[model.OutputCount];
        float[] actual = new float[model.OutputCount];
        for (int step = 0; step < Steps; step++)
        {
            RandomModels.Fill(random, model, x);
            scalar.Step(x, expected);
            vector.Step(x, actual);
            Assert.Equal(expected, actual);
            Assert.True(scalar.State.SequenceEqual(vector.State), $"the states differ after step {step}");
        }

        Assert.Equal(scalar.InputSaturations.ToArray(), vector.InputSaturations.ToArray());
        Assert.Equal(scalar.CellSaturations.ToArray(), vector.CellSaturations.ToArray());
        Assert.Equal(scalar.HiddenSaturations.ToArray(), vector.HiddenSaturations.ToArray());
    }

    private sealed class KernelFactAttribute : FactAttribute
    {
        public KernelFactAttribute(string kernel)
        {
            if (!InferenceSession.Kernels.Contains(kernel))
            {
                Skip = $"This processor has no {kernel}.";
            }
        }
    }
}
