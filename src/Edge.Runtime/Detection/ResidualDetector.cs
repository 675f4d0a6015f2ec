using Edge.Inference.Models;
using Edge.Runtime.Configuration;

namespace Edge.Runtime.Detection;

/// <summary>What a tick did to the anomaly.</summary>
internal enum AnomalyChange
{
    None,
    Opened,
    Updated,
    Closed,
}

/// <summary>
/// Watches the one-step residuals. Each channel's residual is measured in its own recent size; their root mean square over
/// the channels, smoothed, is the score. A score above the threshold for long enough opens an anomaly. docs/detection.md.
/// </summary>
internal sealed class ResidualDetector
{
    /// <summary>Scores the threshold is taken from before the first alarm is possible.</summary>
    internal const int WarmUpTicks = 60;

    private const int WindowTicks = 256;
    private const int RecomputeTicks = 16;
    private const double ResidualRate = 1.0 / 200;
    private const double ScoreRate = 0.5;

    // An anomaly closes below this share of the threshold: hysteresis.
    private const double CloseShare = 0.7;
    private const int UpdateTicks = 60;

    private readonly int[] _outputs;
    private readonly double[] _variance;
    private readonly double[] _meanSquare;
    private readonly double[] _window = new double[WindowTicks];
    private readonly double[] _sorted = new double[WindowTicks];
    private readonly double _deviations;
    private readonly int _minDurationTicks;
    private long _scored;
    private int _above;
    private int _below;
    private long _openTicks;

    internal ResidualDetector(ModelManifest manifest, AnomalyConfig config)
    {
        // Of each column, the output with the nearest horizon.
        _outputs = Enumerable.Range(0, manifest.Outputs.Count)
            .GroupBy(k => manifest.Outputs[k].Column)
            .Select(group => group.MinBy(k => manifest.Outputs[k].TicksAhead))
            .ToArray();
        _variance = _outputs.Select(k => manifest.OutputRmse?[k] ?? 1).Select(rmse => Math.Max(1e-12, rmse * rmse)).ToArray();
        _meanSquare = new double[_outputs.Length];
        _minDurationTicks = config.MinDurationTicks;
        _deviations = config.Sensitivity switch { Sensitivity.Low => 12, Sensitivity.High => 6, _ => 8 };
        Threshold = double.PositiveInfinity;
    }

    /// <summary>Outputs whose residuals are watched, one a column.</summary>
    internal ReadOnlySpan<int> Outputs => _outputs;

    /// <summary>How abnormal this tick is: 1 is what the model's own errors are like.</summary>
    internal double Score { get; private set; }

    internal double Threshold { get; private set; }

    internal bool IsOpen { get; private set; }

    /// <summary>Largest score since the anomaly opened.</summary>
    internal double PeakScore { get; private set; }

    /// <summary>Share of the watched output <paramref name="at"/> in the score, 0..1.</summary>
    internal double Share(int at)
    {
        double sum = _meanSquare.Sum();
        return sum > 0 ? _meanSquare[at] / sum : 0;
    }

    internal void Save(BinaryWriter to)
    {
        foreach (double value in (ReadOnlySpan<double>)[.. _variance, .. _meanSquare, .. _window, Score, Threshold, PeakScore])
        {
            to.Write(value);
        }

        to.Write(IsOpen);
        to.Write(_scored);
        to.Write(_above);
        to.Write(_below);
        to.Write(_openTicks);
    }

    internal void Load(BinaryReader from)
    {
        foreach (double[] values in new[] { _variance, _meanSquare, _window })
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = from.ReadDouble();
            }
        }

        Score = from.ReadDouble();
        Threshold = from.ReadDouble();
        PeakScore = from.ReadDouble();
        IsOpen = from.ReadBoolean();
        _scored = from.ReadInt64();
        _above = from.ReadInt32();
        _below = from.ReadInt32();
        _openTicks = from.ReadInt64();
    }

    /// <summary>Takes the residuals of one tick, in standard deviations of their columns, NaN where there is none.</summary>
    internal AnomalyChange Observe(ReadOnlySpan<float> errors)
    {
        bool any = false;
        double sum = 0;
        for (int i = 0; i < _outputs.Length; i++)
        {
            float error = errors[_outputs[i]];
            if (!float.IsNaN(error))
            {
                any = true;
                double square = (double)error * error;
                _meanSquare[i] += ScoreRate * ((square / _variance[i]) - _meanSquare[i]);
                if (!IsOpen)
                {
                    // A residual beyond three deviations says little about the usual ones.
                    _variance[i] = Math.Max(1e-12, _variance[i] + (ResidualRate * (Math.Min(square, 9 * _variance[i]) - _variance[i])));
                }
            }

            sum += _meanSquare[i];
        }

        if (!any)
        {
            return AnomalyChange.None;
        }

        Score = Math.Sqrt(sum / _outputs.Length);
        AnomalyChange change = Decide();
        if (!IsOpen)
        {
            Learn();
        }

        return change;
    }

    private AnomalyChange Decide()
    {
        _above = Score > Threshold ? _above + 1 : 0;
        _below = Score < CloseShare * Threshold ? _below + 1 : 0;
        if (!IsOpen)
        {
            if (_above < _minDurationTicks)
            {
                return AnomalyChange.None;
            }

            IsOpen = true;
            PeakScore = Score;
            _openTicks = 0;
            _below = 0;
            return AnomalyChange.Opened;
        }

        _openTicks++;
        PeakScore = Math.Max(PeakScore, Score);
        if (_below >= _minDurationTicks)
        {
            IsOpen = false;
            _above = 0;
            return AnomalyChange.Closed;
        }

        return _openTicks % UpdateTicks == 0 ? AnomalyChange.Updated : AnomalyChange.None;
    }

    // Median plus so many robust deviations (1.4826·MAD) of the scores of the calm ticks.
    private void Learn()
    {
        // Outliers on the way to an alarm do not raise the bar for it.
        _window[_scored % WindowTicks] = double.IsPositiveInfinity(Threshold) ? Score : Math.Min(Score, Threshold);
        _scored++;
        if (_scored < WarmUpTicks || _scored % RecomputeTicks != 0)
        {
            return;
        }

        Span<double> sorted = _sorted.AsSpan(0, (int)Math.Min(_scored, WindowTicks));
        _window.AsSpan(0, sorted.Length).CopyTo(sorted);
        sorted.Sort();
        double median = sorted[sorted.Length / 2];
        for (int i = 0; i < sorted.Length; i++)
        {
            sorted[i] = Math.Abs(sorted[i] - median);
        }

        sorted.Sort();
        Threshold = median + Math.Max(1.5, _deviations * 1.4826 * sorted[sorted.Length / 2]);
    }
}
