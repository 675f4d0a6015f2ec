namespace Edge.Streams.Detection;

/// <summary>
/// The value that a statistic exceeds with a given, small probability per tick, extrapolated from its largest values so far: a
/// generalized Pareto tail above the ninth largest of the warm-up, fitted by moments and kept up to date. Siffer, Fouque,
/// Termier and Largouët, "Anomaly detection in streams with extreme value theory" (2017), with moments for likelihood.
/// </summary>
/// <param name="initialProbability">Probability that a normal tick exceeds it.</param>
/// <param name="warmUp">Number of values from which the tail is first fitted.</param>
/// <param name="beyondLargest">Upper limit, as a multiple of the largest value, without the allowance.</param>
/// <param name="allowance">A tail of n values is off by about this over the root of n: it counts as so much heavier.</param>
internal sealed class TailThreshold(double initialProbability, int warmUp, double beyondLargest, double allowance = 0)
{
    private const int Largest = 9;

    // After this many values, old ones count half, so that the tail describes the recent past.
    private const double MemoryTicks = 200_000;
    private const double ShapeMax = 0.1;

    // The largest value grows by at most this factor at a time, so that the threshold does not follow a steady growth.
    private const double GrowthMax = 1.01;

    private double _probability = initialProbability;
    private readonly double[] _largest = new double[Largest];
    private double _count;
    private double _above;
    private double _start;
    private double _sum;
    private double _sumOfSquares;

    /// <summary>The threshold; infinite during the warm-up.</summary>
    internal double Value { get; private set; } = double.PositiveInfinity;

    /// <summary>Whether the warm-up is over.</summary>
    internal bool IsWarm => _count >= warmUp;

    /// <summary>The threshold, at least <paramref name="least"/>; during the warm-up <paramref name="least"/>.</summary>
    internal double AtLeast(double least) => IsWarm ? Math.Max(least, Value * (1 + (allowance / Math.Sqrt(_count)))) : least;

    /// <summary>Changes the probability per tick.</summary>
    internal void SetProbability(double probability)
    {
        _probability = probability;
        if (IsWarm)
        {
            Fit();
        }
    }

    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<double>(_largest);
        _count = snapshot.Field(_count);
        _above = snapshot.Field(_above);
        _start = snapshot.Field(_start);
        _sum = snapshot.Field(_sum);
        _sumOfSquares = snapshot.Field(_sumOfSquares);
        Value = snapshot.Field(Value);
    }

    /// <summary>Learns from a normal tick. A value above the threshold counts as the threshold.</summary>
    internal void Learn(double value)
    {
        value = Math.Min(value, Value);
        _count++;
        if (_count <= warmUp)
        {
            Insert(value);
            if (_count == warmUp)
            {
                Begin();
            }

            return;
        }

        if (value > _start)
        {
            _above++;
            _sum += value - _start;
            _sumOfSquares += (value - _start) * (value - _start);
            _largest[0] = Math.Max(_largest[0], Math.Min(value, GrowthMax * _largest[0]));
            Fit();
        }
        else if (_count > MemoryTicks)
        {
            _count /= 2;
            _above /= 2;
            _sum /= 2;
            _sumOfSquares /= 2;
        }
    }

    // The largest values of the warm-up, in descending order.
    private void Insert(double value)
    {
        int at = Largest - 1;
        if (value <= _largest[at])
        {
            return;
        }

        for (; at > 0 && _largest[at - 1] < value; at--)
        {
            _largest[at] = _largest[at - 1];
        }

        _largest[at] = value;
    }

    private void Begin()
    {
        int above = Largest - 1;
        _start = _largest[above];
        _above = above;
        _sum = 0;
        _sumOfSquares = 0;
        for (int i = 0; i < above; i++)
        {
            _sum += _largest[i] - _start;
            _sumOfSquares += (_largest[i] - _start) * (_largest[i] - _start);
        }

        Fit();
    }

    // Shape (1 - m²/v) / 2 and scale m (1 + m²/v) / 2 of mean m and variance v; a light tail is taken for an exponential one.
    private void Fit()
    {
        double mean = Math.Max(_sum / _above, 1e-3 * _start);
        double variance = Math.Max((_sumOfSquares / _above) - (mean * mean), 1e-12);
        double ratio = mean * mean / variance;
        double shape = Math.Clamp((1 - ratio) / 2, 0, ShapeMax);
        double log = Math.Max(PortableMath.Log(_above / (_probability * _count)), 0);
        double step = shape > 1e-3
            ? mean * (1 - shape) / shape * (PortableMath.Exp(shape * log) - 1)
            : mean * log;
        Value = Math.Min(_start + step, beyondLargest * _largest[0]);
    }
}
