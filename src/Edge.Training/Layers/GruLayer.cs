using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Layers;

/// <summary>
/// GRU (Cho et al. 2014) with the reset gate after the recurrent product, as PyTorch and cuDNN have it: r, z = sigmoid of
/// W·x + b + R·h + b'; n = tanh(W·x + b + r·(R·h + b')); h = (1 - z)·n + z·h. Gates stand in the order r, z, n.
/// </summary>
public sealed class GruLayer : RecurrentLayer
{
    // Gates after their activation, and the recurrent product with its bias: [T, B, 3U] each.
    private float[] _gates = [];
    private float[] _product = [];

    // Derivatives by W·x + b and by R·h + b'.
    private float[] _inputGradient = [];
    private float[] _productGradient = [];

    /// <summary>Starts with random weights.</summary>
    /// <param name="inputCount">I.</param>
    /// <param name="unitCount">U.</param>
    /// <param name="random">Where the weights come from.</param>
    public GruLayer(int inputCount, int unitCount, Random random)
        : base(
            inputCount,
            unitCount,
            3,
            random,
            new Parameter("input_bias", 1, 3 * unitCount, false),
            new Parameter("recurrent_bias", 1, 3 * unitCount, false))
    {
    }

    internal override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        int row = strands * UnitCount;
        int width = GateWidth;
        int steps = x.Length / (strands * InputCount);
        Hidden.Begin(steps, row);
        Grow(ref _gates, steps * row * 3);
        Grow(ref _product, steps * row * 3);
        Span<float> gates = _gates.AsSpan(0, steps * row * 3);
        Span<float> product = _product.AsSpan(0, steps * row * 3);
        for (int at = 0; at < gates.Length; at += width)
        {
            Parameters[2].Value.CopyTo(gates[at..]);
            Parameters[3].Value.CopyTo(product[at..]);
        }

        MatrixProduct.Add(x, Input.Value, gates, steps * strands, InputCount, width);
        for (int t = 0; t < steps; t++)
        {
            MatrixProduct.Add(
                Hidden.Values.AsSpan(t * row, row), Recurrent.Value, product.Slice(t * row * 3, row * 3), strands, UnitCount, width);
            for (int s = 0; s < strands; s++)
            {
                int at = (t * row) + (s * UnitCount);
                StepStrand(gates.Slice(at * 3, width), product.Slice(at * 3, width), at, row);
            }
        }

        Hidden.Values.AsSpan(row, steps * row).CopyTo(y);
    }

    internal override void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        int row = strands * UnitCount;
        Grow(ref _inputGradient, dy.Length * 3);
        Grow(ref _productGradient, dy.Length * 3);
        BackThroughTime(dy, _productGradient, strands, (t, dh) =>
        {
            for (int s = 0; s < strands; s++)
            {
                BackStrand((t * row) + (s * UnitCount), dh.Slice(s * UnitCount, UnitCount));
            }
        });
        ReadOnlySpan<float> byInput = _inputGradient.AsSpan(0, dy.Length * 3);
        ReadOnlySpan<float> byProduct = _productGradient.AsSpan(0, dy.Length * 3);
        AddGradients(x, byInput, byProduct, dx);
        MatrixProduct.AddRows(byInput, Parameters[2].Gradient);
        MatrixProduct.AddRows(byProduct, Parameters[3].Gradient);
    }

    internal override FloatLayer ToReference() => new FloatGru(
        InputCount, UnitCount, Transposed(Input), Transposed(Recurrent), [.. Parameters[2].Value], [.. Parameters[3].Value], true);

    private void StepStrand(Span<float> z, ReadOnlySpan<float> product, int at, int row)
    {
        VectorMath.Add(product[..(2 * UnitCount)], z[..(2 * UnitCount)]);
        VectorMath.Sigmoid(z[..(2 * UnitCount)]);
        Span<float> candidate = z[(2 * UnitCount)..];
        for (int j = 0; j < UnitCount; j++)
        {
            candidate[j] += z[j] * product[(2 * UnitCount) + j];
        }

        VectorMath.Tanh(candidate);
        ReadOnlySpan<float> before = Hidden.Values.AsSpan(at, UnitCount);
        Span<float> h = Hidden.Values.AsSpan(at + row, UnitCount);
        for (int j = 0; j < UnitCount; j++)
        {
            h[j] = candidate[j] + (z[UnitCount + j] * (before[j] - candidate[j]));
        }
    }

    // dh: by h of this step; becomes that part of the derivative by h of the step before which does not pass the weights.
    private void BackStrand(int at, Span<float> dh)
    {
        ReadOnlySpan<float> gates = _gates.AsSpan(at * 3, 3 * UnitCount);
        ReadOnlySpan<float> product = _product.AsSpan((at * 3) + (2 * UnitCount), UnitCount);
        ReadOnlySpan<float> before = Hidden.Values.AsSpan(at, UnitCount);
        Span<float> byInput = _inputGradient.AsSpan(at * 3, 3 * UnitCount);
        Span<float> byProduct = _productGradient.AsSpan(at * 3, 3 * UnitCount);
        for (int j = 0; j < UnitCount; j++)
        {
            (float r, float z, float n) = (gates[j], gates[UnitCount + j], gates[(2 * UnitCount) + j]);
            float byCandidate = dh[j] * (1 - z) * (1 - (n * n));
            float byReset = byCandidate * product[j] * r * (1 - r);
            float byUpdate = dh[j] * (before[j] - n) * z * (1 - z);
            (byInput[j], byInput[UnitCount + j], byInput[(2 * UnitCount) + j]) = (byReset, byUpdate, byCandidate);
            (byProduct[j], byProduct[UnitCount + j], byProduct[(2 * UnitCount) + j]) = (byReset, byUpdate, byCandidate * r);
            dh[j] *= z;
        }
    }
}
