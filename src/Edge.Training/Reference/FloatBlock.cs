namespace Edge.Training.Reference;

/// <summary>
/// A part of the xLSTM block stack (Beck et al., "xLSTM: Extended Long Short-Term Memory", 2024; arXiv 2405.04517) in plain float32. All
/// parts but the last norm are residual: output = x + part(norm(x)), with the same width U in and out.
/// </summary>
/// <param name="UnitCount">U: inputs and outputs.</param>
internal abstract record FloatBlock(int UnitCount) : FloatLayer(UnitCount, UnitCount)
{
    /// <summary>What is added to a variance before its root is taken.</summary>
    internal const float NormEpsilon = 1e-5f;

    /// <summary>What quantization has to know of a step: values that it leaves in its scratch, by name.</summary>
    internal abstract IReadOnlyList<FloatTap> Taps { get; }

    /// <summary>Its inner products, in the order and by the names of a model file.</summary>
    internal abstract IReadOnlyList<FloatBlockProduct> Products { get; }

    /// <summary>The block with one of its products replaced.</summary>
    internal virtual FloatBlock With(string product, FloatProduct input, FloatProduct? recurrent) => this;

    /// <summary>What a trace draws, U values each, from the start of the scratch.</summary>
    internal virtual int TracedCount => 0;

    /// <summary>No hidden state of the layer's own: all it keeps is in <see cref="FloatLayer.CellCount"/>.</summary>
    internal override bool IsRecurrent => false;

    internal override int Gates => 1;

    internal override int ScratchRows => 0;

    /// <summary>Those of its products; a block with a convolution or a memory adds theirs.</summary>
    internal override long Operations => Products.Sum(product => product.Input.Operations + (product.Recurrent?.Operations ?? 0));

    internal override int ScratchCount => Taps[^1].Begin + Taps[^1].Count;

    /// <summary>The values of a tap in what a step left.</summary>
    internal ReadOnlySpan<float> Tap(ReadOnlySpan<float> scratch, string name)
    {
        FloatTap tap = Taps.First(each => each.Name == name);
        return scratch.Slice(tap.Begin, tap.Count);
    }

    /// <summary>Taps one after the other, behind <paramref name="begin"/> floats that are kept for a trace.</summary>
    protected static FloatTap[] Lay(int begin, params ReadOnlySpan<(string Name, int Count)> taps)
    {
        var laid = new FloatTap[taps.Length];
        for (int at = 0; at < laid.Length; at++)
        {
            laid[at] = new FloatTap(taps[at].Name, begin, taps[at].Count);
            begin += taps[at].Count;
        }

        return laid;
    }

    /// <summary>y = (x - mean) / √(variance + ε), in each of <paramref name="groups"/> runs by itself (layer norm, group norm).</summary>
    protected static void Normalize(ReadOnlySpan<float> x, Span<float> y, int groups, float epsilon = NormEpsilon)
    {
        int width = x.Length / groups;
        for (int begin = 0; begin < x.Length; begin += width)
        {
            double sum = 0;
            double squares = 0;
            for (int i = 0; i < width; i++)
            {
                sum += x[begin + i];
            }

            double mean = sum / width;
            for (int i = 0; i < width; i++)
            {
                double apart = x[begin + i] - mean;
                squares += apart * apart;
            }

            double gain = 1 / Math.Sqrt((squares / width) + epsilon);
            for (int i = 0; i < width; i++)
            {
                y[begin + i] = (float)((x[begin + i] - mean) * gain);
            }
        }
    }

    protected static float Sigmoid(float x) => 1 / (1 + MathF.Exp(-x));

    protected static float Silu(float x) => x * Sigmoid(x);

    /// <summary>log(sigmoid(x)).</summary>
    protected static float LogSigmoid(float x) => MathF.Min(x, 0) - MathF.Log(1 + MathF.Exp(-MathF.Abs(x)));
}

/// <summary>Values that a step leaves in its scratch.</summary>
/// <param name="Name">What they are called in a model file.</param>
/// <param name="Begin">Where they begin.</param>
/// <param name="Count">How many.</param>
internal readonly record struct FloatTap(string Name, int Begin, int Count);

/// <summary>An inner product of a block.</summary>
/// <param name="Name">As in a model file.</param>
/// <param name="Input">Of what it reads.</param>
/// <param name="Reads">The taps that it reads, one after the other.</param>
/// <param name="Recurrent">Of the tap <c>before</c>, or null.</param>
internal sealed record FloatBlockProduct(string Name, FloatProduct Input, string[] Reads, FloatProduct? Recurrent = null);

/// <summary>Rows of weights, in <paramref name="Heads"/> blocks on the diagonal: row r reads only the values of its own block.</summary>
/// <param name="InputCount">I.</param>
/// <param name="UnitCount">U.</param>
/// <param name="Heads">H; 1 for a full matrix.</param>
/// <param name="Weight">[U, I/H].</param>
/// <param name="Bias">[U].</param>
internal sealed record FloatProduct(int InputCount, int UnitCount, int Heads, float[] Weight, float[] Bias)
{
    internal long Operations => (long)UnitCount * InputCount / Heads;

