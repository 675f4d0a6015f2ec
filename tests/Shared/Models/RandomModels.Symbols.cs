using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Testing;

/// <summary>Models that read a symbol, alone or after readings.</summary>
internal static partial class RandomModels
{
    /// <summary>Symbols of the models that have an embedding.</summary>
    internal const int Symbols = 11;

    /// <summary>A recurrent layer of any kind over readings and one of <see cref="Symbols"/>, with an LSTM above it.</summary>
    internal static byte[] Int8WithSymbol(int seed, int readings, int hidden, int outputs)
    {
        var random = new Random(seed);
        int width = random.Next(1, 10);
        int bits = random.Next(2) == 0 ? 8 : 16;
        Layer first = random.Next(3) switch
        {
            0 => LstmOfAnyKind(random, readings + width, hidden, bits, true),
            1 => Gru(random, readings + width, hidden, bits, true),
            _ => Rnn(random, readings + width, hidden, bits, true),
        };
        Layer second = LstmOfAnyKind(random, hidden, random.Next(1, 1 + hidden), 8, !first.IsNarrow);
        return FileOfSymbols(random, readings, width, [first, second], Head(random, second.UnitCount, outputs, OutputActivation.Linear));
    }

    /// <summary>A row of readings, some at and beyond the ends of the range, with a symbol where the model reads one.</summary>
    internal static void Fill(Random random, EdgeModel model, Span<float> rows)
    {
        for (int at = 0; at < rows.Length; at++)
        {
            rows[at] = at % model.InputCount >= model.ReadingCount
                ? random.Next(Symbols)
                : random.Next(6) switch { 0 => 1e9f, 1 => -1e9f, _ => (random.NextSingle() - 0.5f) * 16 };
        }
    }

    private static byte[] FileOfSymbols(Random random, int readings, int width, Layer[] layers, DenseHead? head)
    {
        var embedding = new Embedding { SymbolCount = Symbols, Width = width, Table = Shorts(random, Symbols * width, -32768, 32767) };
        return new EdgeModel(
            Manifest(readings + 1, head?.OutputCount ?? layers[^1].UnitCount, symbolColumn: readings),
            new float[readings],
            Enumerable.Repeat(1f / 4096, readings).ToArray(),
            embedding,
            layers,
            head,
            "{}",
            new string('0', 64)).ToBytes();
    }
}
