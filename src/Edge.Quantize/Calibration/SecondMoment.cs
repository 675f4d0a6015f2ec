
namespace Edge.Quantize.Calibration;

/// <summary>The sum of a·aᵀ over activations a = [first, second, 1]: which errors of weights matter together.</summary>
internal sealed class SecondMoment
{
    private readonly double[] _sum;
    private readonly double[] _row;

    internal SecondMoment(int size)
    {
        Size = size;
        _sum = new double[size * size];
        _row = new double[size];
    }

    internal int Size { get; }

    internal double this[int i, int j] => _sum[(Math.Max(i, j) * Size) + Math.Min(i, j)];

    internal void Add(ReadOnlySpan<float> first, ReadOnlySpan<float> second)
    {
        for (int i = 0; i < first.Length; i++)
        {
            _row[i] = first[i];
        }

        for (int i = 0; i < second.Length; i++)
        {
            _row[first.Length + i] = second[i];
        }

        _row[^1] = 1;
        for (int i = 0; i < Size; i++)
        {
            Vectors.AddScaled(_sum.AsSpan(i * Size, i + 1), _row, _row[i]);
        }
    }

    /// <summary>The moment of some of the columns, in the order given.</summary>
    internal SecondMoment Of(params int[] columns)
    {
        var part = new SecondMoment(columns.Length);
        for (int i = 0; i < columns.Length; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                part._sum[(i * columns.Length) + j] = this[columns[i], columns[j]];
            }
        }

        return part;
    }

    /// <summary>The moment as it would be had the first columns been measured from these offsets.</summary>
    internal SecondMoment Shifted(double[] offset)
    {
        if (Array.TrueForAll(offset, value => value == 0))
        {
            return this;
        }

        var shifted = new SecondMoment(Size);
        for (int i = 0; i < Size; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double a = i < offset.Length ? offset[i] : 0;
                double b = j < offset.Length ? offset[j] : 0;
                shifted._sum[(i * Size) + j] = this[i, j] - (a * this[Size - 1, j]) - (b * this[i, Size - 1])
                    + (a * b * this[Size - 1, Size - 1]);
            }
        }

        return shifted;
    }
}
