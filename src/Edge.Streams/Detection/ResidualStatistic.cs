using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>
/// Residuals of the model, each in units of its own recent size: the root mean square over the channels, smoothed over about two ticks,
/// against a limit from its own past. Finds what the channel does not do by itself within a tick.
/// </summary>
internal sealed class ResidualStatistic
{
    private const double SizeRate = 1.0 / 200;
    private const double FastRate = 0.5;

    // The state of the model settles during the first ticks, and the sizes are not known yet.
    private const int SettleTicks = 60;

    // Single residuals of real plants are far from normal: the limit is never below that of nine deviations, and lies at least three mean
    // excesses beyond the start of the tail.
    private const double NormalQuantile = 9;
    private const double ExcessMin = 3;

    private const float VarianceMin = 1e-12f;

    // A wild reading counts as so many limits, so that it is forgotten within some ticks; in the past that sets the limit, as less.
    private const double RatioMax = 16;
    private const double RememberedRatioMax = 1.5;

    // Independent values in the smoothed square, per channel.
    private const int Degrees = 3;
    private const int RefreshTicks = 16;

    private readonly int[] _outputs;
    private readonly float[] _varianceMin;
    private readonly float[] _variance;
    private readonly float[] _fast;
    private readonly ushort[] _bins = new ushort[TailHistogram.Bins];
    private readonly ushort[] _calibrated = [];
    private readonly int _calibrationRows;
    private readonly double _limitMin;
    private double _limit;
    private double _excesses;

    // Of the calibration rows.
    private double _calibratedLimit;
    private int _ticks;
    private int _held;

    /// <param name="manifest">The errors of the model's outputs on held-out rows.</param>
    /// <param name="outputs">Indices of the outputs that are compared, one a column.</param>
    /// <param name="changes">
    /// Root mean square change of each column from row to row, normalized; null if unknown. A model that was trained too long has tiny
    /// residuals on its training rows and large ones behind them: no residual counts that is not large beside the changes.
    /// </param>
    /// <param name="calibrated">
    /// <see cref="Bins"/> of calibration rows, which count until as many rows have been seen; empty for none.
    /// </param>
    /// <param name="calibrationRows">How many rows that were.</param>
    internal ResidualStatistic(
        ModelManifest manifest, int[] outputs, IReadOnlyList<float>? changes, ushort[] calibrated, int calibrationRows)
        : this(
            outputs,
            [.. outputs.Select(k => changes is null ? VarianceMin : Least(changes[manifest.Outputs[k].Column]))],
            [.. outputs.Select(k => manifest.OutputRmse?[k] is { } rmse ? (float)(rmse * rmse) : 1)])
    {
        _calibrated = calibrated;
        _calibrationRows = calibrationRows;
    }

    /// <summary>For residuals of the forecast that nothing changes, by column.</summary>
    /// <param name="changes">Root mean square change of each column from row to row, in the unit of the residuals.</param>
    internal ResidualStatistic(IReadOnlyList<float> changes)
        : this(
            [.. Enumerable.Range(0, changes.Count)],
            [.. changes.Select(Least)],
            [.. changes.Select(change => change * change)])
    {
    }

    private ResidualStatistic(int[] outputs, float[] varianceMin, float[] variance)
    {
        _outputs = outputs;
        _varianceMin = varianceMin;
        _variance = [.. variance.Select((value, i) => Math.Max(varianceMin[i], value))];
        _fast = new float[outputs.Length];
        _limitMin = outputs.Length == 0 ? 1 : RootMeanSquareBound(Degrees * outputs.Length, NormalQuantile);
        _limit = _limitMin;
    }

    /// <summary>How often the value was how large; see <see cref="TailHistogram"/>.</summary>
    internal ReadOnlySpan<ushort> Bins => _bins;

    /// <summary>The value over its limit; abnormal from 1 on.</summary>
    internal double Ratio { get; private set; }

