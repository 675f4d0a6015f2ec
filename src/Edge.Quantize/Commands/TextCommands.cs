using System.CommandLine;
using System.Globalization;
using System.Text;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Learning;
using Edge.Quantize.Quantization;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary><c>train-text</c> and <c>generate</c>: a model of characters, and text from it, step by step.</summary>
internal static class TextCommands
{
    private const double Tolerance = 0.001;
    private const int TextMaxBytes = 32 << 20;

    internal static Command CreateTrain(TextWriter output)
    {
        var text = new Argument<string>("TEXT") { Description = "A text, UTF-8." };
        var target = new Option<string>("--output", "-o") { Description = "The int8 model to write, .safetensors.", Required = true };
        var hidden = new Option<int>("--hidden") { Description = "Units of each LSTM layer.", DefaultValueFactory = _ => 128 };
        var layers = new Option<int>("--layers") { Description = "LSTM layers.", DefaultValueFactory = _ => 1 };
        var dropout = new Option<float>("--dropout") { Description = "Share of units dropped between layers in training." };
        var epochs = new Option<int?>("--epochs") { Description = "Epochs, however long they take." };
        var seed = new Option<int>("--seed") { Description = "Of all random numbers.", DefaultValueFactory = _ => 1 };
        var budget = new Option<string>("--budget")
        {
            Description = "Time for training, such as 90s or 5m.",
            DefaultValueFactory = _ => "5m",
        };
        var command = new Command("train-text", "Learns which character comes next from a text: an embedding, an LSTM, a softmax.")
        {
            text, target, hidden, layers, dropout, epochs, seed, budget,
        };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(target);
            string source = parsed.GetRequiredValue(text);
            RegularFile.RequireApart([path], [source]);
            FileBytes.RequireWritable(path);
            string content = Encoding.UTF8.GetString(FileBytes.Read(source, "Text", TextMaxBytes));
            int units = TrainingOptions.InRange(parsed.GetValue(hidden), "--hidden", 1, 512);
            int depth = TrainingOptions.InRange(parsed.GetValue(layers), "--layers", 1, 4);
            var learner = new TextLearner(
                content, units, depth, TrainingOptions.Dropout(parsed.GetValue(dropout)), parsed.GetValue(seed));
            output.WriteLine(
                $"{content.Length} characters, {Quantity.Of(learner.Symbols.Length, "symbol")}: learned on the first {learner.TrainEnd}, "
                    + "scored on the rest");
            using var progress = new Progress(output);
            using var cancel = new CancelOnKey();
            FloatModel model = learner.Run(
                TrainingOptions.Span(parsed.GetRequiredValue(budget)),
                parsed.GetValue(epochs),
                (epoch, bits) => progress.Say(string.Create(CultureInfo.InvariantCulture, $"epoch {epoch}: {bits:0.000} bits a character")),
                cancel.Token);
            var readings = ReadingsFile.Of(learner.Rows, 1);
            QuantizationRun run = QuantizationRun.Of(
                model, learner.Manifest(Path.GetFileNameWithoutExtension(path)), readings, (0, learner.TrainEnd),
                new QuantizationSettings(), Precision.Auto, Tolerance, """{"source":"train-text"}""", progress.Say);
            progress.Done();
            FileBytes.Write(path, run.File);
            output.WriteLine($"{path}: {run.Model.Architecture}, {run.File.Length} bytes, state {run.Model.StateBytes} bytes per stream");
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{learner.Bits.DefaultIfEmpty(double.NaN).Min():0.000} bits a character after {Quantity.Of(learner.Bits.Count, "epoch")}; "
                    + $"by the frequency of pairs {learner.PairBits():0.000}; int8 - float "
                    + $"{100 * run.Evaluation.Model.WorstDifference:0.00} % of a deviation at worst"));
            return 0;
        });
        return command;
    }

    internal static Command CreateGenerate(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "A model of train-text." };
        var start = new Option<string>("--start") { Description = "Text to begin with.", DefaultValueFactory = _ => "" };
        var length = new Option<int>("--length") { Description = "Characters to generate.", DefaultValueFactory = _ => 400 };
        var temperature = new Option<double>("--temperature")
        {
            Description = "Below 1 the likely characters are drawn more often, above 1 less.",
            DefaultValueFactory = _ => 0.7,
        };
        var seed = new Option<int>("--seed") { Description = "Of the draws.", DefaultValueFactory = _ => 1 };
        var command = new Command("generate", "Writes text, character by character, each drawn by its probability and fed back.")
        {
            model, start, length, temperature, seed,
        };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            EdgeModel loaded = EdgeModel.Load(path);
            if (!loaded.ReadsSymbols || loaded.Manifest.Outputs.Any(each => each.Kind != OutputKind.Class))
            {
                throw new InputException($"Model '{path}' does not read symbols and give the next one. Use a model of train-text.");
            }

            double heat = parsed.GetValue(temperature) is var given and > 0 and <= 10
                ? given
                : throw new InputException("--temperature must be greater than 0 and at most 10.");
            int count = TrainingOptions.InRange(parsed.GetValue(length), "--length", 1, 1_000_000);
            output.WriteLine(Generate(loaded, parsed.GetRequiredValue(start), count, heat, new Random(parsed.GetValue(seed))));
            return 0;
        });
        return command;
    }

    private static string Generate(EdgeModel model, string start, int count, double temperature, Random random)
    {
        string[] symbols = [.. model.Manifest.Outputs.Select(output => TextLearner.TextOf(output.Class!))];
        int rare = Math.Max(0, Array.IndexOf(symbols, TextLearner.TextOf(TextLearner.Rare)));
        var session = new InferenceSession(model);
        var text = new StringBuilder(start);
        float[] probabilities = new float[symbols.Length];
        int[] beginning =
        [
            .. start.EnumerateRunes().Select(rune => Array.IndexOf(symbols, rune.ToString()) is >= 0 and var at ? at : rare),
        ];
        foreach (int symbol in beginning.Length > 0 ? beginning : [Math.Max(0, Array.IndexOf(symbols, "\n"))])
        {
            session.Step([symbol], probabilities);
        }

        for (int i = 0; i < count; i++)
        {
            double[] weights = [.. probabilities.Select(probability => Math.Pow(probability, 1 / temperature))];
            double left = random.NextDouble() * weights.Sum();
            int next = 0;
            while (next < weights.Length - 1 && (left -= weights[next]) >= 0)
            {
                next++;
            }

            text.Append(symbols[next]);
            session.Step([next], probabilities);
        }

        return text.ToString();
    }
}
