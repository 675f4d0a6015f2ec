namespace Edge.Quantize.Calibration;

/// <summary>The sum of a·aᵀ over activations a = [first, second, 1]: which errors of weights matter together.</summary>
internal sealed class SecondMoment
{
    // Rows are added so many at a time: a row of the sum then comes into the cache once for all of them.
    private const int RowsMax = 16;

    private readonly double[] _sum;
    private readonly double[] _rows;
    private int _rowCount;

    internal SecondMoment(int size)
    {
        Size = size;
        _sum = new double[size * size];
        _rows = new double[RowsMax * size];
    }

    internal int Size { get; }

    internal double this[int i, int j] => _rowCount == 0
        ? _sum[(Math.Max(i, j) * Size) + Math.Min(i, j)] : throw new InvalidOperationException("The sum is not complete.");

    internal void Add(ReadOnlySpan<float> first, ReadOnlySpan<float> second)
    {
        Span<double> row = _rows.AsSpan(_rowCount * Size, Size);
        for (int i = 0; i < first.Length; i++)
        {
            row[i] = first[i];
        }

        for (int i = 0; i < second.Length; i++)
        {
            row[first.Length + i] = second[i];
        }

        row[^1] = 1;
        if (++_rowCount == RowsMax)
        {
            Complete();
        }
    }

    /// <summary>Ends the adding of rows: only then may the sum be read.</summary>
    internal void Complete()
    {
        for (int i = 0; i < Size && _rowCount > 0; i++)
        {
            Span<double> sum = _sum.AsSpan(i * Size, i + 1);
            for (int r = 0; r < _rowCount; r++)
            {
                Vectors.AddScaled(sum, _rows.AsSpan(r * Size, Size), _rows[(r * Size) + i]);
            }
        }

        _rowCount = 0;
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
