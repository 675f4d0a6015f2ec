using System.Security.Cryptography;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Inference.Tests;

public sealed class InferenceSessionTests
{
    // SHA-256 over the state after each of 200 steps and all outputs of a random (5, 24, 2, 3) model. It changes only when
    // the arithmetic does, and then every model's results do: say so in docs/quantization.md.
    private const string GoldenSha256 = "fb0a65fbb3047e0ef20be4be66a868ecc5d487791294cce37dd80e0e427ea045";

    private static EdgeModel Model(int seed = 1) => EdgeModel.Parse(RandomModels.Int8(seed, 5, 24, 2, 3));

    [Fact]
    public void Two_hundred_steps_give_the_committed_bytes()
    {
        var session = new InferenceSession(Model());
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        float[] y = new float[3];
        for (int step = 0; step < 200; step++)
        {
            session.Step(Row(step), y);
            sha.AppendData(session.State);
            sha.AppendData(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(y));
        }

        string actual = Convert.ToHexStringLower(sha.GetHashAndReset());
        Assert.True(actual == GoldenSha256, $"states and outputs hash to {actual}");
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        var session = new InferenceSession(Model());
        float[] x = Row(3);
        float[] y = new float[3];
        session.Step(x, y);
        Assert.Equal(0, AllocatedBytes.Least(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                session.Step(x, y);
            }
        }));
    }

    [Fact]
    public void A_restored_session_goes_on_bit_for_bit()
    {
        var unbroken = new InferenceSession(Model());
        float[] expected = new float[3];
        float[] actual = new float[3];
        for (int step = 0; step < 50; step++)
        {
            unbroken.Step(Row(step), expected);
        }

        var restored = new InferenceSession(Model());
        restored.Restore(unbroken.Save());
        for (int step = 50; step < 100; step++)
        {
            unbroken.Step(Row(step), expected);
            restored.Step(Row(step), actual);
            Assert.Equal(expected, actual);
            Assert.True(unbroken.State.SequenceEqual(restored.State));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_reading_that_is_not_finite_is_refused_and_leaves_the_state_alone(float bad)
    {
        var session = new InferenceSession(Model());
        session.Step(Row(1), new float[3]);
        byte[] before = session.State.ToArray();
        float[] x = Row(2);
        x[3] = bad;
        ArgumentException e = Assert.Throws<ArgumentException>(() => session.Step(x, new float[3]));
        Assert.Contains("'c3'", e.Message, StringComparison.Ordinal);
        Assert.Equal(before, session.State.ToArray());
    }

    [Theory]
    [InlineData(4, 3)]
    [InlineData(6, 3)]
    [InlineData(5, 2)]
    [InlineData(0, 0)]
    public void Wrong_lengths_are_refused(int inputs, int outputs) =>
        Assert.Throws<ArgumentException>(() => new InferenceSession(Model()).Step(new float[inputs], new float[outputs]));

    [Theory]
    [InlineData(7.5f)]
    [InlineData(-1f)]
    [InlineData(RandomModels.Symbols)]
    [InlineData(3e9f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_symbol_that_the_model_does_not_know_is_refused_and_leaves_the_state_alone(float bad)
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8WithSymbol(1, 5, 12, 2));
        var session = new InferenceSession(model);
        float[] x = new float[6];
        session.Step(x, new float[2]);
        byte[] before = session.Save();
        x[5] = bad;
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => session.Step(x, new float[2]));
        Assert.Contains("is not a symbol of this model. Use a whole number from 0 to 10.", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, session.Save());

        // Of two streams the second one is wrong: neither moves.
        var batch = new InferenceBatch(model, 2);
        byte[] state = batch.State(0).ToArray();
        Assert.Throws<ArgumentException>(() => batch.Step([0, 0, 0, 0, 0, 1, .. x], new float[4]));
        Assert.Equal(state, batch.State(0).ToArray());
    }

    [Fact]
    public void A_reading_beyond_the_range_is_clipped_and_counted()
    {
        var clipped = new InferenceSession(Model());
        var atTheEnd = new InferenceSession(Model());
        float[] a = new float[3];
        float[] b = new float[3];
        clipped.Step([float.MaxValue, 0, 0, 0, 0], a);
        atTheEnd.Step([32767 / 4096f, 0, 0, 0, 0], b);
        Assert.Equal(b, a);
        Assert.Equal([1, 0, 0, 0, 0], clipped.InputSaturations.ToArray());
        Assert.Equal([0, 0, 0, 0, 0], atTheEnd.InputSaturations.ToArray());
    }

    [Theory]
    [InlineData("scalar")]
    [InlineData("vector128")]
    public void Clipped_cells_and_hidden_states_are_counted_per_unit(string kernel)
    {
        var session = new InferenceSession(Model(4), kernel);
        float[] x = [9, -9, 9, -9, 9];
        for (int i = 0; i < 100; i++)
        {
            session.Step(x, new float[3]);
        }

        Assert.Equal(48, session.CellSaturations.Length);
        Assert.Equal(48, session.HiddenSaturations.Length);
        Assert.InRange(session.CellSaturations.ToArray().Max(), 50, 100);
        Assert.Contains(session.CellSaturations.ToArray(), count => count == 0);
        Assert.InRange(session.HiddenSaturations.ToArray().Max(), 1, 100);
    }

    [Fact]
    public void Every_single_bit_flip_and_truncation_of_a_saved_state_is_refused()
    {
        var session = new InferenceSession(Model());
        session.Step(Row(1), new float[3]);
        byte[] saved = session.Save();
        byte[] before = session.State.ToArray();
        for (int bit = 0; bit < saved.Length * 8; bit++)
        {
            byte[] damaged = [.. saved];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<ModelFormatException>(() => session.Restore(damaged));
        }

        for (int length = 0; length < saved.Length; length++)
        {
            Assert.Throws<ModelFormatException>(() => session.Restore(saved.AsSpan(0, length)));
        }

        Assert.Equal(before, session.State.ToArray());
    }

    [Fact]
    public void A_state_of_another_model_is_refused() =>
        Assert.Contains(
            "another model",
            Assert.Throws<ModelFormatException>(
                () => new InferenceSession(Model(2)).Restore(new InferenceSession(Model(1)).Save())).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Reset_is_the_state_of_a_new_session()
    {
        var session = new InferenceSession(Model());
        session.Step(Row(1), new float[3]);
        session.Reset();
        Assert.Equal(new InferenceSession(Model()).Save(), session.Save());
    }

    [Fact]
    public void State_of_16_inputs_and_128_units_takes_at_most_400_bytes() =>
        Assert.InRange(EdgeModel.Parse(RandomModels.Int8(1, 16, 128, 1, 4)).StateBytes, 1, 400);

    private static float[] Row(int step) => Enumerable.Range(0, 5).Select(i => (((step * 37) + (i * 11)) % 200 * 0.04f) - 4).ToArray();
}