    /// <summary>Position of the output with the largest part, in the list given; -1 if there is none.</summary>
    internal int LargestAt { get; private set; } = -1;

    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(_variance);
        snapshot.Fields<float>(_fast);
        snapshot.Fields<ushort>(_bins);
        _limit = snapshot.Field(_limit);
        _ticks = snapshot.Field(_ticks);
        _held = snapshot.Field(_held);
    }

    /// <summary>Sets the probability, per tick, that a calm tick is beyond the limit.</summary>
    /// <param name="probability">The probability.</param>
    /// <param name="atOnce">Whether the limit changes now; else when it is next computed, as after a restart.</param>
    internal void SetProbability(double probability, bool atOnce)
    {
        _excesses = Math.Max(ExcessMin, TailHistogram.Beyond(probability));
        _calibratedLimit = _calibrated.Length == 0 ? 0 : TailHistogram.Limit(_calibrated, _excesses);
        if (atOnce)
        {
            Refresh();
        }
    }

    /// <summary>After missed ticks the state of the model is out of date: its residuals are not judged for a while.</summary>
    internal void Skip() => _held = SettleTicks;

    /// <summary>Takes the residuals of one tick, in standard deviations of their columns, NaN where there is none.</summary>
    internal void Observe(ReadOnlySpan<float> errors, bool isCalm)
    {
        double sum = 0;
        double largest = -1;
        bool any = false;

        // The first ticks count equally.
        double rate = Math.Max(1.0 / (_ticks + 1), SizeRate);
        double most = RatioMax * RatioMax * _limit * _limit * _outputs.Length;
        for (int i = 0; i < _outputs.Length; i++)
        {
            float error = errors[_outputs[i]];
            if (!float.IsNaN(error))
            {
                any = true;
                Take(i, error, isCalm ? rate : 0, most);
            }

            sum += _fast[i];
            if (_fast[i] > largest)
            {
                largest = _fast[i];
                LargestAt = i;
            }
        }

        double value = Math.Sqrt(sum / Math.Max(1, _outputs.Length));
        bool isSettled = _ticks >= SettleTicks && _held == 0;
        Ratio = isSettled ? value / _limit : 0;
        _held = Math.Max(0, _held - 1);
        if (any)
        {
            _ticks += _ticks < int.MaxValue ? 1 : 0;
            if (isSettled && (isCalm || Ratio < 1))
            {
                TailHistogram.Add(_bins, (float)Math.Min(value, RememberedRatioMax * _limit));
            }

            if (_ticks % RefreshTicks == 0)
            {
                Refresh();
            }
        }
    }

    /// <summary>Part of the output at a position of the list, in its variances.</summary>
    internal double Part(int at) => _fast[at];

    /// <summary>Size of the last residuals of the output at a position of the list, in standard deviations of its column.</summary>
    internal double Size(int at) => Math.Sqrt(_fast[at] * (double)_variance[at]);

    // The best forecast of noise is off by half the mean square of its changes.
    private static float Least(float change) => Math.Max(VarianceMin, change * change / 2);

    private void Refresh()
    {
        double limit = TailHistogram.Limit(_bins, _excesses);
        _limit = double.IsFinite(limit) ? Math.Max(_limitMin, limit) : _limitMin;
        if (_ticks < _calibrationRows && double.IsFinite(_calibratedLimit))
        {
            _limit = Math.Max(_limit, _calibratedLimit);
        }
    }

    // Rate 0: the usual size stays as it is.
    private void Take(int i, double error, double rate, double most)
    {
        double square = error * error;
        _fast[i] += (float)(FastRate * (Math.Min(square / _variance[i], most) - _fast[i]));
        if (rate > 0)
        {
            // Values beyond three deviations say little about the usual size.
            double limited = _ticks < SettleTicks ? square : Math.Min(square, 9 * _variance[i]);
            _variance[i] = (float)Math.Max(_varianceMin[i], _variance[i] + (rate * (limited - _variance[i])));
        }
    }

    // Quantile of the root mean square of standard normal values, by Wilson and Hilferty's cube root (1931).
    private static double RootMeanSquareBound(int degrees, double quantile)
    {
        double spread = 2.0 / (9 * degrees);
        double root = 1 - spread + (quantile * Math.Sqrt(spread));
        return Math.Sqrt(root * root * root);
    }
}
