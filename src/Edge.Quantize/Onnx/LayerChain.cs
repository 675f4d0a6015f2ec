using Edge.Inference;
using Edge.Training.Reference;

namespace Edge.Quantize.Onnx;

/// <summary>
/// The layers between the readings and one value of a graph. A chain never changes: each operation on the value returns a longer one, so
/// that a graph may branch. Products and sums with constants wait until a layer's weights can take them in: x' = gain·x + offset.
/// </summary>
internal sealed record LayerChain
{
    private const int LayersMax = 32;

    private FloatLayer[] Layers { get; init; } = [];

    private FloatNormalization? Normalization { get; init; }

    private FloatEmbedding? Embedding { get; init; }

    private double[]? Gain { get; init; }

    private double[]? Offset { get; init; }

    // Whether the graph has the values of the symbol before the readings, which the model has first.
    private bool IsSymbolFirst { get; init; }

    // Layers that another branch reads too: they stay as they are.
    private int SharedCount { get; init; }

    /// <summary>Values of a row.</summary>
    internal required int Width { get; init; }

    /// <summary>An embedding as the first step.</summary>
    internal static LayerChain OfEmbedding(string label, long[] shape, float[] table) =>
        shape is [>= 1 and <= 65536, >= 1 and <= 4096]
            ? new LayerChain { Width = (int)shape[1], Embedding = new FloatEmbedding((int)shape[0], (int)shape[1], table) }
            : throw new InputException(
                $"{label}: an embedding is read from a table [symbols, values], not [{string.Join(", ", shape)}].");

    /// <summary>Readings and the values of a symbol beside each other, in either order.</summary>
    /// <returns>Null where the parts are no symbol and something else.</returns>
    /// <exception cref="UnsupportedException">A symbol is beside what a layer made.</exception>
    internal static LayerChain? BesideSymbol(string label, IReadOnlyList<LayerChain> parts)
    {
        if (parts.Select(part => part.Embedding is null).Distinct().Count() < 2)
        {
            return null;
        }

        if (parts is not [{ Layers: [] } a, { Layers: [] } b] || a.Embedding is null == b.Embedding is null
            || (a.Embedding ?? b.Embedding)!.Width != (a.Embedding is null ? b : a).Width)
        {
            throw new UnsupportedException(
                $"{label} joins the values of a symbol with others than the readings, which no layer can include. Join the symbol with the "
                    + $"readings themselves, and lay the layer over both.");
        }

        bool isScaled = a.Gain is not null || b.Gain is not null;
        return new LayerChain
        {
            Width = a.Width + b.Width,
            Embedding = a.Embedding ?? b.Embedding,
            IsSymbolFirst = a.Embedding is not null,
            Gain = isScaled ? [.. a.Gain ?? Ones(a.Width), .. b.Gain ?? Ones(b.Width)] : null,
            Offset = isScaled ? [.. a.Offset ?? new double[a.Width], .. b.Offset ?? new double[b.Width]] : null,
        };
    }

    /// <summary>x·factor + term, both of one value or of a row's.</summary>
    internal LayerChain WithAffine(string label, IReadOnlyList<double> factor, IReadOnlyList<double> term)
    {
        double[] gain = [.. Gain ?? Ones(Width)];
        double[] offset = [.. Offset ?? new double[Width]];
        for (int i = 0; i < Width; i++)
        {
            double f = factor[factor.Count == 1 ? 0 : i];
            gain[i] *= f;
            offset[i] = (offset[i] * f) + term[term.Count == 1 ? 0 : i];
            if (!float.IsFinite((float)gain[i]) || !float.IsFinite((float)offset[i]))
            {
                throw new InputException(
                    $"{label} scales value {i} beyond the range of a float. A standard deviation of 0 in the training data causes this. "
                        + $"Remove that column.");
            }
        }

        return this with { Gain = gain, Offset = offset };
    }

