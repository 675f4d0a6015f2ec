using System.Runtime.Intrinsics;
using Edge.Training.Layers;
using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Blocks;

/// <summary>
/// The mLSTM part of a block stack: x + W_d·((w·groupnorm(h) + s·a) ⊙ SiLU(W_z·norm(x))), with u = W_u·norm(x), a of a causal convolution
/// of u, and h of a matrix memory with q and k of a and v of u.
/// </summary>
public sealed class MlstmLayer : ResidualLayer
{
    private readonly int _heads;
    private readonly int _inner;
    private readonly HeadwiseProduct _up;
    private readonly HeadwiseProduct _gate;
    private readonly CausalConvolution _convolution;
    private readonly HeadwiseProduct _query;
    private readonly HeadwiseProduct _key;
    private readonly HeadwiseProduct _value;
    private readonly HeadwiseProduct _headGates;
    private readonly Parameter _headBias;
    private readonly MlstmMemory _memory;
    private readonly RunNorm _groupNorm;
    private readonly Parameter _weight;
    private readonly Parameter _skip;
    private readonly HeadwiseProduct _down;
    private readonly Values _forward = new();
    private readonly Values _backward = new();

    /// <summary>Starts with random weights.</summary>
    /// <param name="unitCount">U, a multiple of 8; inside there are twice as many values.</param>
    /// <param name="headCount">Heads; each has a multiple of 8 of the 2U values.</param>
    /// <param name="taps">Rows of the convolution, at least 1.</param>
    /// <param name="random">Where the weights come from.</param>
    /// <exception cref="ArgumentException">The units or the heads are not multiples of 8.</exception>
    public MlstmLayer(int unitCount, int headCount, int taps, Random random)
        : base(unitCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(taps, 1);
        _inner = 2 * unitCount;
        _heads = CheckedHeads(headCount, _inner);
        _up = new HeadwiseProduct("up_weight", unitCount, _inner, 1).Uniform(random);
        _gate = new HeadwiseProduct("gate_weight", unitCount, _inner, 1).Uniform(random);
        _convolution = new CausalConvolution(_inner, taps, random);
        _query = new HeadwiseProduct("query_weight", _inner, _inner, headCount).Uniform(random);
        _key = new HeadwiseProduct("key_weight", _inner, _inner, headCount).Uniform(random);
        _value = new HeadwiseProduct("value_weight", _inner, _inner, headCount).Uniform(random);
        _headGates = new HeadwiseProduct("head_gate_weight", 3 * _inner, 2 * headCount, 1);
        _headBias = new Parameter("head_gate_bias", 1, 2 * headCount, false);
        _memory = new MlstmMemory(_inner, headCount);
        _groupNorm = new RunNorm(_inner / headCount);
        _weight = new Parameter("group_norm_weight", 1, _inner, false).Filled(1);
        _skip = new Parameter("skip", 1, _inner, false).Filled(1);
        _down = new HeadwiseProduct("down_weight", _inner, unitCount, 1).Uniform(random);
        Parameters =
        [
            _up.Weight, _gate.Weight, _convolution.Weight, _convolution.Bias, _query.Weight, _key.Weight, _value.Weight, _headGates.Weight,
            _headBias, _weight, _skip, _down.Weight,
        ];

        // Heads remember from 20 to 400 steps.
        for (int head = 0; head < headCount; head++)
        {
            _headBias.Value[headCount + head] = 3 + (3f * head / Math.Max(1, headCount - 1));
        }
    }

    internal override void Reset()
    {
        _convolution.Reset();
        _memory.Reset();
    }

    private protected override void ForwardPart(ReadOnlySpan<float> normal, Span<float> y, int strands)
    {
        int rows = normal.Length / UnitCount;
        _forward.Begin(rows, _inner, 2 * _heads);
        _up.Add(normal, UnitCount, _forward.Up, _inner, rows);
        _gate.Add(normal, UnitCount, _forward.Gate, _inner, rows);
        _convolution.Forward(_forward.Up, _forward.Features, strands);
        _query.Add(_forward.Features, _inner, _forward.Qkv, 3 * _inner, rows);
        _key.Add(_forward.Features, _inner, _forward.Qkv[_inner..], 3 * _inner, rows);
        _value.Add(_forward.Up, _inner, _forward.Qkv[(2 * _inner)..], 3 * _inner, rows);
        for (int at = 0; at < _forward.Arguments.Length; at += 2 * _heads)
        {
            _headBias.Value.CopyTo(_forward.Arguments[at..]);
        }

        _headGates.Add(_forward.Qkv, 3 * _inner, _forward.Arguments, 2 * _heads, rows);
        _memory.Forward(_forward.Qkv, _forward.Arguments, _forward.Hidden, strands);
        _groupNorm.Forward(_forward.Hidden, _forward.Grouped);
        Open();
        y.Clear();
        _down.Add(_forward.Gated, _inner, y, UnitCount, rows);
    }

