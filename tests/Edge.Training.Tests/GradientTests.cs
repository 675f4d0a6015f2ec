using System.Text.Json;
using Edge.Training;
using Edge.Training.Layers;
using Edge.Training.Losses;
using Edge.Training.Numerics;
using static Edge.Training.Tests.GradientCheck;

namespace Edge.Training.Tests;

/// <summary>Gradients beside those of PyTorch, and beside differences of the loss.</summary>
public sealed class GradientTests
{
    private const int Strands = 3;
    private static readonly JsonElement Golden = JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "gradients.json"))).RootElement;

    [Theory]
    [InlineData("lstm")]
    [InlineData("gru")]
    [InlineData("rnn")]
    public void Outputs_loss_and_gradients_of_each_cell_are_those_of_PyTorch(string kind)
    {
        JsonElement golden = Golden.GetProperty("cells").EnumerateArray().First(each => each.GetProperty("kind").GetString() == kind);
        (int inputs, int units, int outputs) = (5, 7, 2);
        TrainableLayer cell = Cell(kind, inputs, units, new Random(1));
        var head = new LinearLayer(units, outputs, new Random(1));
        JsonElement parameters = golden.GetProperty("parameters");
        Load(cell.Parameters[0], Values(parameters, "weight_ih_l0"));
        Load(cell.Parameters[1], Values(parameters, "weight_hh_l0"));
        float[] both = [.. Values(parameters, "bias_ih_l0").Zip(Values(parameters, "bias_hh_l0"), (a, b) => a + b)];
        (kind == "gru" ? Values(parameters, "bias_ih_l0") : both).CopyTo(cell.Parameters[2].Value, 0);
        if (kind == "gru")
        {
            Values(parameters, "bias_hh_l0").CopyTo(cell.Parameters[3].Value, 0);
        }

        Load(head.Parameters[0], Values(golden, "head_weight"));
        Values(golden, "head_bias").CopyTo(head.Parameters[1].Value, 0);
        var network = new Network(cell, head);
        float[] x = Values(golden, "x");
        ReadOnlySpan<float> y = network.Forward(x, Strands);
        Near(Values(golden, "outputs"), y, "outputs");
        float[] gradient = new float[y.Length];
        double loss = new HuberLoss(1).Measure(y, Values(golden, "target"), gradient);
        network.Backward(x, gradient, Strands);

        Assert.Equal(golden.GetProperty("loss").GetDouble(), loss, 1e-5);
        JsonElement gradients = golden.GetProperty("gradients");
        Near(Values(gradients, "weight_ih_l0"), Transposed(cell.Parameters[0]), "weight_ih_l0");
        Near(Values(gradients, "weight_hh_l0"), Transposed(cell.Parameters[1]), "weight_hh_l0");
        Near(Values(gradients, "bias_ih_l0"), cell.Parameters[2].Gradient, "bias_ih_l0");
        Near(Values(gradients, "bias_hh_l0"), cell.Parameters[^1].Gradient, "bias_hh_l0");
        Near(Values(golden, "head_weight_gradient"), Transposed(head.Parameters[0]), "head_weight_gradient");
        Near(Values(golden, "head_bias_gradient"), head.Parameters[1].Gradient, "head_bias_gradient");
    }

    [Fact]
    public void Quantile_Gaussian_and_cross_entropy_losses_are_those_of_PyTorch()
    {
        (string Name, Loss Loss)[] losses =
            [
                ("quantile", new QuantileLoss(0.1f, 0.5f, 0.9f)),
                ("gaussian", new GaussianLoss()),
                ("cross_entropy", new CrossEntropyLoss(4))
            ];
        foreach ((string name, Loss loss) in losses)
        {
            JsonElement golden = Golden.GetProperty("losses").GetProperty(name);
            float[] outputs = Values(golden, "outputs");
            float[] gradient = new float[outputs.Length];
            Assert.Equal(golden.GetProperty("loss").GetDouble(), loss.Measure(outputs, Values(golden, "target"), gradient), 1e-5);
            Near(Values(golden, "gradient"), gradient, "gradient");
        }
    }

    [Fact]
    public void AdamW_steps_as_PyTorch_does()
    {
        JsonElement golden = Golden.GetProperty("adamw");
        var decaying = new Parameter("w", 10, 1, decays: true);
        Values(golden, "start").CopyTo(decaying.Value, 0);
        var optimizer = new AdamW([decaying]) { Decay = 0.02f };
        JsonElement[] gradients = [.. golden.GetProperty("gradients").EnumerateArray()];
        JsonElement[] after = [.. golden.GetProperty("after").EnumerateArray()];
        for (int step = 0; step < after.Length; step++)
        {
            Values(gradients[step]).CopyTo(decaying.Gradient, 0);
            optimizer.Step(0.01);
            Near(Values(after[step]), decaying.Value, $"step {step}");
        }
    }

    [Theory]
    [InlineData("lstm", 9)]
    [InlineData("lstm", 16)]
    [InlineData("gru", 9)]
    [InlineData("gru", 16)]
    [InlineData("rnn", 9)]
    [InlineData("rnn", 16)]
    public void Gradients_are_the_differences_of_the_loss(string kind, int units)
    {
        var random = new Random(3);
        const int Steps = 5;
        var network = new Network(
            new EmbeddingLayer(6, 4, random), Cell(kind, 4, units, random), Cell(kind, units, 8, random), new LinearLayer(8, 3, random));
        float[] x = [.. Enumerable.Range(0, Steps * Strands).Select(_ => (float)random.Next(6))];
        float[] target = [.. Enumerable.Range(0, Steps * Strands * 3).Select(i => i % 7 == 0 ? float.NaN : (2 * random.NextSingle()) - 1)];
        RequireDifferences(network, x, target, Strands, reach: 0.02f, random);
    }

    [Fact]
    public void A_state_is_carried_from_sequence_to_sequence()
    {
        foreach (string kind in new[] { "lstm", "gru", "rnn" })
        {
            var network = new Network(Cell(kind, 3, 11, new Random(5)), new LinearLayer(11, 2, new Random(6)));
            var random = new Random(7);
            float[] x = [.. Enumerable.Range(0, 12 * 2 * 3).Select(_ => random.NextSingle())];
            float[] whole = network.Forward(x, 2).ToArray();
            network.Reset();
            float[] first = network.Forward(x.AsSpan(0, 5 * 6), 2).ToArray();
            float[] second = network.Forward(x.AsSpan(5 * 6, 4 * 6), 2).ToArray();
            Assert.Equal(whole[..(9 * 4)], first.Concat(second));
        }
    }

    [Fact]
    public void The_reference_steps_what_was_trained()
    {
        foreach (string kind in new[] { "lstm", "gru", "rnn" })
        {
            TrainableLayer layer = Cell(kind, 4, 13, new Random(8));
            var random = new Random(9);
            float[] x = [.. Enumerable.Range(0, 20 * 4).Select(_ => (4 * random.NextSingle()) - 2)];
            float[] trained = new float[20 * 13];
            layer.Forward(x, trained, 1);
            Reference.FloatLayer reference = layer.ToReference()!;
            float[] h = new float[13];
            float[] c = new float[13];
            float[] scratch = new float[reference.ScratchRows * 13];
            for (int t = 0; t < 20; t++)
            {
                reference.Step(x.AsSpan(t * 4, 4), h, c, scratch);
                Near(h, trained.AsSpan(t * 13, 13), $"step {t}", 1e-5);
            }
        }
    }

    [Fact]
    public void Products_of_every_shape_are_right_and_sigmoid_and_tanh_are_within_3e_7()
    {
        var random = new Random(2);
        for (int trial = 0; trial < 60; trial++)
        {
            (int m, int k, int n) = (random.Next(1, 12), random.Next(1, 40), random.Next(1, 50));
            float[] a = [.. Enumerable.Range(0, m * k).Select(_ => random.NextSingle() - 0.5f)];
            float[] b = [.. Enumerable.Range(0, k * n).Select(_ => random.NextSingle() - 0.5f)];
            float[] c = new float[m * n];
            float[] transposed = new float[m * k];
            float[] same = new float[m * n];
            MatrixProduct.Add(a, b, c, m, k, n);
            MatrixProduct.Transpose(a, transposed, m, k);
            MatrixProduct.AddTransposed(transposed, b, same, m, k, n);
            Assert.Equal(c, same);
            for (int at = 0; at < c.Length; at++)
            {
                double sum = Enumerable.Range(0, k).Sum(step => (double)a[(at / n * k) + step] * b[(step * n) + (at % n)]);
                Assert.Equal(sum, c[at], 1e-5);
            }
        }

        for (float v = -20; v <= 20; v += 0.037f)
        {
            float[] sigmoid = [v];
            float[] tanh = [v];
            VectorMath.Sigmoid(sigmoid);
            VectorMath.Tanh(tanh);
            Assert.Equal(1 / (1 + Math.Exp(-v)), sigmoid[0], 3e-7);
            Assert.Equal(Math.Tanh(v), tanh[0], 3e-7);
        }
    }

    private static TrainableLayer Cell(string kind, int inputs, int units, Random random) => kind switch
    {
        "lstm" => new LstmLayer(inputs, units, random),
        "gru" => new GruLayer(inputs, units, random),
        _ => new ElmanLayer(inputs, units, random),
    };

    // PyTorch keeps [units, inputs].
    private static void Load(Parameter parameter, float[] values) =>
        MatrixProduct.Transpose(values, parameter.Value, parameter.Columns, parameter.Rows);

    private static float[] Transposed(Parameter parameter)
    {
        float[] transposed = new float[parameter.Gradient.Length];
        MatrixProduct.Transpose(parameter.Gradient, transposed, parameter.Rows, parameter.Columns);
        return transposed;
    }
}
