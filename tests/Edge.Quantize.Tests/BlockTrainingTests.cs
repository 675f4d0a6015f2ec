using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Edge.Inference.Models;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training;
using Edge.Training.Blocks;
using Edge.Training.Layers;
using Edge.Training.Losses;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>xLSTM block stacks that are trained here.</summary>
public sealed partial class BlockTrainingTests : IDisposable
{
    private const int Columns = 2;
    private const int Rows = 2400;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_trained_stack_is_a_checkpoint_that_quantize_takes_and_quantizes_well()
    {
        Network network = Trained(Waves());
        string model = _folder.File("stack.safetensors");
        File.WriteAllBytes(model, BlockStackCheckpoint.Write(network));
        string manifest = _folder.Write("stack.json", """
            {
              "name": "stack", "columns": ["a", "b"], "period_seconds": 1, "mean": [0, 0], "std": [1, 1],
              "outputs_named": ["a[t+1]", "b[t+1]"], "train_rows": [0, 1600], "test_rows": [1600, 2400], "xlstm": { "act_fn": "swish" }
            }
            """);
        var text = new StringBuilder("time,a,b\n");
        float[] rows = Waves();
        for (int row = 0; row < Rows; row++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{1767225600 + row},{rows[2 * row]},{rows[(2 * row) + 1]}\n");
        }

        string printed = CommandLine.Done(
            "quantize", model, "--manifest", manifest, "--calibration", _folder.Write("r.csv", text.ToString()), "-o",
            _folder.File("int8.safetensors"));
        Match change = RmseChange().Match(printed);
        Assert.True(change.Success, printed);
        Assert.InRange(double.Parse(change.Groups[1].Value, CultureInfo.InvariantCulture), -1, 0.1);
        string[] layers = [.. EdgeModel.Load(_folder.File("int8.safetensors")).Layers.Select(layer => layer.Type)];
        Assert.Equal(["dense", "mlstm", "slstm", "feedforward", "norm"], layers);
    }

    [Fact]
    public void The_forward_pass_of_training_is_that_of_the_imported_checkpoint()
    {
        float[] rows = Waves();
        Network network = Trained(rows);
        FloatModel imported = FloatModels.Import(BlockStackCheckpoint.Write(network), null, """{"xlstm":{"act_fn":"swish"}}"""u8.ToArray());
        network.Reset();
        float[] trained = network.Forward(rows, 1).ToArray();
        var session = new FloatSession(imported);
        float[] outputs = new float[Columns];
        for (int row = 0; row < Rows; row++)
        {
            session.Step(rows.AsSpan(row * Columns, Columns), outputs);
            for (int k = 0; k < Columns; k++)
            {
                Assert.InRange(trained[(row * Columns) + k] - outputs[k], -1e-4f, 1e-4f);
            }
        }
    }

