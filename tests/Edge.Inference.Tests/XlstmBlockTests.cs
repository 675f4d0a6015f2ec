using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Inference.Tests;

/// <summary>xLSTM blocks in integers: their arithmetic against double, their bounds, their state and their file.</summary>
public sealed class XlstmBlockTests
{
    [Fact]
    public void The_tables_are_the_formulas_rounded_and_no_entry_is_near_a_tie()
    {
        for (int k = 0; k <= 800; k++)
        {
            double value = Math.Log2(1 + Math.Pow(2, -k / 32.0)) * (1 << 23);
            Assert.Equal(Math.Round(value), LogArithmetic.SoftplusTable[k]);
            Assert.InRange(Math.Abs(value - Math.Floor(value) - 0.5), 1e-6, 0.5);
        }

        for (int k = 0; k <= 256; k++)
        {
            double value = Math.Pow(2, -k / 256.0) * (1 << 14);
            Assert.Equal(Math.Round(value), LogArithmetic.PowerTable[k]);
            Assert.InRange(Math.Abs(value - Math.Floor(value) - 0.5), 1e-6, 0.5);
        }
    }

    [Fact]
    public void A_reciprocal_root_is_within_2_to_the_minus_28()
    {
        var random = new Random(1);
        for (int i = 0; i < 200_000; i++)
        {
            ulong v = (ulong)random.NextInt64(1L << 30, 1L << 32);
            double expected = Math.ScaleB(1 / Math.Sqrt(v), 46);
            Assert.InRange(Math.Abs((Normalization.ReciprocalRoot(v) / expected) - 1), 0, Math.ScaleB(1, -28));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(33)]
    [InlineData(64)]
    [InlineData(300)]
    public void A_norm_is_within_one_step_of_the_exact_one(int count)
    {
        var random = new Random(count);
        short[] y = new short[count];
        int bits = Normalization.FractionBits(count);
        for (int round = 0; round < 500; round++)
        {
            int size = 1 << random.Next(1, 16);
            short[] x = [.. Enumerable.Range(0, count).Select(_ => (short)random.Next(-size, size))];
            long epsilon = Normalization.Epsilon(count, 10);
            Normalization.Apply(x, y, epsilon, bits);
            double mean = x.Average(value => (double)value);
            double variance = x.Average(value => (value - mean) * (value - mean)) + ((double)epsilon / count / count);
            for (int i = 0; i < count; i++)
            {
                double exact = Math.Clamp(Math.ScaleB((x[i] - mean) / Math.Sqrt(variance), bits), short.MinValue, short.MaxValue);
                Assert.InRange(y[i], exact - 0.501, exact + 0.501);
            }
        }
    }

    [Fact]
    public void Gates_follow_the_paper_in_double_for_a_hundred_thousand_steps()
    {
        // m, n and c of arXiv 2405.04517, equations 8 to 15, in double; logarithms to the base e.
        (double m, double n, double c) = (0, 0, 0);
        int log = LogArithmetic.Nothing;
        int mean = 0;
        var random = new Random(4);
        for (int step = 0; step < 100_000; step++)
        {
            int i = random.Next(-1500, 1500);
            int f = random.Next(500, 6000);
            int z = random.Next(-32767, 32767);
            double input = i / 512.0 * Math.Log(2);
            double kept = m - Math.Log(1 + Math.Exp(-f / 512.0 * Math.Log(2)));
            double next = n == 0 ? input : Math.Max(kept, input);
            c = (Math.Exp(kept - next) * c) + (Math.Exp(input - next) * z / 32768.0);
            n = (Math.Exp(kept - next) * n) + Math.Exp(input - next);
            m = next;
            mean = LogArithmetic.Admit(ref log, i, f).Move(mean, z);
            Assert.InRange(Math.ScaleB(mean, -29) - (c / n), -2e-3, 2e-3);
            Assert.InRange((Math.ScaleB(log, -23) * Math.Log(2)) - (m + Math.Log(n)), -1e-2, 1e-2);
        }
    }

    [Theory]
    [InlineData(32767, 32767)]
    [InlineData(-32768, 32767)]
    [InlineData(32767, -32768)]
    [InlineData(-32768, -32768)]
    [InlineData(0, 0)]
    public void A_million_steps_of_any_gates_leave_no_bound(int input, int forget)
    {
        int log = LogArithmetic.Nothing;
        int mean = 0;
        int least = 0;
        int most = 0;
        var random = new Random(5);
        for (int step = 0; step < 1_000_000; step++)
        {
            // Long runs of one extreme, and runs of anything.
            bool isAny = step % 3000 > 1500;
            int i = isAny ? random.Next(-32768, 32768) : input;
            int f = isAny ? random.Next(-32768, 32768) : forget;
            mean = LogArithmetic.Admit(ref log, i, f).Move(mean, random.Next(2) == 0 ? -32768 : 32767);
            (least, most) = (Math.Min(least, log), Math.Max(most, log));
            Assert.True(mean is >= -(1 << 29) - 8192 and < (1 << 29) - 8192, $"mean {mean} after step {step}");
        }

        Assert.InRange(least, -64 << 23, 89 << 23);
        Assert.InRange(most, -64 << 23, 89 << 23);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(9)]
    [InlineData(12)]
    public void A_restored_stack_goes_on_bit_for_bit_and_allocates_nothing(int seed)
    {
        EdgeModel model = EdgeModel.Parse(RandomStacks.Int8(seed, 3));
        var unbroken = new InferenceSession(model);
        float[] x = [0.5f, -2, 3];
        float[] expected = new float[3];
        float[] actual = new float[3];
        for (int step = 0; step < 50; step++)
        {
            Step(unbroken, step, expected);
        }

        var restored = new InferenceSession(model, "scalar");
        restored.Restore(unbroken.Save());
        for (int step = 50; step < 100; step++)
        {
            Step(unbroken, step, expected);
            Step(restored, step, actual);
            Assert.Equal(expected, actual);
            Assert.True(unbroken.State.SequenceEqual(restored.State));
        }

        Assert.Equal(0, AllocatedBytes.Least(() => unbroken.Step(x, expected)));
        Assert.Equal(0, AllocatedBytes.Least(() => restored.Step(x, actual)));

        void Step(InferenceSession session, int step, float[] y)
        {
            x[0] = MathF.Sin(step);
            x[1] = step % 7;
            session.Step(x, y);
        }
    }

    [Fact]
    public void A_saved_state_that_no_step_produces_is_refused()
    {
        EdgeModel model = EdgeModel.Parse(RandomStacks.OneSlstm(16));
        var session = new InferenceSession(model);
        byte[] state = session.State.ToArray();
        state.AsSpan(2 * 16, 4).Fill(0x7F);
        byte[] saved = StateFormat.Wrap(state, StateKind.Int8, model.Sha256);
        Assert.Contains(
            "layer 0 that no step produces",
            Assert.Throws<ModelFormatException>(() => session.Restore(saved)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    [InlineData(12)]
    public void A_state_in_real_numbers_comes_back_within_its_rounding(int seed)
    {
        EdgeModel model = EdgeModel.Parse(RandomStacks.Int8(seed, 3));
        var session = new InferenceSession(model);
        var other = new InferenceSession(model);
        other.ImportState(session.ExportState());
        Assert.Equal(session.State.ToArray(), other.State.ToArray());
        for (int step = 0; step < 40; step++)
        {
            session.Step([step % 3, step % 5, 1], new float[3]);
        }

        float[] values = session.ExportState();
        other.ImportState(values);
        foreach ((float a, float b) in values.Zip(other.ExportState()))
        {
            Assert.InRange(b - a, -1e-5f * (1 + MathF.Abs(a)), 1e-5f * (1 + MathF.Abs(a)));
        }
    }

    [Fact]
    public void A_stack_is_written_as_it_was_read_and_has_format_2()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            byte[] file = RandomStacks.Int8(seed, 3);
            Assert.Equal(file, EdgeModel.Parse(file).ToBytes());
            Assert.Contains("\"format\":2", TensorFile.Parse(file).Metadata["edge"], StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("\"format\":2", "\"format\":1", "has parts of format 2")]
    [InlineData("\"heads\":", "\"heads\":-", "'heads' must be a whole number")]
    [InlineData("\"products\":", "\"things\":", "'products' does not have")]
    [InlineData("\"taps\":", "\"taps\":9", "convolution")]
    [InlineData("\"type\":\"slstm\"", "\"type\":\"sLSTM\"", "Update edge-runtime")]
    [InlineData("\"input_fraction_bits\":", "\"input_fraction_bits\":1", "")]
    public void Each_lie_about_a_block_is_named(string was, string becomes, string sentence)
    {
        // A stack that has an sLSTM with a convolution.
        TensorFile file = Enumerable.Range(0, 100)
            .Select(seed => TensorFile.Parse(ModelVariant.WithoutChecksum(RandomStacks.Int8(seed, 3))))
            .First(each => each.Metadata["edge"].Contains("slstm", StringComparison.Ordinal)
                && each.Metadata["edge"].Contains("taps", StringComparison.Ordinal)
                && each.Metadata["edge"].Contains("heads", StringComparison.Ordinal));
        var metadata = new Dictionary<string, string>(file.Metadata);
        int at = metadata["edge"].IndexOf(was, StringComparison.Ordinal);
        Assert.True(at >= 0, was);
        metadata["edge"] = metadata["edge"][..at] + becomes + metadata["edge"][(at + was.Length)..];
        byte[] lie = TensorFile.Write(new Dictionary<string, Tensor>(file.Tensors), metadata);
        Assert.Contains(sentence, Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(lie)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_without_one_of_its_tensors_is_refused_by_the_tensors_name()
    {
        for (int seed = 0; seed < 12; seed++)
        {
            TensorFile file = TensorFile.Parse(ModelVariant.WithoutChecksum(RandomStacks.Int8(seed, 3)));
            foreach (string name in file.Tensors.Keys)
            {
                var tensors = new Dictionary<string, Tensor>(file.Tensors.Where(entry => entry.Key != name));
                byte[] bytes = TensorFile.Write(tensors, new Dictionary<string, string>(file.Metadata));
                Assert.Contains(name, Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(bytes)).Message, StringComparison.Ordinal);
            }
        }
    }
}