    /// <summary>The product of w ⊙ x, written as one of x: what the weights of a norm become.</summary>
    /// <param name="weight">w [I].</param>
    internal FloatProduct Of(float[] weight)
    {
        int columns = InputCount / Heads;
        int rows = UnitCount / Heads;
        return this with { Weight = [.. Weight.Select((value, at) => value * weight[(at / columns / rows * columns) + (at % columns)])] };
    }

    internal void Apply(ReadOnlySpan<float> x, Span<float> y)
    {
        int columns = InputCount / Heads;
        int rows = UnitCount / Heads;
        for (int r = 0; r < UnitCount; r++)
        {
            y[r] = Bias[r] + FloatLayer.Dot(Weight, r, x.Slice(r / rows * columns, columns));
        }
    }
}

/// <summary>
/// A depthwise convolution over the last K rows, and SiLU. Its state is the K - 1 rows before, the oldest first.
/// </summary>
/// <param name="Width">W: channels.</param>
/// <param name="Taps">K, at least 1.</param>
/// <param name="Weight">[W, K], the oldest row first.</param>
/// <param name="Bias">[W].</param>
internal sealed record FloatConvolution(int Width, int Taps, float[] Weight, float[] Bias)
{
    internal int StateCount => (Taps - 1) * Width;

    /// <summary>The convolution of w ⊙ x, written as one of x.</summary>
    internal FloatConvolution Of(float[] weight) => this with { Weight = [.. Weight.Select((value, at) => value * weight[at / Taps])] };

    /// <param name="x">[W].</param>
    /// <param name="state">[K - 1, W], updated.</param>
    /// <param name="argument">Receives the sums [W].</param>
    /// <param name="output">Receives SiLU of them [W].</param>
    internal void Step(ReadOnlySpan<float> x, Span<float> state, Span<float> argument, Span<float> output)
    {
        for (int j = 0; j < Width; j++)
        {
            float sum = Bias[j] + (Weight[(j * Taps) + Taps - 1] * x[j]);
            for (int t = 0; t < Taps - 1; t++)
            {
                sum += Weight[(j * Taps) + t] * state[(t * Width) + j];
            }

            argument[j] = sum;
            output[j] = sum / (1 + MathF.Exp(-sum));
        }

        if (Taps > 1)
        {
            state[Width..].CopyTo(state);
            x.CopyTo(state[^Width..]);
        }
    }
}

/// <summary>
/// Layer norm: y = (x - mean) / √(variance + ε). Its weights, like those of every norm before an inner product, are part of the weights
/// that read it.
/// </summary>
/// <param name="UnitCount">U.</param>
internal sealed record FloatNorm(int UnitCount) : FloatBlock(UnitCount)
{
    /// <summary>ε.</summary>
    internal float Epsilon { get; init; } = NormEpsilon;

    internal override IReadOnlyList<FloatTap> Taps { get; } = Lay(0, ("normal", UnitCount));

    internal override IReadOnlyList<FloatBlockProduct> Products => [];

    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        Normalize(x, scratch[..UnitCount], 1, Epsilon);
        scratch[..UnitCount].CopyTo(h);
    }
}

/// <summary>
/// The gated feed-forward part: x + W_d·(activation(W_g·n) ⊙ W_u·n), n the norm of x.
/// </summary>
/// <param name="UnitCount">U.</param>
/// <param name="Gate">W_g, to P values.</param>
/// <param name="Up">W_u, to P values.</param>
/// <param name="Down">W_d, back to U.</param>
/// <param name="Activation">Of the gate.</param>
internal sealed record FloatFeedForward(
    int UnitCount, FloatProduct Gate, FloatProduct Up, FloatProduct Down, FloatActivation Activation) : FloatBlock(UnitCount)
{
    internal override IReadOnlyList<FloatTap> Taps { get; } = Lay(
        0, ("normal", UnitCount), ("gate", Gate.UnitCount), ("open", Gate.UnitCount), ("up", Up.UnitCount), ("gated", Up.UnitCount));

    internal override IReadOnlyList<FloatBlockProduct> Products =>
        [new("gate", Gate, ["normal"]), new("up", Up, ["normal"]), new("down", Down, ["gated"])];

    internal override FloatBlock With(string product, FloatProduct input, FloatProduct? recurrent) => product switch
    {
        "gate" => this with { Gate = input },
        "up" => this with { Up = input },
        _ => this with { Down = input },
    };

    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        int wide = Up.UnitCount;
        Span<float> normal = scratch[..UnitCount];
        Span<float> gate = scratch.Slice(UnitCount, wide);
        Span<float> open = scratch.Slice(UnitCount + wide, wide);
        Span<float> up = scratch.Slice(UnitCount + (2 * wide), wide);
        Span<float> gated = scratch.Slice(UnitCount + (3 * wide), wide);
        Normalize(x, normal, 1);
        Gate.Apply(normal, gate);
        Up.Apply(normal, up);
        for (int j = 0; j < wide; j++)
        {
            open[j] = Activation.Apply(gate[j]);
            gated[j] = open[j] * up[j];
        }

        Down.Apply(gated, h);
        for (int j = 0; j < UnitCount; j++)
        {
            h[j] += x[j];
        }
    }
}