    private protected override void BackwardPart(ReadOnlySpan<float> normal, ReadOnlySpan<float> dy, Span<float> byNormal, int strands)
    {
        int rows = normal.Length / UnitCount;
        _backward.Begin(rows, _inner, 2 * _heads);
        _down.Backward(_forward.Gated, _inner, dy, UnitCount, _backward.Gated, _inner, rows);
        BackOpen();
        _groupNorm.AddBack(_forward.Grouped, _backward.Grouped, _backward.Hidden);
        _memory.Backward(_forward.Qkv, _forward.Hidden, _backward.Hidden, _backward.Qkv, _backward.Arguments, strands);
        _headGates.Backward(_forward.Qkv, 3 * _inner, _backward.Arguments, 2 * _heads, _backward.Qkv, 3 * _inner, rows);
        MatrixProduct.AddRows(_backward.Arguments, _headBias.Gradient);
        _query.Backward(_forward.Features, _inner, _backward.Qkv, 3 * _inner, _backward.Features, _inner, rows);
        _key.Backward(_forward.Features, _inner, _backward.Qkv[_inner..], 3 * _inner, _backward.Features, _inner, rows);
        _value.Backward(_forward.Up, _inner, _backward.Qkv[(2 * _inner)..], 3 * _inner, _backward.Up, _inner, rows);
        _convolution.Backward(_backward.Features, _backward.Up, strands);
        _up.Backward(normal, UnitCount, _backward.Up, _inner, byNormal, UnitCount, rows);
        _gate.Backward(normal, UnitCount, _backward.Gate, _inner, byNormal, UnitCount, rows);
    }

    internal override FloatLayer ToReference() => new FloatMlstm(
        UnitCount,
        _heads,
        _up.ToReference(new float[_inner]),
        _gate.ToReference(new float[_inner]),
        _convolution.ToReference(),
        _query.ToReference(new float[_inner]),
        _key.ToReference(new float[_inner]),
        _value.ToReference(new float[_inner]),
        _headGates.ToReference(_headBias.Value),
        [.. _weight.Value],
        [.. _skip.Value],
        _down.ToReference(new float[UnitCount]));

    // gated = (w·grouped + s·features) ⊙ SiLU(gate).
    private void Open()
    {
        for (int at = 0; at < _forward.Gated.Length; at += 8)
        {
            Vector256<float> gate = Vector256.Create<float>(_forward.Gate[at..]);
            (Skipped(at) * gate * VectorMath.SigmoidOf(gate)).CopyTo(_forward.Gated[at..]);
        }
    }

    private void BackOpen()
    {
        for (int at = 0; at < _forward.Gated.Length; at += 8)
        {
            int j = at % _inner;
            Vector256<float> gate = Vector256.Create<float>(_forward.Gate[at..]);
            Vector256<float> open = VectorMath.SigmoidOf(gate);
            Vector256<float> byGated = Vector256.Create<float>(_backward.Gated[at..]);
            Vector256<float> bySkipped = byGated * gate * open;
            (byGated * Skipped(at) * VectorMath.SiluSlope(gate, open)).CopyTo(_backward.Gate[at..]);
            VectorMath.AddTo(_weight.Gradient.AsSpan(j), bySkipped * Vector256.Create<float>(_forward.Grouped[at..]));
            VectorMath.AddTo(_skip.Gradient.AsSpan(j), bySkipped * Vector256.Create<float>(_forward.Features[at..]));
            (bySkipped * Vector256.Create(_weight.Value.AsSpan(j))).CopyTo(_backward.Grouped[at..]);
            (bySkipped * Vector256.Create(_skip.Value.AsSpan(j))).CopyTo(_backward.Features[at..]);
        }
    }

    private Vector256<float> Skipped(int at)
    {
        int j = at % _inner;
        return (Vector256.Create(_weight.Value.AsSpan(j)) * Vector256.Create<float>(_forward.Grouped[at..]))
            + (Vector256.Create(_skip.Value.AsSpan(j)) * Vector256.Create<float>(_forward.Features[at..]));
    }

    // What a sequence leaves, or the derivatives by it.
    private sealed class Values
    {
        private float[] _values = [];
        private int _inner;
        private int _arguments;

        internal Span<float> Up => Part(0);

        internal Span<float> Gate => Part(1);

        internal Span<float> Features => Part(2);

        internal Span<float> Qkv => _values.AsSpan(3 * _inner, 3 * _inner);

        internal Span<float> Hidden => Part(6);

        internal Span<float> Grouped => Part(7);

        internal Span<float> Gated => Part(8);

        internal Span<float> Arguments => _values.AsSpan(9 * _inner, _arguments);

        /// <summary>Zeros everywhere.</summary>
        internal void Begin(int rows, int inner, int arguments)
        {
            (_inner, _arguments) = (rows * inner, rows * arguments);
            Zeros(ref _values, (9 * _inner) + _arguments);
        }

        private Span<float> Part(int number) => _values.AsSpan(number * _inner, _inner);
    }
}
