using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>Steps one block layer: the code that all kernels share. Holds scratch memory, so it belongs to one thread at a time.</summary>
internal abstract unsafe class BlockStepper
{
    private readonly BlockLayer _block;
    private readonly Action<int> _clipped;
    private readonly long _epsilon;
    private readonly int _normalBits;

    /// <param name="block">The layer.</param>
    /// <param name="kernel">Its inner products.</param>
    /// <param name="clipped">Called with the number of a unit whose output was clipped.</param>
    protected BlockStepper(BlockLayer block, BlockKernel kernel, Action<int> clipped)
    {
        _block = block;
        _clipped = clipped;
        Kernel = kernel;
        Normal = PinnedBuffer.OfBlocks(block.UnitCount);
        Delta = PinnedBuffer.OfBlocks(block.UnitCount);
        _normalBits = Normalization.FractionBits(block.UnitCount);
        _epsilon = (block as NormLayer)?.Epsilon ?? Normalization.Epsilon(block.UnitCount, block.InputFractionBits);
    }

    protected BlockKernel Kernel { get; }

    /// <summary>The norm of x.</summary>
    protected PinnedBuffer Normal { get; }

    /// <summary>What is added to x.</summary>
    protected PinnedBuffer Delta { get; }

    /// <summary>Makes the stepper of a block.</summary>
    internal static BlockStepper Of(BlockLayer block, BlockKernel kernel, Action<int> clipped) => block switch
    {
        SlstmBlock slstm => new SlstmStepper(slstm, kernel, clipped),
        MlstmBlock mlstm => new MlstmStepper(mlstm, kernel, clipped),
        FeedForwardBlock feedForward => new FeedForwardStepper(feedForward, kernel, clipped),
        ResidualLayer residual => new ResidualStepper(residual, kernel, clipped),
        _ => new NormStepper(block, kernel, clipped),
    };

    /// <summary>One step.</summary>
    /// <param name="state">The layer's int16 states, updated.</param>
    /// <param name="x">[U], whole blocks.</param>
    /// <param name="output">Receives [U], whole blocks.</param>
    internal abstract void Step(short* state, short* x, short* output);

    /// <summary>What a trace shows, in Q0.15: the share of this step and the gates of each unit.</summary>
    /// <param name="gates">Receives them, U after U.</param>
    internal virtual void Trace(Span<short> gates)
    {
    }

    protected static short* Shorts(PinnedBuffer buffer) => (short*)buffer.Pointer;

    protected void Normalize(short* x) => Normalize(x, Shorts(Normal));

    protected void Normalize(short* x, short* y) =>
        Normalization.Apply(new ReadOnlySpan<short>(x, _block.UnitCount), new Span<short>(y, _block.UnitCount), _epsilon, _normalBits);

    /// <summary>output = SAT16(x + delta), both aligned; the default is both in the format of the output.</summary>
    protected void Add(short* x, short* delta, short* output, Alignment alignment = default)
    {
        for (int j = 0; j < _block.UnitCount; j++)
        {
            int sum = FixedPoint.ShiftRightRound((x[j] << alignment.X) + (delta[j] << alignment.Delta), alignment.Sum);
            output[j] = (short)FixedPoint.Saturate16(sum);
            if (output[j] != sum)
            {
                _clipped(j);
            }
        }
    }

    /// <summary>Products of pairs, rounded: SAT16(SHR(a·b, shift)).</summary>
    protected static void MultiplyPairs(short* a, short* b, int count, int shift, short* y)
    {
        for (int j = 0; j < count; j++)
        {
            y[j] = (short)FixedPoint.Saturate16(FixedPoint.ShiftRightRound(a[j] * b[j], shift));
        }
    }

    /// <summary>One step of a convolution; <paramref name="rows"/> are the rows before, the oldest first.</summary>
    protected static void Convolve(Convolution convolution, short* x, short* rows, short* y)
    {
        int width = convolution.Width;
        int before = convolution.StateCount;
        for (int j = 0; j < width; j++)
        {
            int sum = convolution.Bias[j] + (convolution.Weight[before + j] * x[j]);
            for (int at = j; at < before; at += width)
            {
                sum += convolution.Weight[at] * rows[at];
            }

            y[j] = ActivationTable.At(
                convolution.Table,
                FixedPoint.Saturate16(FixedPoint.ShiftRightRound(sum, convolution.Shift)));
        }

        if (before > 0)
        {
            new Span<short>(rows + width, before - width).CopyTo(new Span<short>(rows, before - width));
            new Span<short>(x, width).CopyTo(new Span<short>(rows + before - width, width));
        }
    }
}

/// <summary>y = norm(x).</summary>
internal sealed unsafe class NormStepper(BlockLayer block, BlockKernel kernel, Action<int> clipped) : BlockStepper(block, kernel, clipped)
{
    internal override void Step(short* state, short* x, short* output) => Normalize(x, output);
}

/// <summary>y = x + s.</summary>
internal sealed unsafe class ResidualStepper(ResidualLayer layer, BlockKernel kernel, Action<int> clipped)
    : BlockStepper(layer, kernel, clipped)
{
    private readonly Alignment _alignment = layer.Alignment;

    /// <summary>Number of the layer whose output is added.</summary>
    internal int Source => layer.Source;

    /// <summary>Its output in the same step, [U], set before each step.</summary>
    internal short* SourceOutput { get; set; }

    internal override void Step(short* state, short* x, short* output) => Add(x, SourceOutput, output, _alignment);
}

/// <summary>y = x + W_d·(activation(W_g·n) ⊙ W_u·n).</summary>
internal sealed unsafe class FeedForwardStepper(FeedForwardBlock block, BlockKernel kernel, Action<int> clipped)
    : BlockStepper(block, kernel, clipped)
{
    private readonly PinnedBuffer _gate = PinnedBuffer.OfBlocks(block.Up.UnitCount);
    private readonly PinnedBuffer _up = PinnedBuffer.OfBlocks(block.Up.UnitCount);

    internal override void Step(short* state, short* x, short* output)
    {
        Normalize(x);
        Kernel.Multiply(0, Shorts(Normal), null, Shorts(_gate));
        Kernel.Multiply(1, Shorts(Normal), null, Shorts(_up));
        MultiplyPairs(Shorts(_gate), Shorts(_up), block.Up.UnitCount, block.GateShift, Shorts(_up));
        Kernel.Multiply(2, Shorts(_up), null, Shorts(Delta));
        Add(x, Shorts(Delta), output);
    }
}
