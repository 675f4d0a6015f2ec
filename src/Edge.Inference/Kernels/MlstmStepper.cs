using System.Numerics;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>The mLSTM part of a block.</summary>
internal sealed unsafe class MlstmStepper : BlockStepper
{
    private readonly MlstmBlock _block;
    private readonly PinnedBuffer _up;
    private readonly PinnedBuffer _open;
    private readonly PinnedBuffer _features;
    private readonly PinnedBuffer _qkv;
    private readonly PinnedBuffer _gates;
    private readonly PinnedBuffer _retrieved;
    private readonly PinnedBuffer _sums;
    private readonly short[] _shares;
    private readonly int _normalBits;
    private readonly MemoryRead _read;

    internal MlstmStepper(MlstmBlock block, BlockKernel kernel, Action<int> clipped)
        : base(block, kernel, clipped)
    {
        _block = block;
        int inner = block.InnerCount;
        (_up, _open, _features) = (PinnedBuffer.OfBlocks(inner), PinnedBuffer.OfBlocks(inner), PinnedBuffer.OfBlocks(inner));
        _qkv = PinnedBuffer.OfBlocks((3 * inner) + PackedGates.BlockUnits);
        _gates = PinnedBuffer.OfBlocks(2 * block.Heads);
        _retrieved = PinnedBuffer.OfBlocks(inner);
        _sums = PinnedBuffer.OfBlocks(2 * (block.HeadUnits + PackedGates.BlockUnits));
        _shares = new short[block.Heads];
        _normalBits = Normalization.FractionBits(block.HeadUnits);
        _read = new MemoryRead(block.HeadUnits, block.ProductShift, block.MemoryShift, block.KeyShift);
    }

    internal override void Step(short* state, short* x, short* output)
    {
        int inner = _block.InnerCount;
        short* q = Shorts(_qkv);
        short* k = q + inner;
        short* v = k + inner;
        Normalize(x);
        Kernel.Multiply(0, Shorts(Normal), null, Shorts(_up));
        Kernel.Multiply(1, Shorts(Normal), null, Shorts(_open));
        Convolve(_block.Features, Shorts(_up), state + (_block.Heads * _block.HeadStates), Shorts(_features));

        // In this order: each may write past its end, into the next.
        Kernel.Multiply(2, Shorts(_features), null, q);
        Kernel.Multiply(3, Shorts(_features), null, k);
        Kernel.Multiply(4, Shorts(_up), null, v);
        Kernel.Multiply(5, q, null, Shorts(_gates));
        for (int head = 0; head < _block.Heads; head++)
        {
            StepHead(head, (int*)(state + (head * _block.HeadStates)), q, k, v);
        }

        short* skipped = Shorts(_retrieved);
        for (int j = 0; j < inner; j++)
        {
            int sum = (skipped[j] * _block.Gain[j]) + (Shorts(_features)[j] * _block.Skip[j]);
            skipped[j] = (short)FixedPoint.Saturate16(FixedPoint.ShiftRightRound(sum, _block.SkipShift));
        }

        MultiplyPairs(skipped, Shorts(_open), inner, _block.GateShift, skipped);
        Kernel.Multiply(6, skipped, null, Shorts(Delta));
        Add(x, Shorts(Delta), output);
    }

    internal override void Trace(Span<short> gates)
    {
        int units = _block.UnitCount;
        for (int j = 0; j < units; j++)
        {
            int head = j * _block.Heads / units;
            gates[j] = _shares[head];
            int kept = -LogArithmetic.LogSigmoid(Shorts(_gates)[_block.Heads + head] << 14);
            gates[units + j] = LogArithmetic.Share.Of(kept).ToQ15();
        }
    }

    // Leaves the normalized h of a head in _retrieved. Dividing by the denominator would change the norm only through its ε, so ε is
    // multiplied instead.
    private void StepHead(int head, int* state, short* q, short* k, short* v)
    {
        int d = _block.HeadUnits;
        int at = head * d;
        int* log = state + (d * d) + d;
        LogArithmetic.Share share = LogArithmetic.Admit(ref *log, Shorts(_gates)[head], Shorts(_gates)[_block.Heads + head]);
        _shares[head] = share.ToQ15();
        int* sums = (int*)_sums.Pointer;
        int normalizer = Kernel.Remember(share, state, _read, q + at, k + at, v + at, sums);
        int denominator = Math.Max(Math.Max(normalizer, -normalizer), LogArithmetic.PowerOf((long)_block.FloorLog - *log));
        long scaled = (long)denominator * _block.EpsilonMultiplier;
        long epsilon = Math.Min((scaled + (1L << _block.EpsilonShift >> 1)) >> _block.EpsilonShift, 1 << 30);

        // As many bits as fit 16.
        long largest = epsilon;
        for (int j = 0; j < d; j++)
        {
            largest = Math.Max(largest, Math.Abs((long)sums[j]));
        }

        int shift = Math.Max(0, BitOperations.Log2((ulong)largest | 1) + 1 - 15);
        int rounding = (1 << shift) >> 1;
        for (int j = 0; j < d; j++)
        {
            sums[j] = (sums[j] + rounding) >> shift;
        }

        epsilon = (epsilon + rounding) >> shift;
        Normalization.Apply(
            new ReadOnlySpan<int>(sums, d),
            new Span<short>(Shorts(_retrieved) + at, d),
            Math.Max(1, (long)d * d * epsilon * epsilon),
            _normalBits);
    }
}
