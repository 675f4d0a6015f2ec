using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Streams.Engines;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>Looking further ahead than the model was trained to.</summary>
[Trait("Runs", "kernels")]
public sealed class RolloutTests : IDisposable
{
    private const int Horizon = 12;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedDataFact]
    public void Twelve_ticks_rolled_out_equal_the_same_values_fed_by_hand_and_leave_the_state_alone()
    {
        string file = _folder.File("etth1.safetensors");
        Assert.Equal(0, Edge.Quantize.Program.Run(
            [
                "quantize",
                SharedData.Model("etth1-lstm64", "step.onnx"),
                "--manifest",
                SharedData.Model("etth1-lstm64", "model.json"),
                "--calibration",
                SharedData.Readings("ETTh1.csv"),
                "-o",
                file,
            ],
            TextWriter.Null, TextWriter.Null));
        EdgeModel model = EdgeModel.Load(file);
        using IInferenceEngine plain = EngineFactory.LoadInt8(file);
        using var rolled = new RolloutEngine(EngineFactory.LoadInt8(file), Horizon);
        Assert.Equal(7 * Horizon, rolled.Manifest.Outputs.Count);
        var random = new Random(4);
        float[] x = new float[7];
        float[] one = new float[7];
        float[] all = new float[7 * Horizon];
        for (int step = 0; step < 200; step++)
        {
            for (int i = 0; i < x.Length; i++)
            {
                x[i] = (float)((2 * random.NextDouble()) - 1);
            }

            plain.Step(x, one);
            rolled.Step(x, all);
            Assert.Equal(plain.SaveState(), rolled.SaveState());
        }

        var byHand = new InferenceSession(model);
        byHand.Restore(plain.SaveState());
        for (int tick = 0; tick < Horizon; tick++)
        {
            Assert.Equal(one, all[(tick * 7)..((tick + 1) * 7)]);

            // Outputs are in the order of the columns in this model.
            Assert.Equal(
                Enumerable.Range(0, 7).Select(column => new ModelOutput(column, tick + 1)),
                rolled.Manifest.Outputs.Skip(tick * 7).Take(7));
            byHand.Step([.. one], one);
        }

        Assert.Equal(plain.SaveState(), rolled.SaveState());
    }

    [SharedDataFact]
    public void A_model_that_does_not_forecast_all_it_reads_cannot_be_rolled_out() =>
        Assert.Contains(
            "'forecast.horizon' feeds forecasts back as readings",
            Assert.Throws<InputException>(() => new RolloutEngine(EngineFactory.LoadInt8("demo"), Horizon)).Message,
            StringComparison.Ordinal);
}