    internal LayerChain WithRecurrent(string label, Func<int, FloatLayer> read)
    {
        LayerChain settled = WithInputSettled(label);
        FloatLayer layer = read(Width);
        return settled.With(label, layer switch
        {
            FloatLstm lstm => lstm with
            {
                InputWeight = settled.Scaled(lstm.InputWeight),
                Bias =
                settled.Shifted(lstm.InputWeight, lstm.Bias)
            },
            FloatGru gru => gru with
            {
                InputWeight = settled.Scaled(gru.InputWeight),
                InputBias =
                settled.Shifted(gru.InputWeight, gru.InputBias)
            },
            FloatRnn rnn => rnn with { InputWeight = settled.Scaled(rnn.InputWeight), Bias = settled.Shifted(rnn.InputWeight, rnn.Bias) },
            _ => throw new InvalidOperationException(layer.GetType().Name),
        });
    }

    internal LayerChain WithDense(string label, float[] weight, int outputs, float[] bias)
    {
        LayerChain settled = WithInputSettled(label);
        return settled.With(
            label,
            new FloatDense(Width, outputs, settled.Scaled(weight), settled.Shifted(weight, bias), FloatActivation.Linear));
    }

    internal LayerChain WithActivation(string label, FloatActivation activation)
    {
        LayerChain settled = WithInputSettled(label);
        if (settled.IsShared || settled.Layers.LastOrDefault() is not FloatDense { Activation.Function: FloatFunction.Affine })
        {
            // An activation of something else than a dense layer: one that changes nothing goes between.
            settled = settled.WithIdentity(label);
        }

        FloatDense dense = settled.Settled((FloatDense)settled.Layers[^1]);
        return settled with { Layers = [.. settled.Layers[..^1], dense with { Activation = activation }], Gain = null, Offset = null };
    }

    /// <summary>Layer norm over the values of a row, without its weights.</summary>
    internal LayerChain WithNorm(string label, float epsilon) =>
        Readable(label).With(label, new FloatNorm(Width) { Epsilon = epsilon });

    /// <summary>A value that several branches read: what waits is taken in now, and no branch changes its layers.</summary>
    internal LayerChain Shared(string label)
    {
        LayerChain readable = Readable(label);
        return readable with { SharedCount = readable.Layers.Length };
    }

    /// <summary>The sum of a value and of what layers made of it: a residual connection.</summary>
    /// <returns>Null where neither comes of the other.</returns>
    internal static LayerChain? Residual(string label, LayerChain a, LayerChain b)
    {
        (LayerChain source, LayerChain branch) = a.Layers.Length < b.Layers.Length ? (a, b) : (b, a);
        branch = branch.WithOutputSettled();
        bool comesOfSource = source.Gain is null && source.Layers.Length > 0 && source.Width == branch.Width
            && source.Layers.Length < branch.Layers.Length
            && source.Layers.SequenceEqual(branch.Layers.Take(source.Layers.Length), ReferenceEqualityComparer.Instance);
        return comesOfSource ? branch.With(label, new FloatResidual(branch.Width, source.Layers.Length - 1)) : null;
    }

    /// <summary>
    /// Whether the largest of its values is where the largest of others is: it is those, or a rising function of them (softmax).
    /// </summary>
    internal bool HasOrderOf(LayerChain other)
    {
        if (ReferenceEquals(this, other))
        {
            return true;
        }

        return Gain is null && other.Gain is null && Layers.Length > 0 && Layers.Length == other.Layers.Length
            && Layers.SkipLast(1).SequenceEqual(other.Layers.SkipLast(1), ReferenceEqualityComparer.Instance)
            && (Layers[^1], other.Layers[^1]) is (FloatDense { Segments: null } a, FloatDense { Segments: null } b)
            && ReferenceEquals(a.Weight, b.Weight) && ReferenceEquals(a.Bias, b.Bias)
            && IsRising(a.Activation) && IsRising(b.Activation);

        static bool IsRising(FloatActivation activation) => activation.Function is FloatFunction.Softmax or FloatFunction.LogSoftmax
            or FloatFunction.Sigmoid || activation == FloatActivation.Linear;
    }

