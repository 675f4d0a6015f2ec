using Edge.Training.Layers;
using Edge.Training.Numerics;

namespace Edge.Training.Blocks;

/// <summary>
/// y = W·x for rows of x, with W in blocks on the diagonal, one a head: the values of a head read those of the same head only. With one
/// head it is a full matrix. Rows may be columns of wider ones; a stride is the distance from row to row.
/// </summary>
internal sealed class HeadwiseProduct
{
    private readonly int _heads;
    private readonly int _inputs;
    private readonly int _units;
    private readonly float[] _transposed;

    /// <summary>Starts with weights of zero.</summary>
    /// <param name="name">Of the parameter.</param>
    /// <param name="inputCount">I.</param>
    /// <param name="unitCount">U.</param>
    /// <param name="heads">H, a divisor of both.</param>
    internal HeadwiseProduct(string name, int inputCount, int unitCount, int heads)
    {
        (_heads, _inputs, _units) = (heads, inputCount / heads, unitCount / heads);
        Weight = new Parameter(name, inputCount, _units, true);
        _transposed = new float[Weight.Value.Length];
    }

    /// <summary>Wᵀ, block by block: [H, I/H, U/H].</summary>
    internal Parameter Weight { get; }

    /// <summary>Starts with weights that give each value about a third of the variance of what is read.</summary>
    internal HeadwiseProduct Uniform(Random random)
    {
        Weight.Uniform(random, _inputs);
        return this;
    }

    /// <summary>y += W·x.</summary>
    internal void Add(ReadOnlySpan<float> x, int strideX, Span<float> y, int strideY, int rows)
    {
        for (int head = 0; head < _heads; head++)
        {
            MatrixProduct.Add(
                x[(head * _inputs)..], strideX, BlockOf(Weight.Value, head), _units, y[(head * _units)..], strideY, rows, _inputs, _units);
        }
    }

    /// <summary>Adds to the gradient of W.</summary>
    internal void AddGradient(ReadOnlySpan<float> x, int strideX, ReadOnlySpan<float> dy, int strideY, int rows)
    {
        for (int head = 0; head < _heads; head++)
        {
            MatrixProduct.AddTransposed(
                x[(head * _inputs)..], strideX, dy[(head * _units)..], strideY, BlockOf(Weight.Gradient, head), _units, _inputs, rows,
                _units);
        }
    }

    /// <summary>To be called before <see cref="AddBack"/> when W has changed.</summary>
    internal void Transpose()
    {
        for (int head = 0; head < _heads; head++)
        {
            MatrixProduct.Transpose(BlockOf(Weight.Value, head), BlockOf(_transposed, head), _inputs, _units);
        }
    }

    /// <summary>dx += Wᵀ·dy.</summary>
    internal void AddBack(ReadOnlySpan<float> dy, int strideY, Span<float> dx, int strideX, int rows)
    {
        for (int head = 0; head < _heads; head++)
        {
            MatrixProduct.Add(
                dy[(head * _units)..], strideY, BlockOf(_transposed, head), _inputs, dx[(head * _inputs)..], strideX, rows, _units,
                _inputs);
        }
    }

    /// <summary>Both gradients at once.</summary>
    internal void Backward(
        ReadOnlySpan<float> x, int strideX, ReadOnlySpan<float> dy, int strideY, Span<float> dx, int strideDx, int rows)
    {
        AddGradient(x, strideX, dy, strideY, rows);
        Transpose();
        AddBack(dy, strideY, dx, strideDx, rows);
    }

    /// <summary>The product as the reference has it, whose weights stand row by row.</summary>
    /// <param name="bias">[U].</param>
    internal Reference.FloatProduct ToReference(ReadOnlySpan<float> bias)
    {
        Transpose();
        return new Reference.FloatProduct(_inputs * _heads, _units * _heads, _heads, [.. _transposed], bias.ToArray());
    }

    private Span<float> BlockOf(float[] values, int head) => values.AsSpan(head * _inputs * _units, _inputs * _units);
}
