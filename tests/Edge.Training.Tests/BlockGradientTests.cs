using System.Text.Json;
using Edge.Testing;
using Edge.Training;
using Edge.Training.Blocks;
using Edge.Training.Layers;
using Edge.Training.Reference;
using static Edge.Training.Tests.GradientCheck;

namespace Edge.Training.Tests;

/// <summary>Parts of xLSTM block stacks beside PyTorch, beside differences of the loss, and beside the reference of quantization.</summary>
public sealed class BlockGradientTests
{
    private static readonly JsonElement Golden = JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "blocks.json"))).RootElement;

    [Theory]
    [InlineData("slstm")]
    [InlineData("slstm convolution")]
    [InlineData("mlstm")]
    [InlineData("feedforward")]
    public void Outputs_and_gradients_after_a_carried_state_are_those_of_PyTorch(string name)
    {
        JsonElement golden = Golden.GetProperty("parts").EnumerateArray().First(each => each.GetProperty("name").GetString() == name);
        int strands = Golden.GetProperty("strands").GetInt32();
        TrainableLayer part = Part(name);
        JsonElement[] parameters = [.. golden.GetProperty("parameters").EnumerateArray()];
        Assert.Equal(parameters.Length, part.Parameters.Count);
        for (int p = 0; p < parameters.Length; p++)
        {
            float[] values = Values(parameters[p]);
            Assert.Equal(part.Parameters[p].Value.Length, values.Length);
            values.CopyTo(part.Parameters[p].Value, 0);
        }

        float[] x = Values(golden.GetProperty("x"));
        float[] y = new float[x.Length];
        float[] dx = new float[x.Length];
        part.Forward(Values(golden.GetProperty("first")), y, strands);
        part.Forward(x, y, strands);
        part.Backward(x, y, Values(golden.GetProperty("dy")), dx, strands);

        Near(Values(golden.GetProperty("y")), y, "y");
        Near(Values(golden.GetProperty("dx")), dx, "dx");
        JsonElement[] gradients = [.. golden.GetProperty("gradients").EnumerateArray()];
        for (int p = 0; p < gradients.Length; p++)
        {
            Near(Values(gradients[p]), part.Parameters[p].Gradient, part.Parameters[p].Name);
        }
    }

    [Theory]
    [InlineData("slstm")]
    [InlineData("slstm convolution")]
    [InlineData("mlstm")]
    [InlineData("feedforward")]
    public void Gradients_are_the_differences_of_the_loss(string name)
    {
        const int Strands = 3;
        const int Rows = 5 * Strands;
        var random = new Random(3);
        TrainableLayer part = Part(name);
        var network = new Network(new LinearLayer(4, part.UnitCount, random), part, new LinearLayer(part.UnitCount, 3, random));
        float[] x = Noise(random, Rows * 4);
        float[] target = Noise(random, Rows * 3);
        foreach (Parameter parameter in part.Parameters)
        {
            // Away from where training begins, with gates that are neither open nor shut.
            foreach (ref float value in parameter.Value.AsSpan())
            {
                value = (0.6f * value) + (0.4f * ((2 * random.NextSingle()) - 1));
            }
        }

        RequireDifferences(network, x, target, Strands, reach: 0.008f, random);
    }

    [Theory]
    [InlineData("slstm")]
    [InlineData("slstm convolution")]
    [InlineData("mlstm")]
    [InlineData("feedforward")]
    public void A_state_is_carried_and_the_reference_steps_what_was_trained(string name)
    {
        TrainableLayer part = Part(name);
        int units = part.UnitCount;
        float[] x = Noise(new Random(9), 40 * units);
        float[] whole = new float[x.Length];
        float[] parts = new float[x.Length];
        part.Forward(x, whole, 1);
        part.Reset();
        part.Forward(x.AsSpan(0, 3 * units), parts.AsSpan(0, 3 * units), 1);
        part.Forward(x.AsSpan(3 * units, units), parts.AsSpan(3 * units, units), 1);
        part.Forward(x.AsSpan(4 * units), parts.AsSpan(4 * units), 1);
        Assert.Equal(whole, parts);

        FloatLayer reference = part.ToReference()!;
        float[] h = new float[units];
        float[] c = new float[reference.CellCount];
        float[] scratch = new float[reference.ScratchCount];
        for (int t = 0; t < 40; t++)
        {
            reference.Step(x.AsSpan(t * units, units), h, c, scratch);
            Near(h, whole.AsSpan(t * units, units), $"step {t}", 1e-5);
        }
    }

    [Theory]
    [InlineData("slstm")]
    [InlineData("slstm convolution")]
    [InlineData("mlstm")]
    [InlineData("feedforward")]
    public void A_window_of_training_allocates_nothing(string name)
    {
        TrainableLayer part = Part(name);
        float[] x = Noise(new Random(4), 6 * 2 * part.UnitCount);
        float[] y = new float[x.Length];
        float[] dx = new float[x.Length];
        Train();
        Assert.Equal(0, AllocatedBytes.Least(Train));

        void Train()
        {
            part.Forward(x, y, 2);
            part.Backward(x, y, x, dx, 2);
        }
    }

    [Fact]
    public void Units_and_heads_that_do_not_fit_vectors_are_refused()
    {
        Assert.Contains("multiple of 8 units, not 12", Refusal(() => new SlstmLayer(12, 1, 0, new Random(1))), StringComparison.Ordinal);
        Assert.Contains("3 heads do not share 16", Refusal(() => new SlstmLayer(16, 3, 0, new Random(1))), StringComparison.Ordinal);

        static string Refusal(Func<TrainableLayer> make) => Assert.Throws<ArgumentException>(make).Message;
    }

    private static TrainableLayer Part(string name) => name switch
    {
        "slstm" => new SlstmLayer(16, 2, 0, new Random(1)),
        "slstm convolution" => new SlstmLayer(16, 2, 4, new Random(1)),
        "mlstm" => new MlstmLayer(8, 2, 4, new Random(1)),
        _ => new FeedForwardLayer(16, 24, new Random(1)),
    };

    private static float[] Noise(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
}