    /// <summary>Some of the values of a row, in a new order.</summary>
    internal LayerChain Select(string label, IReadOnlyList<int> which)
    {
        if (which.Count == Width && which.SequenceEqual(Enumerable.Range(0, Width)))
        {
            return this;
        }

        float[] rows = new float[which.Count * Width];
        for (int r = 0; r < which.Count; r++)
        {
            rows[(r * Width) + which[r]] = 1;
        }

        if (!IsShared && Layers.LastOrDefault() is FloatDense { Segments: null, Activation.IsOfAll: false } dense)
        {
            // Rows of a dense layer that nothing reads are not computed.
            return this with
            {
                Width = which.Count,
                Gain = Gain is null ? null : [.. which.Select(i => Gain[i])],
                Offset = Offset is null ? null : [.. which.Select(i => Offset[i])],
                Layers =
                [
                    .. Layers[..^1],
                    dense with
                    {
                        UnitCount = which.Count,
                        Weight = [.. which.SelectMany(r => dense.Weight[(r * dense.InputCount)..((r + 1) * dense.InputCount)])],
                        Bias = [.. which.Select(r => dense.Bias[r])],
                    },
                ],
            };
        }

        return WithDense(label, rows, which.Count, new float[which.Count]);
    }

    /// <summary>
    /// Several values as one row: their last dense layers read the same layer and become one.
    /// </summary>
    /// <returns>Null where they part before that.</returns>
    internal static LayerChain? Stack(string label, IReadOnlyList<LayerChain> parts)
    {
        LayerChain[] whole = [.. parts.Select(part => part.WithOutputSettled())];
        int shared = whole.Min(part => part.Layers.Length);
        while (shared > 0 && whole.Any(part =>
            !part.Layers.Take(shared).SequenceEqual(whole[0].Layers.Take(shared), ReferenceEqualityComparer.Instance)))
        {
            shared--;
        }

        bool isSameStart = whole.All(
            part => ReferenceEquals(part.Embedding, whole[0].Embedding) && ReferenceEquals(part.Normalization, whole[0].Normalization));
        if (shared == 0 || !isSameStart
            || whole.Any(part => part.Layers.Length > shared + 1 || part.Layers.Length > shared && part.Layers[^1].IsRecurrent))
        {
            return null;
        }

        LayerChain trunk = whole[0] with { Layers = whole[0].Layers[..shared], Width = whole[0].Layers[shared - 1].UnitCount };
        FloatDense[] heads =
        [
            .. whole.Select(part => (FloatDense)(part.Layers.Length > shared ? part : trunk.WithIdentity(label)).Layers[^1]),
        ];
        var stacked = new FloatDense(
            trunk.Width,
            heads.Sum(head => head.UnitCount),
            [.. heads.SelectMany(head => head.Weight)],
            [.. heads.SelectMany(head => head.Bias)],
            FloatActivation.Linear)
        {
            Segments = [.. heads.SelectMany(head => head.Segments ?? [new FloatSegment(head.UnitCount, head.Activation)])],
        };
        bool isPlain = stacked.Segments.All(segment => segment.Activation == stacked.Segments[0].Activation)
            && !stacked.Segments[0].Activation.IsOfAll;
        return trunk.With(label, isPlain ? stacked with { Activation = stacked.Segments[0].Activation, Segments = null } : stacked);
    }

    /// <summary>The finished model.</summary>
    internal FloatModel Build(string sha256)
    {
        LayerChain whole = WithOutputSettled();
        if (!whole.Layers.Any(layer => layer.IsRecurrent))
        {
            throw new UnsupportedException("The output of the graph does not depend on a recurrent node, so it keeps no state.");
        }

        if (whole.Layers.SkipLast(1).OfType<FloatDense>().FirstOrDefault(layer => layer.Segments is not null) is not null)
        {
            throw new UnsupportedException("The graph joins values of different activations inside; only its outputs may be joined so.");
        }

        // The last dense layer is the head, whose outputs are floats, if its activation is one of a head.
        FloatDense? head = whole.Layers[^1] is FloatDense
        {
            Activation.Function: FloatFunction.Affine or FloatFunction.Relu
            or FloatFunction.Sigmoid or FloatFunction.Tanh or FloatFunction.Softmax or FloatFunction.LogSoftmax
        } last ? last : null;
        return new FloatModel(Normalization, Embedding, head is null ? whole.Layers : whole.Layers[..^1], head, sha256);
    }

