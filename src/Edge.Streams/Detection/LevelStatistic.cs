using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>
/// Distance of the readings from their usual level. A forecaster follows a fault after a few ticks, so its residual becomes small
/// again, but the level stays wrong. Each channel's smoothed level is compared with its level in the warm-up. The unit is the
/// distance that the channel would wander by itself: the scatter of the warm-up, extrapolated to a longer time at the rate at
/// which it grew. A channel that scatters about a value keeps its scale; one that drifts by itself gets a larger one.
/// </summary>
internal sealed class LevelStatistic
{
    /// <summary>Rows of the warm-up, from which the usual levels are learned.</summary>
    internal const int WarmUpTicks = 400;

    private const int BlockTicks = 10;
    private const int Blocks = WarmUpTicks / BlockTicks;

    // The first blocks still hold the start of the smoothing.
    private const int FirstBlock = 3;
    private const double Rate = 1.0 / 12;

    // Lags, in blocks, at which the scatter is measured; its growth from the first to the last is extrapolated.
    private const int ShortLag = 5;
    private const int MiddleLag = 10;
    private const int LongLag = 20;

    // A straight drift grows by the square of the ratio of the lags.
    private const double GrowthMax = LongLag / ShortLag * (LongLag / ShortLag);

    // Inside this many standard deviations of the training data a level is known; outside, the training data says nothing.
    private const double KnownGround = 3;
    private const double DeviationMin = 1e-3;

    private readonly ModelManifest _manifest;
    private readonly float[][] _blocks;
    private readonly double[] _level;
    private readonly double[] _sum;
    private readonly double[] _reference;
    private readonly double[] _deviation;
    private readonly double _adaptRate;
    private int _ticks;

    /// <param name="manifest">Columns and their training's mean and deviation.</param>
    /// <param name="adaptTicks">Ticks over which the usual level follows what stays.</param>
    internal LevelStatistic(ModelManifest manifest, double adaptTicks)
    {
        _manifest = manifest;
        int columns = manifest.Columns.Count;
        _blocks = [.. Enumerable.Range(0, columns).Select(_ => new float[Blocks])];
        _level = new double[columns];
        _sum = new double[columns];
        _reference = new double[columns];
        _deviation = new double[columns];
        _adaptRate = 1 / Math.Max(1, adaptTicks);
    }

    /// <summary>1 is the distance that the channel wanders by itself; 0 during the warm-up.</summary>
    internal double Value { get; private set; }

    internal bool IsWarm => _ticks >= WarmUpTicks;

    /// <summary>The usual level of a column, in its unit.</summary>
    internal double Usual(int column) => _manifest.Denormalize(column, (float)_reference[column]);

    /// <summary>Part of a column in the value, in its units squared.</summary>
    internal double Part(int column) => IsWarm ? Square(Deviations(column)) : 0;

    internal void Archive(StreamSnapshot snapshot)
    {
        _ticks = snapshot.Field(_ticks);
        Value = snapshot.Field(Value);
        for (int i = 0; i < _level.Length; i++)
        {
            _level[i] = snapshot.Field(_level[i]);
            _sum[i] = snapshot.Field(_sum[i]);
            _reference[i] = snapshot.Field(_reference[i]);
            _deviation[i] = snapshot.Field(_deviation[i]);
            snapshot.Fields<float>(_blocks[i]);
        }
    }

    /// <summary>Takes a row of usable values, in the columns' units.</summary>
    internal void Observe(ReadOnlySpan<double> values, bool isCalm)
    {
        double sum = 0;
        for (int i = 0; i < _level.Length; i++)
        {
            double value = _manifest.Normalize(i, values[i]);
            _level[i] = _ticks == 0 ? value : _level[i] + (Rate * (value - _level[i]));
            if (IsWarm)
            {
                sum += Square(Deviations(i));
                _reference[i] += isCalm ? _adaptRate * (_level[i] - _reference[i]) : 0;
            }
            else
            {
                _sum[i] += value;
            }
        }

        if (IsWarm)
        {
            Value = Math.Sqrt(sum / _level.Length);
            return;
        }

        _ticks++;
        if (_ticks % BlockTicks == 0)
        {
            EndBlock((_ticks / BlockTicks) - 1);
        }
    }

    /// <summary>Accepts the present level as the usual one.</summary>
    internal void Accept() => _level.CopyTo(_reference, 0);

    private double Deviations(int column) => (_level[column] - _reference[column]) / _deviation[column];

    private void EndBlock(int block)
    {
        for (int i = 0; i < _sum.Length; i++)
        {
            _blocks[i][block] = (float)(_sum[i] / BlockTicks);
            _sum[i] = 0;
            if (block == Blocks - 1)
            {
                Learn(i, _blocks[i].AsSpan(FirstBlock));
            }
        }
    }

    private void Learn(int column, ReadOnlySpan<float> blocks)
    {
        Span<float> sorted = stackalloc float[Blocks];
        sorted = sorted[..blocks.Length];
        blocks.CopyTo(sorted);
        sorted.Sort();
        _reference[column] = sorted[sorted.Length / 2];

        // Half the mean square of differences at a lag: the variance, where there is no growth.
        double growth = Math.Clamp(Scatter(blocks, LongLag) / Math.Max(Scatter(blocks, ShortLag), 1e-12), 1, GrowthMax);
        double variance = Math.Max(Scatter(blocks, MiddleLag), Variance(blocks));

        // The square of ratio (T / MiddleLag)^H for a T of eight middle lags, where growth = (LongLag / ShortLag)^2H.
        double carried = Math.Sqrt(variance * growth * Math.Sqrt(growth));
        double known = Math.Abs(_reference[column]) <= KnownGround ? 1 : 0;
        _deviation[column] = Math.Max(Math.Max(carried, known), DeviationMin);
    }

    private static double Scatter(ReadOnlySpan<float> blocks, int lag)
    {
        double sum = 0;
        for (int b = lag; b < blocks.Length; b++)
        {
            sum += Square((double)blocks[b] - blocks[b - lag]);
        }

        return sum / (2 * (blocks.Length - lag));
    }

    private static double Variance(ReadOnlySpan<float> blocks)
    {
        double mean = 0;
        foreach (float block in blocks)
        {
            mean += block;
        }

        mean /= blocks.Length;
        double sum = 0;
        foreach (float block in blocks)
        {
            sum += Square(block - mean);
        }

        return sum / blocks.Length;
    }

    private static double Square(double value) => value * value;
}