    [Fact]
    public void Only_a_block_stack_becomes_a_checkpoint()
    {
        var random = new Random(1);
        Refuses(new LinearLayer(2, 8, random), new LinearLayer(8, 2, random));
        Refuses(new LinearLayer(2, 8, random), new LstmLayer(8, 8, random), new NormLayer(8), new LinearLayer(8, 2, random));
        Refuses(new LinearLayer(2, 8, random), new FeedForwardLayer(8, 8, random), new NormLayer(8), new LinearLayer(8, 2, random));

        static void Refuses(params TrainableLayer[] layers) => Assert.Contains(
            "block", Assert.Throws<ArgumentException>(() => BlockStackCheckpoint.Write(new Network(layers))).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("slstm", "dense 2x16, slstm 16x16", "slstm", "feedforward", "norm")]
    [InlineData("mlstm", "dense 2x16, mlstm 16x16", "mlstm", "norm")]
    public void Train_learns_quantizes_and_scores_a_stack(string cell, string architecture, params string[] layers)
    {
        string recording = Bends();
        string said = Train();
        Assert.Contains($"chosen: {cell} 16, dropout 0.1", said, StringComparison.Ordinal);
        Assert.Contains($"m.safetensors: {architecture}", said, StringComparison.Ordinal);
        EdgeModel model = EdgeModel.Load(_folder.File("m.safetensors"));
        Assert.Equal(["dense", .. layers], model.Layers.Select(layer => layer.Type));

        // b is |a| of the row before, of which a regression knows nothing.
        Assert.InRange(model.Manifest.OutputRmse![1] / model.Manifest.Baselines["ridge, 24 rows"][1], 0, 0.85);
        Assert.Contains(cell, CommandLine.Done("inspect", _folder.File("m.safetensors")), StringComparison.Ordinal);

        byte[] first = File.ReadAllBytes(_folder.File("m.safetensors"));
        Train();
        Assert.Equal(first, File.ReadAllBytes(_folder.File("m.safetensors")));

        string Train() => CommandLine.Done(
            "train", recording, "-o", _folder.File("m.safetensors"), "--cell", cell, "--hidden", "16", "--dropout", "0.1", "--epochs", "12",
            "--horizons", "1");
    }

    [Fact]
    public void A_stack_that_gains_nothing_is_left_out_with_its_blocks()
    {
        var text = new StringBuilder("time,a\n");
        for (int row = 0; row < 600; row++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{1767225600 + row},{Math.Sin(row / 5.0):0.#####}\n");
        }

        string said = CommandLine.Done(
            "train", _folder.Write("sine.csv", text.ToString()), "-o", _folder.File("m.safetensors"), "--cell", "mlstm", "--hidden", "8",
            "--epochs", "1", "--horizons", "1");
        Assert.Contains("chosen: the regression alone", said, StringComparison.Ordinal);
        Assert.Equal(["rnn"], EdgeModel.Load(_folder.File("m.safetensors")).Layers.Select(layer => layer.Type));
    }

    [Theory]
    [InlineData("slstm")]
    [InlineData("mlstm")]
    public void Units_of_a_stack_that_are_no_multiple_of_8_are_refused(string cell) => CommandLine.Refuses(
        ["train", Bends(), "-o", _folder.File("m.safetensors"), "--cell", cell, "--hidden", "12"],
        $"--hidden 12 does not fit --cell {cell}", "a multiple of 8");

    private string Bends()
    {
        var random = new Random(3);
        var text = new StringBuilder("time,a,b\n");
        double before = 0;
        for (int row = 0; row < 1500; row++)
        {
            double a = (2 * random.NextDouble()) - 1;
            text.Append(CultureInfo.InvariantCulture, $"{1767225600 + row},{a:0.####},{Math.Abs(before):0.####}\n");
            before = a;
        }

        return _folder.Write("bends.csv", text.ToString());
    }

    // A few epochs: weights that are no longer those of the start.
    private static Network Trained(float[] rows)
    {
        var random = new Random(5);
        var network = new Network(
            new LinearLayer(Columns, 16, random),
            new MlstmLayer(16, 2, 4, random),
            new SlstmLayer(16, 2, 4, random),
            new FeedForwardLayer(16, 24, random),
            new NormLayer(16),
            new DropoutLayer(16, 0.1f, random),
            new LinearLayer(16, Columns, random));
        var optimizer = new AdamW(network.Parameters);
        var loss = new HuberLoss(1);
        const int Steps = 40;
        float[] gradient = new float[Steps * Columns];
        (double first, double last) = (0, 0);
        for (int epoch = 0; epoch < 4; epoch++)
        {
            network.Reset();
            last = 0;
            for (int at = 0; at + Steps < Rows; at += Steps)
            {
                ReadOnlySpan<float> x = rows.AsSpan(at * Columns, Steps * Columns);
                last += loss.Measure(network.Forward(x, 1, isTraining: true), rows.AsSpan((at + 1) * Columns, Steps * Columns), gradient);
                network.Backward(x, gradient, 1);
                optimizer.Clip(1);
                optimizer.Step(4e-3);
            }

            first = epoch == 0 ? last : first;
        }

        Assert.InRange(last, 0, 0.5 * first);
        return network;
    }

    private static float[] Waves()
    {
        var random = new Random(2);
        return
        [
            .. Enumerable.Range(0, Rows * Columns).Select(
                at => MathF.Sin((at / 2 / 6f) + (at % 2)) + (0.1f * ((2 * random.NextSingle()) - 1))),
        ];
    }

    [GeneratedRegex(@"RMSE change, mean over outputs: ([+-]\d+\.\d+) %")]
    private static partial Regex RmseChange();
}
