using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Import;
using Edge.Quantize.Quantization;
using Edge.Sensors.Replay;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>What is shared between the settings of a search, to save time, changes no byte and no figure.</summary>
public sealed class QuantizationReuseTests
{
    [Theory]
    [InlineData("lstm_2_layers_hn.onnx")]
    [InlineData("gru_2_layers_batch_first_step.onnx")]
    [InlineData("lstm_relu_gru.onnx")]
    [InlineData("dense_first.onnx")]
    public void One_quantizer_gives_every_setting_the_bytes_of_its_own(string file)
    {
        (FloatModel model, ReadingsFile readings, ModelManifest manifest) = Load(file);
        ActivationStatistics statistics = ActivationStatistics.Measure(model, readings, 0, readings.RowCount);
        var shared = new ModelQuantizer(model, manifest, statistics, "{}");
        var different = new HashSet<string>();
        foreach (int[] wide in new int[][] { [], [0], [1], [0, 1], [] })
        {
            foreach (double headroom in new double[] { 4, 2, 16 })
            {
                var settings = new QuantizationSettings { WideLayers = new HashSet<int>(wide), CellHeadroom = headroom };
                EdgeModel again = shared.Quantize(settings);
                EdgeModel alone = new ModelQuantizer(model, manifest, statistics, "{}").Quantize(settings);
                Assert.Equal(alone.Sha256, again.Sha256);
                different.Add(again.Sha256);
            }
        }

        Assert.InRange(different.Count, 2, 12);
    }

    [Theory]
    [InlineData("lstm_2_layers_hn.onnx")]
    [InlineData("gru_opset11.onnx")]
    public void Calibration_on_the_way_is_calibration_by_itself(string file)
    {
        (FloatModel model, ReadingsFile readings, ModelManifest manifest) = Load(file);
        ActivationStatistics alone = ActivationStatistics.Measure(model, readings, 0, 30);
        var onTheWay = new ActivationStatistics(model, 0, 30);
        var run = new FloatRun(model, readings, manifest, onTheWay);
        Assert.Equal(new FloatRun(model, readings, manifest).Outputs, run.Outputs);
        Assert.Equal(alone.LargestOutput, onTheWay.LargestOutput);
        Assert.Equal(alone.Cell, onTheWay.Cell);
        Assert.Equal(
            new ModelQuantizer(model, manifest, alone, "{}").Quantize(new QuantizationSettings()).Sha256,
            new ModelQuantizer(model, manifest, onTheWay, "{}").Quantize(new QuantizationSettings()).Sha256);
    }

    [Theory]
    [InlineData("lstm_2_layers_hn.onnx")]
    [InlineData("residual_post_norm.onnx")]
    public void Other_biases_of_the_head_give_what_stepping_the_model_gives(string file)
    {
        (FloatModel model, ReadingsFile readings, ModelManifest manifest) = Load(file);
        var reference = new FloatRun(model, readings, manifest);
        EdgeModel quantized = new ModelQuantizer(
            model, manifest, ActivationStatistics.Measure(model, readings, 0, 30), "{}").Quantize(new QuantizationSettings());
        EdgeModel corrected = ModelQuantizer.WithoutMeanError(quantized, [0.01, -0.2, 0.003])!;
        int[] sums = new int[readings.RowCount * model.OutputCount];
        float[] before = ModelEvaluation.Run(reference, quantized, sums).Int8Outputs;
        float[] after = ModelEvaluation.Run(reference, corrected).Int8Outputs;
        Assert.NotEqual(before, after);
        Assert.Equal(after, PrecisionSearch.WithBiases(quantized, corrected, sums));
    }

    [Fact]
    public void A_sum_of_rows_is_the_same_however_many_are_added_at_once()
    {
        var random = new Random(3);
        float[] values = [.. Enumerable.Range(0, 37 * 21).Select(_ => random.NextSingle() - 0.5f)];
        float[][] rows = [.. values.Chunk(21)];
        var atOnce = new SecondMoment(22);
        var oneByOne = new SecondMoment(22);
        foreach (float[] row in rows)
        {
            atOnce.Add(row.AsSpan(0, 15), row.AsSpan(15));
            oneByOne.Add(row.AsSpan(0, 15), row.AsSpan(15));
            oneByOne.Complete();
        }

        Assert.Throws<InvalidOperationException>(() => atOnce[0, 0]);
        atOnce.Complete();
        for (int i = 0; i < 22; i++)
        {
            for (int j = 0; j < 22; j++)
            {
                Assert.Equal(oneByOne[i, j], atOnce[i, j]);
            }
        }
    }

    private static (FloatModel Model, ReadingsFile Readings, ModelManifest Manifest) Load(string file)
    {
        FloatModel model = FloatModels.Load(RepositoryFile.Path($"tests/Edge.Quantize.Tests/Exports/{file}"));
        ModelManifest manifest = ModelManifest.Plain("model", model.InputCount, model.OutputCount);
        var rows = new ReplayOptions { File = RepositoryFile.Path("tests/Edge.Quantize.Tests/Exports/x.f32") };
        return (model, ReadingsFile.Load(rows, manifest), manifest);
    }
}
