using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>
/// Residuals of the model, each in units of its own recent size. The fast value is the root mean square over the channels, smoothed
/// over about two ticks. The slow value is that of the mean residual of about ten ticks, which finds a small but lasting drift.
/// </summary>
internal sealed class ResidualStatistic
{
    private const double SizeRate = 1.0 / 200;
    private const double FastRate = 0.5;
    private const double SlowRate = 1.0 / 10;
    private const double SlowSizeRate = 1.0 / 1000;

    // The state of the model settles during the first ticks, and the sizes are not known yet.
    private const int SettleTicks = 30;

    // Clips a residual, in deviations, so that the mean depends on many residuals and not on one large one.
    private const double SlowClip = 3;

    // The variance of a mean over SlowRate of independent residuals: where its own size starts.
    private const double SlowVariance = SlowRate / (2 - SlowRate);

    private readonly int[] _outputs;
    private readonly double[] _variance;
    private readonly double[] _fast;
    private readonly double[] _slow;
    private readonly double[] _slowVariance;
    private readonly double[] _bias;
    private int _calmTicks;

    internal ResidualStatistic(ModelManifest manifest, int[] outputs)
    {
        _outputs = outputs;
        _variance = outputs.Select(k => manifest.OutputRmse?[k] ?? 1).Select(rmse => Math.Max(1e-12, rmse * rmse)).ToArray();
        _fast = new double[outputs.Length];
        _slow = new double[outputs.Length];
        _slowVariance = [.. Enumerable.Repeat(SlowVariance, outputs.Length)];
        _bias = new double[outputs.Length];
    }

    internal double Fast { get; private set; }

    internal double Slow { get; private set; }

    internal void Archive(StreamSnapshot snapshot)
    {
        foreach (double[] values in Arrays)
        {
            snapshot.Fields<double>(values);
        }

        Fast = snapshot.Field(Fast);
        Slow = snapshot.Field(Slow);
        _calmTicks = snapshot.Field(_calmTicks);
    }

    /// <summary>Takes the residuals of one tick, in standard deviations of their columns, NaN where there is none.</summary>
    /// <returns>Whether there was any.</returns>
    internal bool Observe(ReadOnlySpan<float> errors, bool isCalm)
    {
        bool any = false;
        _calmTicks += isCalm && _calmTicks < int.MaxValue ? 1 : 0;
        double fast = 0;
        double slow = 0;
        for (int i = 0; i < _outputs.Length; i++)
        {
            float error = errors[_outputs[i]];
            if (!float.IsNaN(error))
            {
                any = true;
                Take(i, error, isCalm);
            }

            fast += _fast[i];
            slow += _slow[i] * _slow[i] / _slowVariance[i];
        }

        Fast = Math.Sqrt(fast / _outputs.Length);
        Slow = Math.Sqrt(slow / _outputs.Length);
        return any;
    }

    /// <summary>Part of watched output <paramref name="at"/> in the fast value, in its units squared.</summary>
    internal double FastPart(int at) => _fast[at];

    /// <summary>Part of watched output <paramref name="at"/> in the slow value, in its units squared.</summary>
    internal double SlowPart(int at) => _slow[at] * _slow[at] / _slowVariance[at];

    /// <summary>The mean residual of watched output <paramref name="at"/>, less its usual one, in its usual size.</summary>
    internal double SlowDeviation(int at) => _slow[at] / Math.Sqrt(_slowVariance[at]);

    private void Take(int i, double error, bool isCalm)
    {
        double square = error * error;
        _fast[i] += FastRate * ((square / _variance[i]) - _fast[i]);
        double standard = Math.Clamp(error / Math.Sqrt(_variance[i]), -SlowClip, SlowClip);
        _slow[i] += SlowRate * (standard - _bias[i] - _slow[i]);
        if (isCalm)
        {
            // Values beyond three deviations say little about the usual size. The first ticks count equally.
            double first = 1.0 / _calmTicks;
            double limited = _calmTicks < SettleTicks ? square : Math.Min(square, 9 * _variance[i]);
            _variance[i] = Math.Max(1e-12, _variance[i] + (Math.Max(first, SizeRate) * (limited - _variance[i])));
            _bias[i] += Math.Max(first, SlowSizeRate) * (standard - _bias[i]);
            double slowSquare = Math.Min(_slow[i] * _slow[i], 9 * _slowVariance[i]);
            _slowVariance[i] = Math.Max(
                SlowVariance / 4,
                _slowVariance[i] + (Math.Max(first, SlowSizeRate) * (slowSquare - _slowVariance[i])));
        }
    }

    private double[][] Arrays => [_variance, _fast, _slow, _slowVariance, _bias];
}
