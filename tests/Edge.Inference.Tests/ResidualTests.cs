using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Inference.Tests;

/// <summary>Norms and residual connections between layers of any kind: their file, their state, their refusals.</summary>
public sealed class ResidualTests
{
    [Fact]
    public void A_model_is_written_as_it_was_read_and_has_format_2()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            byte[] file = RandomModels.Int8WithResiduals(seed, 3, 1 + seed, 2);
            Assert.Equal(file, EdgeModel.Parse(file).ToBytes());
            Assert.Contains("\"format\":2", TensorFile.Parse(file).Metadata["edge"], StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(9)]
    public void A_restored_model_goes_on_bit_for_bit_and_allocates_nothing(int seed)
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8WithResiduals(seed, 3, 20, 2));
        var unbroken = new InferenceSession(model);
        var restored = new InferenceSession(model, "scalar");
        float[] x = [0.5f, -2, 3];
        float[] expected = new float[model.OutputCount];
        float[] actual = new float[model.OutputCount];
        for (int step = 0; step < 100; step++)
        {
            if (step == 50)
            {
                restored.Restore(unbroken.Save());
            }

            x[0] = MathF.Sin(step);
            x[1] = step % 7;
            unbroken.Step(x, expected);
            if (step >= 50)
            {
                restored.Step(x, actual);
                Assert.Equal(expected, actual);
                Assert.True(unbroken.State.SequenceEqual(restored.State));
            }
        }

        Assert.Equal(0, AllocatedBytes.Least(() => unbroken.Step(x, expected)));
    }

    // From the outputs of the layers in real numbers, which are exact.
    [Fact]
    public void A_residual_connection_is_the_sum_of_its_parts_rounded_once_and_counts_what_it_clips()
    {
        (int checkedSums, long clipped) = (0, 0);
        for (int seed = 0; seed < 40; seed++)
        {
            EdgeModel model = EdgeModel.Parse(RandomModels.Int8WithResiduals(seed, 2, 5, 3));
            var trace = new CellTrace(model);
            var session = new InferenceSession(model);
            float[] y = new float[model.OutputCount];
            long expected = 0;
            for (int step = 0; step < 30; step++)
            {
                float[] x = [step % 5 == 0 ? 1e9f : MathF.Sin(step) * 6, step % 7 == 0 ? -1e9f : MathF.Cos(step) * 6];
                trace.Step(x, y);
                session.Step(x, y);
                for (int l = 0; l < model.Layers.Length; l++)
                {
                    for (int j = 0; model.Layers[l] is ResidualLayer layer && j < layer.UnitCount; j++)
                    {
                        double sum = (double)trace.Output(l - 1)[j] + trace.Output(layer.Source)[j];
                        double rounded = Math.Floor(Math.ScaleB(sum, layer.OutputFractionBits) + 0.5);
                        expected += rounded is < short.MinValue or > short.MaxValue ? 1 : 0;
                        Assert.Equal(
                            Math.Clamp(rounded, short.MinValue, short.MaxValue), Math.ScaleB(trace.Output(l)[j], layer.OutputFractionBits));
                        checkedSums++;
                    }
                }
            }

            int unit = 0;
            long counted = 0;
            foreach (Layer layer in model.Layers)
            {
                for (int j = 0; j < layer.UnitCount; j++, unit++)
                {
                    counted += layer is ResidualLayer ? session.CellSaturations[unit] : 0;
                }
            }

            Assert.Equal(expected, counted);
            clipped += counted;
        }

        Assert.True(checkedSums > 5_000 && clipped > 0, $"{checkedSums} {clipped}");
    }

    [Theory]
    [InlineData("\"source\":0", "\"source\":9", "layers.2 adds the output of layer 9, which has to lie below it")]
    [InlineData("\"source\":0", "\"source\":2", "layers.2 adds the output of layer 2, which has to lie below it")]
    [InlineData("\"source\":0", "\"source\":-1", "'source' must be a whole number")]
    [InlineData("\"source_fraction_bits\":13", "\"source_fraction_bits\":12", "14 units and 12 fraction bits")]
    [InlineData("\"output_fraction_bits\":3", "\"output_fraction_bits\":16", "'output_fraction_bits' must be a whole number")]
    [InlineData("\"epsilon\":", "\"epsilon\":-", "'epsilon' must be a whole number")]
    [InlineData("\"epsilon\":", "\"epsilon\":99999999999999999", "'epsilon' must be a whole number")]
    [InlineData("\"format\":2", "\"format\":1", "has parts of format 2")]
    [InlineData("\"type\":\"residual\"", "\"type\":\"shortcut\"", "Update edge-runtime")]
    public void Each_lie_about_them_is_named(string was, string becomes, string sentence)
    {
        TensorFile file = TensorFile.Parse(ModelVariant.WithoutChecksum(RandomModels.Int8WithResiduals(2, 5, 14, 3)));
        var metadata = new Dictionary<string, string>(file.Metadata);
        int at = metadata["edge"].IndexOf(was, StringComparison.Ordinal);
        Assert.True(at >= 0, was);
        metadata["edge"] = metadata["edge"][..at] + becomes + metadata["edge"][(at + was.Length)..];
        byte[] lie = TensorFile.Write(new Dictionary<string, Tensor>(file.Tensors), metadata);
        Assert.Contains(sentence, Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(lie)).Message, StringComparison.Ordinal);
    }
}
