namespace Edge.Training.Reference;

/// <summary>
/// The sLSTM part: x + w·groupnorm(y). With n the norm of x, a = SiLU(convolution(n)) or n itself, and y of the step before,
/// <code>
/// i~, f~ = W·a + R·y + b      z~, o~ = W·n + R·y + b
/// m' = max(log σ(f~) + m, i~)  (i~ in the first step)      i = exp(i~ - m')      f = exp(log σ(f~) + m - m')
/// c' = f·c + i·tanh(z~)      n' = f·n + i      y' = σ(o~)·c'/n'
/// </code>
/// arXiv 2405.04517, equations 8 to 17.
/// </summary>
/// <param name="UnitCount">U.</param>
/// <param name="Heads">H: of the recurrent weights and the group norm.</param>
/// <param name="Convolution">Before i~ and f~, or null.</param>
/// <param name="Input">W of i, f, z, o.</param>
/// <param name="Recurrent">R of i, f, z, o, with the biases b.</param>
/// <param name="GroupNorm">w [U].</param>
internal sealed record FloatSlstm(
    int UnitCount, int Heads, FloatConvolution? Convolution, FloatProduct[] Input, FloatProduct[] Recurrent,
    float[] GroupNorm) : FloatBlock(UnitCount)
{
    /// <summary>i's share, tanh(z~), σ(o~), c/n, m + log n.</summary>
    internal override int TracedCount => 5;

    internal override IReadOnlyList<FloatTap> Taps { get; } = Lay(
        5 * UnitCount, ("normal", UnitCount), ("convolved", UnitCount), ("features", UnitCount), ("i", UnitCount), ("f", UnitCount),
        ("z", UnitCount), ("o", UnitCount), ("y", UnitCount), ("grouped", UnitCount), ("recurrent", UnitCount), ("before", UnitCount));

    internal override IReadOnlyList<FloatBlockProduct> Products =>
    [
        new("i", Input[0], ["features"], Recurrent[0]), new("f", Input[1], ["features"], Recurrent[1]),
        new("z", Input[2], ["normal"], Recurrent[2]), new("o", Input[3], ["normal"], Recurrent[3]),
    ];

    /// <summary>y, c, n, m, and the rows of the convolution.</summary>
    internal override int CellCount => (4 * UnitCount) + (Convolution?.StateCount ?? 0);

    internal override long Operations => base.Operations + ((Convolution?.Taps ?? 0) * (long)UnitCount);

    internal override FloatBlock With(string product, FloatProduct input, FloatProduct? recurrent)
    {
        int gate = "ifzo".IndexOf(product, StringComparison.Ordinal);
        return this with
        {
            Input = [.. Input.Select((each, g) => g == gate ? input : each)],
            Recurrent = [.. Recurrent.Select((each, g) => g == gate ? recurrent! : each)],
        };
    }

    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        int units = UnitCount;
        Span<float> normal = Part(scratch, 5);
        Span<float> features = Part(scratch, 7);
        Span<float> product = Part(scratch, 14);
        Span<float> y = c[..units];
        y.CopyTo(Part(scratch, 15));
        Normalize(x, normal, 1);
        if (Convolution is null)
        {
            normal.CopyTo(features);
        }
        else
        {
            Convolution.Step(normal, c[(4 * units)..], Part(scratch, 6), features);
        }

        for (int gate = 0; gate < 4; gate++)
        {
            Span<float> argument = Part(scratch, 8 + gate);
            Input[gate].Apply(gate < 2 ? features : normal, argument);
            Recurrent[gate].Apply(y, product);
            for (int j = 0; j < units; j++)
            {
                argument[j] += product[j];
            }
        }

        StepCell(c, scratch);
        y.CopyTo(Part(scratch, 12));
        Span<float> grouped = Part(scratch, 13);
        Normalize(y, grouped, Heads);
        for (int j = 0; j < units; j++)
        {
            h[j] = x[j] + (grouped[j] * GroupNorm[j]);
        }
    }

    private void StepCell(Span<float> state, Span<float> scratch)
    {
        int units = UnitCount;
        Span<float> y = state[..units];
        Span<float> c = Part(state, 1);
        Span<float> n = Part(state, 2);
        Span<float> m = Part(state, 3);
        bool isFirst = !n.ContainsAnyExcept(0);
        for (int j = 0; j < units; j++)
        {
            float input = Part(scratch, 8)[j];
            float kept = m[j] + LogSigmoid(Part(scratch, 9)[j]);
            m[j] = isFirst ? input : MathF.Max(kept, input);
            float i = MathF.Exp(input - m[j]);
            float f = MathF.Min(MathF.Exp(kept - m[j]), 1);
            float candidate = MathF.Tanh(Part(scratch, 10)[j]);
            float output = Sigmoid(Part(scratch, 11)[j]);
            c[j] = (f * c[j]) + (i * candidate);
            n[j] = (f * n[j]) + i;
            y[j] = output * c[j] / n[j];
            scratch[j] = i / n[j];
            Part(scratch, 1)[j] = candidate;
            Part(scratch, 2)[j] = output;
            Part(scratch, 3)[j] = c[j] / n[j];
            Part(scratch, 4)[j] = m[j] + MathF.Log(n[j]);
        }
    }

    private Span<float> Part(Span<float> values, int number) => values.Slice(number * UnitCount, UnitCount);
}
