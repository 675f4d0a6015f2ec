using System.Diagnostics;
using System.Text;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Training;
using Edge.Training.Layers;
using Edge.Training.Losses;
using Edge.Training.Reference;

namespace Edge.Quantize.Learning;

/// <summary>
/// From a text to a model that gives the probability of each next character: an embedding, LSTM layers, a softmax. Characters that are rare
/// count as one.
/// </summary>
internal sealed class TextLearner
{
    /// <summary>Fewest characters that something can be learned from.</summary>
    internal const int LengthMin = 2_000;

    /// <summary>The class of all rare characters.</summary>
    internal const string Rare = "U+FFFD";

    /// <summary>Name of the output.</summary>
    internal const string OutputName = "next";

    private const int SymbolsMax = 200;
    private const int Steps = 48;
    private const int StrandsMax = 32;
    private const int Width = 24;
    private const double Rate = 4e-3;
    private const double GradientMax = 1;
    private const int Patience = 6;

    private readonly int[] _text;
    private readonly Network _network;
    private readonly int _strands;

    /// <param name="text">The text.</param>
    /// <param name="units">Units of each LSTM layer.</param>
    /// <param name="layers">LSTM layers.</param>
    /// <param name="dropout">Share of units that are dropped between layers in training.</param>
    /// <param name="seed">Of all random numbers.</param>
    /// <exception cref="InputException">The text is too short.</exception>
    internal TextLearner(string text, int units, int layers, float dropout, int seed)
    {
        Rune[] runes = [.. text.EnumerateRunes()];
        if (runes.Length < LengthMin)
        {
            throw new InputException(
                $"The text has {Quantity.Of(runes.Length, "character")}; at least {LengthMin} are needed to learn from.");
        }

        Rune[] frequent = [.. runes.CountBy(rune => rune).OrderByDescending(each => each.Value).Take(SymbolsMax).Select(each => each.Key)];
        frequent = [.. frequent.Order()];
        Symbols = [.. frequent.Select(NameOf), .. frequent.Contains(new Rune(0xFFFD)) ? Array.Empty<string>() : [Rare]];
        Dictionary<Rune, int> numbers = frequent.Index().ToDictionary(each => each.Item, each => each.Index);
        int rare = Array.IndexOf(Symbols, Rare);
        _text = [.. runes.Select(rune => numbers.GetValueOrDefault(rune, rare))];
        var random = new Random(seed);
        var stack = new List<TrainableLayer> { new EmbeddingLayer(Symbols.Length, Width, random) };
        for (int l = 0; l < layers; l++)
        {
            stack.Add(new LstmLayer(l == 0 ? Width : units, units, random));
            if (dropout > 0)
            {
                stack.Add(new DropoutLayer(units, dropout, random));
            }
        }

        _network = new Network([.. stack, new LinearLayer(units, Symbols.Length, random)]);
        _strands = Math.Clamp(TrainEnd / (Steps * 8), 1, StrandsMax);
    }

    /// <summary>A character each; white space and the rare ones by their code, U+0020.</summary>
    internal string[] Symbols { get; }

    /// <summary>Characters that are learned from; those after them choose.</summary>
    internal int TrainEnd => _text.Length * 9 / 10;

    /// <summary>Bits for each character of the text after <see cref="TrainEnd"/>, after each epoch.</summary>
    internal List<double> Bits { get; } = [];

    /// <summary>The text as rows of symbols.</summary>
    internal float[] Rows => [.. _text.Select(symbol => (float)symbol)];

    /// <summary>The manifest of the model.</summary>
    internal ModelManifest Manifest(string name) => new()
    {
        Name = name,
        Columns = ["symbol"],
        Units = [""],
        PeriodSeconds = 1,
        Mean = [0],
        Std = [1],
        Outputs = [.. Symbols.Select(symbol => new ModelOutput(-1, 0, OutputName) { Class = symbol })],
        TrainRows = (0, TrainEnd),
        TestRows = (TrainEnd, _text.Length),
    };

    /// <summary>The character of a class; U+FFFD for the rare ones.</summary>
    internal static string TextOf(string symbol) => symbol.StartsWith("U+", StringComparison.Ordinal) && symbol.Length >= 6
        ? char.ConvertFromUtf32(Convert.ToInt32(symbol[2..], 16))
        : symbol;

