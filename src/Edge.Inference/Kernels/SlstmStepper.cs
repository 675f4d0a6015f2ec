using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>The sLSTM part of a block.</summary>
internal sealed unsafe class SlstmStepper : BlockStepper
{
    private readonly SlstmBlock _block;
    private readonly PinnedBuffer _features;
    private readonly PinnedBuffer _y;
    private readonly PinnedBuffer _input;
    private readonly PinnedBuffer _forget;
    private readonly PinnedBuffer _candidate;
    private readonly PinnedBuffer _outputGate;
    private readonly long _epsilon;
    private readonly int _normalBits;

    internal SlstmStepper(SlstmBlock block, BlockKernel kernel, Action<int> clipped)
        : base(block, kernel, clipped)
    {
        _block = block;
        int units = block.UnitCount;
        (_features, _y) = (PinnedBuffer.OfBlocks(units), PinnedBuffer.OfBlocks(units));
        (_input, _forget) = (PinnedBuffer.OfBlocks(units), PinnedBuffer.OfBlocks(units));
        (_candidate, _outputGate) = (PinnedBuffer.OfBlocks(units), PinnedBuffer.OfBlocks(units));
        _normalBits = Normalization.FractionBits(units / block.Heads);
        _epsilon = Normalization.Epsilon(units / block.Heads, 15);
    }

    internal override void Step(short* state, short* x, short* output)
    {
        int units = _block.UnitCount;
        short* y = Shorts(_y);
        short* features = Shorts(Normal);
        Normalize(x);
        if (_block.Features is { } convolution)
        {
            features = Shorts(_features);
            Convolve(convolution, Shorts(Normal), state + (5 * units), features);
        }

        new Span<short>(state, units).CopyTo(new Span<short>(y, units));
        Kernel.Multiply(0, features, y, Shorts(_input));
        Kernel.Multiply(1, features, y, Shorts(_forget));
        Kernel.Multiply(2, Shorts(Normal), y, Shorts(_candidate));
        Kernel.Multiply(3, Shorts(Normal), y, Shorts(_outputGate));
        StepCell(state, (int*)(state + units), (int*)(state + (3 * units)));

        int group = units / _block.Heads;
        short* grouped = Shorts(_y);
        for (int begin = 0; begin < units; begin += group)
        {
            Normalization.Apply(
                new ReadOnlySpan<short>(state + begin, group), new Span<short>(grouped + begin, group), _epsilon, _normalBits);
        }

        fixed (short* gain = _block.Gain)
        {
            MultiplyPairs(grouped, gain, units, _block.GainShift, Shorts(Delta));
        }

        Add(x, Shorts(Delta), output);
    }

    internal override void Trace(Span<short> gates)
    {
        int units = _block.UnitCount;
        _input.As<short>()[..units].CopyTo(gates);
        _candidate.As<short>()[..units].CopyTo(gates[units..]);
        _outputGate.As<short>()[..units].CopyTo(gates[(2 * units)..]);
    }

    private void StepCell(short* y, int* means, int* logs)
    {
        short* input = Shorts(_input);
        short* forget = Shorts(_forget);
        short* candidate = Shorts(_candidate);
        short* outputGate = Shorts(_outputGate);
        for (int j = 0; j < _block.UnitCount; j++)
        {
            LogArithmetic.Share share = LogArithmetic.Admit(ref logs[j], input[j], forget[j]);
            int mean = share.Move(means[j], candidate[j]);
            means[j] = mean;
            y[j] = (short)FixedPoint.MultiplyRound(outputGate[j], LogArithmetic.ToQ15(mean));
            input[j] = share.ToQ15();
        }
    }
}
