namespace Edge.Quantize.Calibration;

/// <summary>The sum of a·aᵀ over activations a = [first, second, 1]: which errors of weights matter together.</summary>
internal sealed class SecondMoment(int size)
{
    private readonly double[] _sum = new double[size * size];
    private readonly double[] _row = new double[size];

    internal int Size => size;

    internal double this[int i, int j] => _sum[(Math.Max(i, j) * size) + Math.Min(i, j)];

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
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                _sum[(i * size) + j] += _row[i] * _row[j];
            }
        }
    }
}
