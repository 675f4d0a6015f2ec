using System.Runtime.Intrinsics;
using Edge.Training.Layers;
using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Blocks;

/// <summary>The gated feed-forward part of a block stack: x + W_d·(SiLU(W_g·norm(x)) ⊙ W_u·norm(x)).</summary>
public sealed class FeedForwardLayer : ResidualLayer
{
    private readonly int _inner;
    private readonly HeadwiseProduct _gate;
    private readonly HeadwiseProduct _up;
    private readonly HeadwiseProduct _down;
    private float[] _gateValues = [];
    private float[] _upValues = [];
    private float[] _gated = [];
    private float[] _gateGradient = [];
    private float[] _upGradient = [];
    private float[] _gatedGradient = [];

    /// <summary>Starts with random weights.</summary>
    /// <param name="unitCount">U, a multiple of 8.</param>
    /// <param name="innerCount">Values inside, a multiple of 8.</param>
    /// <param name="random">Where the weights come from.</param>
    /// <exception cref="ArgumentException">A count is not a multiple of 8.</exception>
    public FeedForwardLayer(int unitCount, int innerCount, Random random)
        : base(unitCount)
    {
        if (innerCount < 8 || innerCount % 8 != 0)
        {
            throw new ArgumentException($"A feed-forward part has a multiple of 8 values inside, not {innerCount}.", nameof(innerCount));
        }

        _inner = innerCount;
        _gate = new HeadwiseProduct("gate_weight", unitCount, innerCount, 1).Uniform(random);
        _up = new HeadwiseProduct("up_weight", unitCount, innerCount, 1).Uniform(random);
        _down = new HeadwiseProduct("down_weight", innerCount, unitCount, 1).Uniform(random);
        Parameters = [_gate.Weight, _up.Weight, _down.Weight];
    }

    private protected override void ForwardPart(ReadOnlySpan<float> normal, Span<float> y, int strands)
    {
        int rows = normal.Length / UnitCount;
        Span<float> gate = Zeros(ref _gateValues, rows * _inner);
        Span<float> up = Zeros(ref _upValues, rows * _inner);
        Span<float> gated = Zeros(ref _gated, rows * _inner);
        _gate.Add(normal, UnitCount, gate, _inner, rows);
        _up.Add(normal, UnitCount, up, _inner, rows);
        for (int at = 0; at < gated.Length; at += 8)
        {
            Vector256<float> a = Vector256.Create<float>(gate[at..]);
            (a * VectorMath.SigmoidOf(a) * Vector256.Create<float>(up[at..])).CopyTo(gated[at..]);
        }

        y.Clear();
        _down.Add(gated, _inner, y, UnitCount, rows);
    }

    private protected override void BackwardPart(ReadOnlySpan<float> normal, ReadOnlySpan<float> dy, Span<float> byNormal, int strands)
    {
        int rows = normal.Length / UnitCount;
        Span<float> byGated = Zeros(ref _gatedGradient, rows * _inner);
        Span<float> byGate = Zeros(ref _gateGradient, rows * _inner);
        Span<float> byUp = Zeros(ref _upGradient, rows * _inner);
        _down.Backward(_gated, _inner, dy, UnitCount, byGated, _inner, rows);
        for (int at = 0; at < byGated.Length; at += 8)
        {
            Vector256<float> a = Vector256.Create(_gateValues.AsSpan(at));
            Vector256<float> open = VectorMath.SigmoidOf(a);
            Vector256<float> by = Vector256.Create<float>(byGated[at..]);
            (by * a * open).CopyTo(byUp[at..]);
            (by * Vector256.Create(_upValues.AsSpan(at)) * VectorMath.SiluSlope(a, open)).CopyTo(byGate[at..]);
        }

        _gate.Backward(normal, UnitCount, byGate, _inner, byNormal, UnitCount, rows);
        _up.Backward(normal, UnitCount, byUp, _inner, byNormal, UnitCount, rows);
    }

    internal override FloatLayer ToReference() => new FloatFeedForward(
        UnitCount,
        _gate.ToReference(new float[_inner]),
        _up.ToReference(new float[_inner]),
        _down.ToReference(new float[UnitCount]),
        new FloatActivation(FloatFunction.Silu));
}
