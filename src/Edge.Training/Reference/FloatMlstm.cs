namespace Edge.Training.Reference;

/// <summary>
/// The mLSTM part: x + W_d·((w·groupnorm(h) + s·a) ⊙ SiLU(W_z·n)), with n the norm of x, u = W_u·n, a = SiLU(convolution(u)),
/// q and k of a, v of u, and for each head of d values
/// <code>
/// i~, f~ = W·[q, k, v] + b      m' = max(log σ(f~) + m, i~)      i = exp(i~ - m')      f = exp(log σ(f~) + m - m')
/// C' = f·C + i·k·vᵀ/√d      n' = f·n + i·k/√d      h = C'ᵀ·q / (max(|n'ᵀ·q|, exp(-m')) + ε)
/// </code>
/// arXiv 2405.04517, equations 19 to 27.
/// </summary>
/// <param name="UnitCount">U.</param>
/// <param name="Heads">H.</param>
/// <param name="Up">W_u, to D values.</param>
/// <param name="Gate">W_z, to D values.</param>
/// <param name="Convolution">Over D channels.</param>
/// <param name="Query">q.</param>
/// <param name="Key">k.</param>
/// <param name="Value">v.</param>
/// <param name="HeadGates">i~ of all heads, then f~, of 3D values to 2H.</param>
/// <param name="GroupNorm">w [D].</param>
/// <param name="Skip">s [D].</param>
/// <param name="Down">W_d, back to U.</param>
internal sealed record FloatMlstm(
    int UnitCount, int Heads, FloatProduct Up, FloatProduct Gate, FloatConvolution Convolution, FloatProduct Query, FloatProduct Key,
    FloatProduct Value, FloatProduct HeadGates, float[] GroupNorm, float[] Skip, FloatProduct Down) : FloatBlock(UnitCount)
{
    private const float DenominatorEpsilon = 1e-6f;

    /// <summary>D: values of all heads together.</summary>
    internal int InnerCount => Up.UnitCount;

    /// <summary>d: values of a head.</summary>
    internal int HeadCount => InnerCount / Heads;

    /// <summary>i's share of each unit's head, its σ(f~), its log of all weights.</summary>
    internal override int TracedCount => 3;

    internal override IReadOnlyList<FloatTap> Taps { get; } = Lay(
        3 * UnitCount, ("normal", UnitCount), ("u", Up.UnitCount), ("gate", Up.UnitCount), ("convolved", Up.UnitCount),
        ("features", Up.UnitCount), ("q", Up.UnitCount), ("k", Up.UnitCount), ("v", Up.UnitCount), ("gates", 2 * Heads),
        ("memory", Heads), ("keys", Heads), ("products", Heads),
        ("h", Up.UnitCount), ("skipped", Up.UnitCount), ("open", Up.UnitCount), ("gated", Up.UnitCount));

    internal override IReadOnlyList<FloatBlockProduct> Products =>
    [
        new("up", Up, ["normal"]), new("gate", Gate, ["normal"]), new("q", Query, ["features"]), new("k", Key, ["features"]),
        new("v", Value, ["u"]), new("gates", HeadGates, ["q", "k", "v"]), new("down", Down, ["gated"]),
    ];

    /// <summary>
    /// C, n, m and the sum of the weights of each head, of which a trace shows the last, and the rows of the convolution.
    /// </summary>
    internal override int CellCount => (Heads * ((HeadCount * HeadCount) + HeadCount + 2)) + Convolution.StateCount;

    internal override long Operations =>
        base.Operations + ((long)Convolution.Taps * InnerCount) + (2L * InnerCount * (HeadCount + 1));

    internal override FloatBlock With(string product, FloatProduct input, FloatProduct? recurrent) => product switch
    {
        "up" => this with { Up = input },
        "gate" => this with { Gate = input },
        "q" => this with { Query = input },
        "k" => this with { Key = input },
        "v" => this with { Value = input },
        "gates" => this with { HeadGates = input },
        _ => this with { Down = input },
    };

    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        int inner = InnerCount;
        int at = (TracedCount + 1) * UnitCount;
        Span<float> normal = scratch.Slice(TracedCount * UnitCount, UnitCount);
        Span<float> u = scratch.Slice(at, inner);
        Span<float> gate = scratch.Slice(at + inner, inner);
        Span<float> features = scratch.Slice(at + (3 * inner), inner);
        Span<float> qkv = scratch.Slice(at + (4 * inner), 3 * inner);
        Span<float> gates = scratch.Slice(at + (7 * inner), 2 * Heads);
        Span<float> means = scratch.Slice(at + (7 * inner) + (2 * Heads), 3 * Heads);
        at += (7 * inner) + (5 * Heads);
        Span<float> retrieved = scratch.Slice(at, inner);
        Span<float> skipped = scratch.Slice(at + inner, inner);
        Span<float> open = scratch.Slice(at + (2 * inner), inner);
        Span<float> gated = scratch.Slice(at + (3 * inner), inner);
        Normalize(x, normal, 1);
        Up.Apply(normal, u);
        Gate.Apply(normal, gate);
        int memory = CellCount - Convolution.StateCount;
        Convolution.Step(u, c[memory..], scratch.Slice(((TracedCount + 1) * UnitCount) + (2 * inner), inner), features);
        Query.Apply(features, qkv[..inner]);
        Key.Apply(features, qkv.Slice(inner, inner));
        Value.Apply(u, qkv[(2 * inner)..]);
        HeadGates.Apply(qkv, gates);
        for (int head = 0; head < Heads; head++)
        {
            (float share, float weight) = StepHead(
                head, c, means, qkv, gates[head], gates[Heads + head], retrieved.Slice(head * HeadCount, HeadCount));
            for (int j = 0; j < UnitCount; j++)
            {
                if (j * Heads / UnitCount == head)
                {
                    (scratch[j], scratch[UnitCount + j]) = (share, Sigmoid(gates[Heads + head]));
                    scratch[(2 * UnitCount) + j] = weight;
                }
            }
        }

        Normalize(retrieved, retrieved, Heads);
        for (int j = 0; j < inner; j++)
        {
            skipped[j] = (retrieved[j] * GroupNorm[j]) + (Skip[j] * features[j]);
            open[j] = Silu(gate[j]);
            gated[j] = skipped[j] * open[j];
        }

        Down.Apply(gated, h);
        for (int j = 0; j < UnitCount; j++)
        {
            h[j] += x[j];
        }
    }

    private (float Share, float Weight) StepHead(
        int head, Span<float> state, Span<float> means, ReadOnlySpan<float> qkv, float input, float forget, Span<float> h)
    {
        int d = HeadCount;
        int each = (d * d) + d + 2;
        ReadOnlySpan<float> q = qkv.Slice(head * d, d);
        ReadOnlySpan<float> k = qkv.Slice(InnerCount + (head * d), d);
        ReadOnlySpan<float> v = qkv.Slice((2 * InnerCount) + (head * d), d);
        Span<float> memory = state.Slice(head * each, d * d);
        Span<float> n = state.Slice((head * each) + (d * d), d);
        ref float m = ref state[(head * each) + (d * d) + d];
        ref float sum = ref state[(head * each) + (d * d) + d + 1];
        float kept = LogSigmoid(forget) + m;
        m = MathF.Max(kept, input);
        float f = MathF.Exp(kept - m);
        float i = MathF.Exp(input - m);
        sum = (f * sum) + i;
        h.Clear();
        float norm = 0;
        float largest = 0;
        float largestKey = 0;
        for (int row = 0; row < d; row++)
        {
            float key = i * k[row] / MathF.Sqrt(d);
            n[row] = (f * n[row]) + key;
            largestKey = MathF.Max(largestKey, MathF.Abs(n[row]));
            norm += n[row] * q[row];
            Span<float> values = memory.Slice(row * d, d);
            for (int j = 0; j < d; j++)
            {
                values[j] = (f * values[j]) + (key * v[j]);
                largest = MathF.Max(largest, MathF.Abs(values[j]));
                h[j] += values[j] * q[row];
            }
        }

        // The largest weighted means of k·vᵀ and of k, and the largest product.
        means[head] = largest * MathF.Sqrt(d) / sum;
        means[Heads + head] = largestKey * MathF.Sqrt(d) / sum;
        means[(2 * Heads) + head] = LargestOf(k) * LargestOf(v);
        float denominator = MathF.Max(MathF.Abs(norm), MathF.Exp(-m)) + DenominatorEpsilon;
        for (int j = 0; j < d; j++)
        {
            h[j] /= denominator;
        }

        return (i / sum, m + MathF.Log(sum));
    }

    private static float LargestOf(ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values)
        {
            largest = MathF.Max(largest, MathF.Abs(value));
        }

        return largest;
    }
}
