namespace Edge.Streams.Detection;

/// <summary>
/// Whether the correlation between the channels is as usual: Hotelling's T-squared of their slow residuals, that is, the squared
/// Mahalanobis length of the vector of deviations. Two channels with small deviations get a large value if they deviate against
/// each other where they used to deviate together. Computed every few ticks; the covariance is that of normal ticks.
/// </summary>
internal sealed class CorrelationStatistic
{
    /// <summary>Upper limit of the number of channels.</summary>
    internal const int ChannelsMax = 128;

    private const double Rate = 1.0 / 200;

    // A covariance of few samples is overfitted: shrink it towards uncorrelated channels.
    private const double ShrinkMin = 0.02;

    private readonly int _n;
    private readonly double[] _covariance;
    private readonly double[] _factor;
    private readonly double[] _deviation;
    private readonly double[] _solved;
    private long _samples;

    internal CorrelationStatistic(int channels)
    {
        _n = channels is >= 2 and <= ChannelsMax ? channels : 0;
        _covariance = new double[_n * _n];
        _factor = new double[_n * _n];
        _deviation = new double[_n];
        _solved = new double[_n];
        for (int i = 0; i < _n; i++)
        {
            _covariance[(i * _n) + i] = 1;
        }
    }

    /// <summary>Root of T-squared over the number of channels: about 1 where all is as usual.</summary>
    internal double Value { get; private set; }

    /// <summary>Whether there are at least two channels.</summary>
    internal bool IsWatching => _n > 0;

    /// <summary>Part of a channel in T-squared; negative if the channel makes the deviations of the others less unusual.</summary>
    internal double Part(int channel) => _n == 0 ? 0 : Math.Max(0, _deviation[channel] * _solved[channel]);

    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<double>(_covariance);
        snapshot.Fields<double>(_deviation);
        snapshot.Fields<double>(_solved);
        _samples = snapshot.Field(_samples);
        Value = snapshot.Field(Value);
    }

    /// <summary>Takes the channels' slow residuals, each in its own usual size.</summary>
    internal void Observe(ResidualStatistic residual, bool isCalm)
    {
        for (int i = 0; i < _n; i++)
        {
            _deviation[i] = residual.SlowDeviation(i);
        }

        Factorize();
        Solve();
        double sum = 0;
        for (int i = 0; i < _n; i++)
        {
            sum += _deviation[i] * _solved[i];
        }

        Value = _n == 0 ? 0 : Math.Sqrt(Math.Max(0, sum) / _n);
        if (isCalm)
        {
            Learn();
        }
    }

    private void Learn()
    {
        double rate = Math.Max(Rate, 1.0 / ++_samples);
        for (int i = 0; i < _n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                _covariance[(i * _n) + j] += rate * ((_deviation[i] * _deviation[j]) - _covariance[(i * _n) + j]);
            }
        }
    }

    // Cholesky: the lower triangle L with L·Lᵀ the shrunk covariance.
    private void Factorize()
    {
        double shrink = Math.Max(ShrinkMin, _n / (_n + Math.Min(_samples, 1 / Rate)));
        for (int i = 0; i < _n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = ((1 - shrink) * _covariance[(i * _n) + j]) + (i == j ? shrink : 0);
                for (int k = 0; k < j; k++)
                {
                    sum -= _factor[(i * _n) + k] * _factor[(j * _n) + k];
                }

                _factor[(i * _n) + j] = i == j ? Math.Sqrt(Math.Max(sum, 1e-9)) : sum / _factor[(j * _n) + j];
            }
        }
    }

    // The covariance's inverse times the deviations: forward, then backward.
    private void Solve()
    {
        for (int i = 0; i < _n; i++)
        {
            double sum = _deviation[i];
            for (int k = 0; k < i; k++)
            {
                sum -= _factor[(i * _n) + k] * _solved[k];
            }

            _solved[i] = sum / _factor[(i * _n) + i];
        }

        for (int i = _n - 1; i >= 0; i--)
        {
            double sum = _solved[i];
            for (int k = i + 1; k < _n; k++)
            {
                sum -= _factor[(k * _n) + i] * _solved[k];
            }

            _solved[i] = sum / _factor[(i * _n) + i];
        }
    }
}