    private bool IsShared => SharedCount == Layers.Length && SharedCount > 0;

    // One format for all values of a row, and nothing that waits: readings and symbols come through a layer that changes nothing.
    private LayerChain Readable(string label) => Layers.Length == 0 ? WithIdentity(label) : WithOutputSettled();

    private LayerChain WithIdentity(string label)
    {
        var identity = new float[Width * Width];
        for (int i = 0; i < Width; i++)
        {
            identity[(i * Width) + i] = 1;
        }

        return WithDense(label, identity, Width, new float[Width]);
    }

    private LayerChain With(string label, FloatLayer layer) => Layers.Length < LayersMax
        ? this with { Layers = [.. Layers, layer], Width = layer.UnitCount, Gain = null, Offset = null, IsSymbolFirst = false }
        : throw new InputException($"{label} would be layer {LayersMax + 1}; {LayersMax} is the limit.");

    // Before the first layer a scale is the input's normalization: it shall not blur the range that the readings have. That of a symbol's
    // values is part of the weights.
    private LayerChain WithInputSettled(string label)
    {
        int readings = Width - (Embedding?.Width ?? 0);
        if (Layers.Length > 0 || Gain is null || readings == 0)
        {
            return this;
        }

        int first = IsSymbolFirst ? Embedding!.Width : 0;
        double[] gain = Gain[first..(first + readings)];
        double[] offset = Offset![first..(first + readings)];
        int zero = Array.FindIndex(gain, each => (float)each == 0);
        return zero < 0
            ? this with
            {
                Normalization = new FloatNormalization(
                    [.. gain.Zip(offset, (each, term) => (float)(-term / each))], [.. gain.Select(each => (float)each)]),
                Gain = Embedding is null ? null : [.. Gain[..first], .. Ones(readings), .. Gain[(first + readings)..]],
                Offset = Embedding is null ? null : [.. Offset[..first], .. new double[readings], .. Offset[(first + readings)..]],
            }
            : throw new InputException($"{label} reads input {zero} multiplied by 0. Remove that column from the model.");
    }

    private static double[] Ones(int count) => [.. Enumerable.Repeat(1.0, count)];

    private LayerChain WithOutputSettled()
    {
        if (Gain is null)
        {
            return this;
        }

        return Layers.LastOrDefault() switch
        {
            FloatDense { Segments: null, Activation.Function: FloatFunction.Affine } dense when !IsShared =>
                this with { Layers = [.. Layers[..^1], Settled(dense)], Gain = null, Offset = null },
            FloatDense { Activation.IsOfAll: true } => throw new UnsupportedException(
                "The graph scales or shifts the result of a Softmax, which no layer can include. Scale the outputs outside the model."),
            _ => WithIdentity("The last operation"),
        };
    }

    private FloatDense Settled(FloatDense dense) => Gain is null
        ? dense
        : dense with
        {
            Weight = [.. dense.Weight.Select((weight, at) => (float)(weight * Gain[at / dense.InputCount]))],
            Bias = [.. dense.Bias.Select((bias, r) => (float)((bias * Gain[r]) + Offset![r]))],
        };

    // Weights of the graph's values, as those of the model's.
    private float[] Scaled(float[] weight)
    {
        float[] scaled = Gain is null ? weight : [.. weight.Select((value, at) => (float)(value * Gain[at % Width]))];
        return IsSymbolFirst ? [.. scaled.Chunk(Width).SelectMany(row => row[Embedding!.Width..].Concat(row[..Embedding.Width]))] : scaled;
    }

    private float[] Shifted(float[] weight, float[] bias) => Offset is null
        ? bias
        : [.. bias.Select((value, r) => (float)(value + Enumerable.Range(0, Width).Sum(i => weight[(r * Width) + i] * Offset[i])))];
}
