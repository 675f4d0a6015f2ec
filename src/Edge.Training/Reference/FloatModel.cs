using Edge.Inference;
using Edge.Inference.Cells;

namespace Edge.Training.Reference;

/// <summary>
/// The float32 model as trained: the reference of every accuracy figure.
/// </summary>
/// <param name="Normalization">Normalization of the readings in the graph before the first layer, or null.</param>
/// <param name="Embedding">
/// The vector of a symbol, which the first layer reads after the readings, or alone where it is as wide as that layer; or null.
/// </param>
/// <param name="Layers">Recurrent and dense layers, at least one of them recurrent.</param>
/// <param name="Head">The last dense layer, or null where the last recurrent layer's output is the model's.</param>
/// <param name="Sha256">SHA-256 of the file it was read from, lower-case hex.</param>
internal sealed record FloatModel(
    FloatNormalization? Normalization, FloatEmbedding? Embedding, IReadOnlyList<FloatLayer> Layers, FloatDense? Head, string Sha256)
{
    /// <summary>What is added to the outputs of a linear head, or null.</summary>
    internal FloatLagRegression? Lags { get; init; }

    /// <summary>
    /// Outputs of the file that a row of outputs consists of, and the number of their values; empty where it does not name them.
    /// </summary>
    internal IReadOnlyList<(string Name, int Count)> Outputs { get; init; } = [];

    /// <summary>Outputs of the file that are left out, one sentence each that names the output or the node.</summary>
    internal IReadOnlyList<string> LeftOut { get; init; } = [];

    /// <summary>
    /// The model with its first outputs only, if some of them have so many values together; else the model itself.
    /// </summary>
    internal FloatModel WithOutputs(int count)
    {
        int used = 1;
        for (int sum = Outputs.Count == 0 ? 0 : Outputs[0].Count; used < Outputs.Count && sum < count; used++)
        {
            sum += Outputs[used].Count;
        }

        if (Head is null || Head.UnitCount <= count || Outputs.Take(used).Sum(output => output.Count) != count)
        {
            return this;
        }

        var segments = new List<FloatSegment>();
        foreach (FloatSegment segment in Head.Segments ?? [])
        {
            int rest = count - segments.Sum(each => each.Count);
            if (rest > 0)
            {
                segments.Add(segment with { Count = Math.Min(segment.Count, rest) });
            }
        }

        return this with
        {
            Head = Head with
            {
                UnitCount = count,
                Weight = Head.Weight[..(count * Head.InputCount)],
                Bias = Head.Bias[..count],
                Segments = Head.Segments is null ? null : segments,
            },
            Outputs = [.. Outputs.Take(used)],
            LeftOut =
            [
                .. LeftOut,
                .. Outputs.Skip(used).Select(output =>
                    $"Output '{output.Name}' ({Quantity.Of(output.Count, "value")}), which the manifest does not name."),
            ],
        };
    }

    /// <summary>
    /// The model with probabilities where a stream expects them: a LogSoftmax whose values are named as classes becomes a Softmax. The
    /// model itself if there is none.
    /// </summary>
    /// <param name="isClass">Whether an output is named as a class.</param>
    internal FloatModel WithProbabilities(Func<int, bool> isClass)
    {
        FloatSegment[] segments =
            Head is null ? [] : [.. Head.Segments ?? [new FloatSegment(Head.UnitCount, Head.Activation)]];
        bool isChanged = false;
        int begin = 0;
        for (int s = 0; s < segments.Length; s++)
        {
            bool isNamed = Enumerable.Range(begin, segments[s].Count).Any(isClass);
            begin += segments[s].Count;
            if (isNamed && segments[s].Activation.Function == FloatFunction.LogSoftmax)
            {
                segments[s] = segments[s] with { Activation = new FloatActivation(FloatFunction.Softmax) };
                isChanged = true;
            }
        }

        return !isChanged ? this
            : this with
            {
                Head = Head!.Segments is null ? Head with { Activation = segments[0].Activation } : Head with { Segments = segments },
            };
    }

    /// <summary>Width of what the first layer reads.</summary>
    internal int FeatureCount => Layers[0].InputCount;

    /// <summary>Readings of a row that comes in.</summary>
    internal int ReadingCount => FeatureCount - (Embedding?.Width ?? 0);

    /// <summary>Width of a row that comes in: the readings and, where there is an embedding, the number of a symbol.</summary>
    internal int InputCount => ReadingCount + (Embedding is null ? 0 : 1);

    internal int OutputCount => Head?.UnitCount ?? Layers[^1].UnitCount;
}

/// <summary>x' = (x - offset)·gain, per input.</summary>
/// <param name="Offset">[I].</param>
/// <param name="Gain">[I].</param>
internal sealed record FloatNormalization(float[] Offset, float[] Gain);

/// <summary>A table of vectors, one per symbol.</summary>
/// <param name="SymbolCount">V.</param>
/// <param name="Width">D.</param>
/// <param name="Table">[V, D].</param>
internal sealed record FloatEmbedding(int SymbolCount, int Width, float[] Table);
