namespace Edge.Quantize.Evaluation;

/// <summary>Sums that errors are judged by.</summary>
internal struct ErrorSum
{
    private double _sum;
    private double _absolute;
    private double _squares;

    internal int Count { get; private set; }

    /// <summary>Root mean square; 0 of nothing.</summary>
    internal readonly double Rms => Count == 0 ? 0 : Math.Sqrt(_squares / Count);

    internal readonly double MeanAbsolute => Count == 0 ? 0 : _absolute / Count;

    /// <summary>Standard deviation.</summary>
    internal readonly double Deviation => Count == 0 ? 0 : Math.Sqrt(Math.Max(0, (_squares / Count) - Math.Pow(_sum / Count, 2)));

    internal void Add(double value)
    {
        Count++;
        _sum += value;
        _absolute += Math.Abs(value);
        _squares += value * value;
    }
}
