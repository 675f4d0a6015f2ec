using Edge.Training.Layers;
using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Blocks;

/// <summary>
/// The sLSTM part of a block stack: x + w·groupnorm(y), with y of an sLSTM with exponential input gate and sigmoid forget gate. Its gates
/// z and o read norm(x), i and f a causal convolution of it, or norm(x) as well where there is none.
/// </summary>
public sealed class SlstmLayer : ResidualLayer
{
    private readonly int _heads;
    private readonly CausalConvolution? _convolution;
    private readonly HeadwiseProduct[] _input;
    private readonly SlstmCell _cell;
    private readonly RunNorm _groupNorm;
    private readonly Parameter _weight;
    private float[] _features = [];
    private float[] _grouped = [];
    private float[] _hidden = [];
    private float[] _argumentGradient = [];
    private float[] _featureGradient = [];
    private float[] _groupedGradient = [];
    private float[] _hiddenGradient = [];

    /// <summary>Starts with random weights.</summary>
    /// <param name="unitCount">U, a multiple of 8.</param>
    /// <param name="headCount">Heads; each has a multiple of 8 units.</param>
    /// <param name="taps">Rows of the convolution, or 0 for none.</param>
    /// <param name="random">Where the weights come from.</param>
    /// <exception cref="ArgumentException">The units or the heads are not multiples of 8.</exception>
    public SlstmLayer(int unitCount, int headCount, int taps, Random random)
        : base(unitCount)
    {
        _heads = CheckedHeads(headCount, unitCount);
        _convolution = taps == 0 ? null : new CausalConvolution(unitCount, taps, random);
        _input =
        [
            .. "ifzo".Select(gate => new HeadwiseProduct($"input_weight_{gate}", unitCount, unitCount, headCount).Uniform(random)),
        ];
        _cell = new SlstmCell(unitCount, headCount);
        _groupNorm = new RunNorm(unitCount / headCount);
        _weight = new Parameter("group_norm_weight", 1, unitCount, false).Filled(1);
        Parameters =
        [
            .. _input.Select(product => product.Weight),
            .. _cell.Parameters,
            _weight,
            .. _convolution is null ? Array.Empty<Parameter>() : [_convolution.Weight, _convolution.Bias],
        ];
    }

    internal override void Reset()
    {
        _cell.Reset();
        _convolution?.Reset();
    }

    private protected override void ForwardPart(ReadOnlySpan<float> normal, Span<float> y, int strands)
    {
        int rows = normal.Length / UnitCount;
        ReadOnlySpan<float> features = Features(normal, strands);
        Span<float> arguments = _cell.Begin(rows);
        for (int gate = 0; gate < 4; gate++)
        {
            _input[gate].Add(gate < 2 ? features : normal, UnitCount, arguments[(gate * UnitCount)..], 4 * UnitCount, rows);
        }

        Grow(ref _hidden, y.Length);
        Grow(ref _grouped, y.Length);
        Span<float> hidden = _hidden.AsSpan(0, y.Length);
        Span<float> grouped = _grouped.AsSpan(0, y.Length);
        _cell.Forward(hidden, strands);
        _groupNorm.Forward(hidden, grouped);
        VectorMath.MultiplyRows(grouped, _weight.Value, y);
    }

    private protected override void BackwardPart(ReadOnlySpan<float> normal, ReadOnlySpan<float> dy, Span<float> byNormal, int strands)
    {
        int rows = normal.Length / UnitCount;
        ReadOnlySpan<float> grouped = _grouped.AsSpan(0, dy.Length);
        Span<float> byGrouped = Zeros(ref _groupedGradient, dy.Length);
        VectorMath.AddProductOfRows(dy, grouped, _weight.Gradient);
        VectorMath.MultiplyRows(dy, _weight.Value, byGrouped);
        Span<float> byHidden = Zeros(ref _hiddenGradient, dy.Length);
        _groupNorm.AddBack(grouped, byGrouped, byHidden);
        Grow(ref _argumentGradient, 4 * dy.Length);
        Span<float> byArgument = _argumentGradient.AsSpan(0, 4 * dy.Length);
        _cell.Backward(byHidden, byArgument, strands);

        ReadOnlySpan<float> features = _convolution is null ? normal : _features.AsSpan(0, dy.Length);
        Span<float> byFeatures = _convolution is null ? byNormal : Zeros(ref _featureGradient, dy.Length);
        for (int gate = 0; gate < 4; gate++)
        {
            _input[gate].Backward(
                gate < 2 ? features : normal, UnitCount, byArgument[(gate * UnitCount)..], 4 * UnitCount,
                gate < 2 ? byFeatures : byNormal, UnitCount, rows);
        }

        _convolution?.Backward(byFeatures, byNormal, strands);
    }

    internal override FloatLayer ToReference() => new FloatSlstm(
        UnitCount,
        _heads,
        _convolution?.ToReference(),
        [.. _input.Select(product => product.ToReference(new float[UnitCount]))],
        [.. _cell.Recurrent.Select((product, gate) => product.ToReference(_cell.Bias.Value.AsSpan(gate * UnitCount, UnitCount)))],
        [.. _weight.Value]);

    private ReadOnlySpan<float> Features(ReadOnlySpan<float> normal, int strands)
    {
        if (_convolution is null)
        {
            return normal;
        }

        Grow(ref _features, normal.Length);
        Span<float> features = _features.AsSpan(0, normal.Length);
        _convolution.Forward(normal, features, strands);
        return features;
    }
}