    /// <summary>
    /// Bits for each character of the text after <see cref="TrainEnd"/> by the frequency of pairs in the text before it: what a model must
    /// beat.
    /// </summary>
    internal double PairBits()
    {
        int symbols = Symbols.Length;
        var pairs = new double[symbols * symbols];
        var singles = new double[symbols];
        for (int at = 1; at < TrainEnd; at++)
        {
            pairs[(_text[at - 1] * symbols) + _text[at]]++;
            singles[_text[at - 1]]++;
        }

        double bits = 0;
        for (int at = TrainEnd; at < _text.Length; at++)
        {
            // Laplace's rule: each pair was seen once more than it was.
            bits -= Math.Log2((pairs[(_text[at - 1] * symbols) + _text[at]] + 1) / (singles[_text[at - 1]] + symbols));
        }

        return bits / (_text.Length - TrainEnd);
    }

    /// <summary>Trains until the time is over or the bits no longer fall, and returns the best model.</summary>
    /// <param name="budget">Time.</param>
    /// <param name="epochs">Epochs, however long they take; null for what the time allows.</param>
    /// <param name="say">Told the epoch and the bits.</param>
    /// <param name="cancel">Ends training early; the best so far is returned.</param>
    internal FloatModel Run(TimeSpan budget, int? epochs, Action<int, double> say, CancellationToken cancel)
    {
        var optimizer = new AdamW(_network.Parameters);
        float[][] best = _network.Save();
        int bestEpoch = 0;
        long started = Stopwatch.GetTimestamp();
        for (int epoch = 0; !cancel.IsCancellationRequested && epoch - bestEpoch <= Patience; epoch++)
        {
            double progress = epochs is { } planned ? (double)epoch / planned : Stopwatch.GetElapsedTime(started) / budget;
            if (progress >= 1)
            {
                break;
            }

            Epoch(optimizer, Rate * CosineSchedule.Of(progress));
            double bits = Measure();
            if (Bits.Count == 0 || bits < Bits.Min())
            {
                (best, bestEpoch) = (_network.Save(), epoch);
            }

            Bits.Add(bits);
            say(epoch + 1, bits);
        }

        _network.Restore(best);
        FloatLayer[] layers = [.. _network.Layers.Select(layer => layer.ToReference()).OfType<FloatLayer>()];
        var table = (EmbeddingLayer)_network.Layers[0];
        return new FloatModel(
            null,
            new FloatEmbedding(Symbols.Length, Width, [.. table.Table.Value]),
            layers[..^1],
            (FloatDense)layers[^1] with { Activation = new FloatActivation(FloatFunction.Softmax) },
            new string('0', 64));
    }

    private void Epoch(AdamW optimizer, double rate)
    {
        int length = (TrainEnd - 1) / _strands;
        var x = new float[Steps * _strands];
        var target = new float[x.Length];
        var gradient = new float[x.Length * Symbols.Length];
        var loss = new CrossEntropyLoss(Symbols.Length);
        _network.Reset();
        for (int begin = 0; begin + Steps <= length; begin += Steps)
        {
            for (int t = 0; t < Steps; t++)
            {
                for (int s = 0; s < _strands; s++)
                {
                    int at = (s * length) + begin + t;
                    x[(t * _strands) + s] = _text[at];
                    target[(t * _strands) + s] = _text[at + 1];
                }
            }

            loss.Measure(_network.Forward(x, _strands, isTraining: true), target, gradient);
            _network.Backward(x, gradient, _strands);
            optimizer.Clip(GradientMax);
            optimizer.Step(rate);
        }
    }

    private double Measure()
    {
        var loss = new CrossEntropyLoss(Symbols.Length);
        float[] x = [.. _text[TrainEnd..^1].Select(symbol => (float)symbol)];
        float[] target = [.. _text[(TrainEnd + 1)..].Select(symbol => (float)symbol)];
        var gradient = new float[x.Length * Symbols.Length];
        _network.Reset();
        return loss.Measure(_network.Forward(x, 1), target, gradient) / Math.Log(2);
    }

    private static string NameOf(Rune rune) =>
        Rune.IsWhiteSpace(rune) || Rune.IsControl(rune) || rune.Value == 0xFFFD ? $"U+{rune.Value:X4}" : rune.ToString();
}
