using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>
/// Combines five statistics: residual, drift, correlation, level and sensor. Each is divided by its own threshold, extrapolated to
/// the configured rate of false alarms. The largest ratio is the score; a score of 1 or more is abnormal. Enough abnormal ticks
/// open an anomaly, and enough normal ticks close it. docs/detection.md.
/// </summary>
internal sealed partial class AnomalyDetector
{
    // An anomaly closes below this score: hysteresis.
    private const double CloseScore = 0.7;
    private const int UpdateTicks = 60;

    // No tick before this one is abnormal: the state of the model and the scale of its residuals have not settled.
    private const int FirstTicks = 60;
    private const long AdaptTicksMin = 1000;
    private const int Statistics = 4;
    private const double SecondsAWeek = 7 * 86400.0;

    // In standard deviations of a normal distribution: no threshold is lower, even after a short warm-up. Levels and means are close to
    // normal (once in 10,000, once in 300,000); single residuals of real plants are far from it.
    private const double LevelQuantile = 3.719;
    private const double SlowQuantile = 4.5;
    private const double FastQuantile = 9;

    // Independent values in the fast value, per channel.
    private const int FastDegrees = 3;

    // Levels and means change little from tick to tick: only one tick in this many counts for their tail.
    private const int SlowEveryTicks = 10;
    private const int SlowWarmUp = 60;
    private const double SlowAllowance = 5;

    private readonly ModelManifest _manifest;
    private readonly int[] _outputs;
    private readonly int[] _watchedAt;
    private readonly ResidualStatistic _residual;
    private readonly CorrelationStatistic _correlation;
    private readonly LevelStatistic _level;
    private readonly SensorWatch _sensors;
    private readonly TailThreshold _fastThreshold;
    private readonly TailThreshold _slowThreshold;
    private readonly TailThreshold _correlationThreshold;
    private readonly TailThreshold _levelThreshold;
    private readonly double _fastMin;
    private readonly double _slowMin;
    private readonly double _levelMin;
    private readonly int _minDurationTicks;
    private readonly long _adaptTicks;
    private readonly long _coolDownTicks;
    private readonly TimeSpan _period;
    private int _above;
    private int _below;
    private long _silence;
    private long _observed;
    private long _openTicks;
    private long _coolDown;
    private long _ticks;

    internal AnomalyDetector(ModelManifest manifest, AnomalyOptions config, TimeSpan period)
    {
        _manifest = manifest;

        // For each column, its reconstruction or the forecast with the nearest horizon.
        _outputs = manifest.ForecastOutputs
            .Concat(Enumerable.Range(0, manifest.Outputs.Count).Where(k => manifest.Outputs[k].Kind == OutputKind.Reconstruction))
            .GroupBy(k => manifest.Outputs[k].Column)
            .Select(group => group.MinBy(k => manifest.Outputs[k].TicksAhead))
            .ToArray();
        _watchedAt =
        [
            .. Enumerable.Range(0, manifest.Columns.Count)
                .Select(column => Array.FindIndex(_outputs, k => manifest.Outputs[k].Column == column)),
        ];
        _minDurationTicks = config.MinDurationTicks;
        _adaptTicks = config.Adapt is { } adapt
            ? Math.Max(1, (long)(adapt / period))
            : Math.Max(AdaptTicksMin, (long)(TimeSpan.FromDays(1) / period));
        _coolDownTicks = (long)(config.CoolDown / period);
        _residual = new ResidualStatistic(manifest, _outputs);
        _correlation = new CorrelationStatistic(_outputs.Length);
        _level = new LevelStatistic(manifest, _adaptTicks);
        _sensors = new SensorWatch(manifest.Columns.Count);

        // Four statistics share the configured rate of false alarms.
        _period = period;
        double probability = Probability(config.FalseAlarmsAWeek);
        _fastThreshold = new TailThreshold(probability, LevelStatistic.WarmUpTicks, 1.5);
        _slowThreshold = new TailThreshold(probability * SlowEveryTicks, SlowWarmUp, 2, SlowAllowance);
        _correlationThreshold = new TailThreshold(probability * SlowEveryTicks, SlowWarmUp, 2, SlowAllowance);
        _levelThreshold = new TailThreshold(probability * SlowEveryTicks, SlowWarmUp, 1.5);
        _fastMin = RootMeanSquareBound(FastDegrees * _outputs.Length, FastQuantile);
        _slowMin = RootMeanSquareBound(_outputs.Length, SlowQuantile);
        _levelMin = RootMeanSquareBound(manifest.Columns.Count, LevelQuantile);
    }

    /// <summary>Outputs whose residuals are used, one per column.</summary>
    internal ReadOnlySpan<int> Outputs => _outputs;

    /// <summary>Score of this tick; abnormal from 1 on.</summary>
    internal double Score { get; private set; }

    internal bool IsOpen { get; private set; }

    /// <summary>Largest score since the anomaly opened.</summary>
    internal double PeakScore { get; private set; }

    /// <summary>The statistic with the largest score.</summary>
    internal AnomalyCause Cause { get; private set; }

    internal SensorWatch Sensors => _sensors;

    /// <summary>The usual level of a column, in its unit.</summary>
    internal double Usual(int column) => _level.Usual(column);

    /// <summary>Changes the expected rate of false alarms per week.</summary>
    internal void SetSensitivity(double falseAlarmsAWeek)
    {
        double probability = Probability(falseAlarmsAWeek);
        _fastThreshold.SetProbability(probability);
        _slowThreshold.SetProbability(probability * SlowEveryTicks);
        _correlationThreshold.SetProbability(probability * SlowEveryTicks);
        _levelThreshold.SetProbability(probability * SlowEveryTicks);
    }

    /// <summary>Closes an open anomaly at the next tick, and opens none for this time.</summary>
    internal void Silence(TimeSpan time) => _silence = Math.Max(1, (long)(time / _period));

    /// <summary>Share of a column in the score, 0..1.</summary>
    internal double Share(int column)
    {
        double sum = 0;
        for (int i = 0; i < _manifest.Columns.Count; i++)
        {
            sum += Part(i);
        }

        return sum > 0 ? Part(column) / sum : 0;
    }

    /// <summary>Adds one tick.</summary>
    /// <param name="errors">Residuals by output, in standard deviations of their columns, NaN where there is none.</param>
    /// <param name="reading">The row, held values filled in.</param>
    /// <param name="isUsable">Whether every channel has a value, measured or held.</param>
    internal AnomalyChange Observe(ReadOnlySpan<float> errors, Reading reading, bool isUsable)
    {
        bool isCalm = !IsOpen;
        _sensors.Observe(reading);
        bool isMeasured = _residual.Observe(errors, isCalm);
        if (_observed++ % SlowEveryTicks == 0 && _correlation.IsWatching)
        {
            _correlation.Observe(_residual, isCalm && _above == 0 && _ticks > LevelStatistic.WarmUpTicks);
        }

        bool wasWarm = _level.IsWarm;
        if (isUsable)
        {
            _level.Observe(reading.Values, isCalm);
        }

        Judge();
        AnomalyChange change = Decide();
        if (!IsOpen && _above == 0)
        {
            Learn(isMeasured, wasWarm && isUsable);
        }

        return change;
    }

    // Probability of a false alarm per tick, for one of the four statistics.
    private double Probability(double falseAlarmsAWeek) =>
        Math.Min(falseAlarmsAWeek * _period.TotalSeconds / SecondsAWeek / Statistics, 0.005);

    private void Judge()
    {
        Score = 0;
        Weigh(AnomalyCause.Level, _level.Value / _levelThreshold.AtLeast(_levelMin));
        if (_ticks >= FirstTicks)
        {
            Weigh(AnomalyCause.Residual, _residual.Fast / _fastThreshold.AtLeast(_fastMin));
        }

        // The usual residual, and how far its mean drifts from it, take longer to learn.
        if (_slowThreshold.IsWarm)
        {
            Weigh(AnomalyCause.Drift, _residual.Slow / _slowThreshold.AtLeast(_slowMin));
        }

        if (_correlationThreshold.IsWarm)
        {
            Weigh(AnomalyCause.Correlation, _correlation.Value / _correlationThreshold.AtLeast(_slowMin));
        }

        Weigh(AnomalyCause.Sensor, _sensors.Value);
    }

    // Quantile of the root mean square of standard normal values, by Wilson and Hilferty's cube root (1931).
    private static double RootMeanSquareBound(int degrees, double quantile)
    {
        double spread = 2.0 / (9 * degrees);
        double root = 1 - spread + (quantile * Math.Sqrt(spread));
        return Math.Sqrt(root * root * root);
    }

    private void Weigh(AnomalyCause cause, double score)
    {
        if (score > Score)
        {
            Score = score;
            Cause = cause;
        }
    }

    private AnomalyChange Decide()
    {
        // A score of three is as good as three ticks of one.
        if (_silence > 0)
        {
            bool wasOpen = IsOpen;
            (IsOpen, _above, _below, _coolDown, _silence) = (false, 0, 0, _silence, 0);
            return wasOpen ? AnomalyChange.Silenced : AnomalyChange.None;
        }

        _above = Score >= 1 ? _above + (int)Math.Min(Score, _minDurationTicks) : 0;
        _below = Score < CloseScore ? _below + 1 : 0;
        if (!IsOpen)
        {
            _coolDown = Math.Max(0, _coolDown - 1);
            if (_above < _minDurationTicks || _coolDown > 0)
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
        bool isAccepted = _openTicks >= _adaptTicks;
        if (_below >= _minDurationTicks || isAccepted)
        {
            IsOpen = false;
            _above = 0;
            _coolDown = _coolDownTicks;
            if (isAccepted)
            {
                _level.Accept();
            }

            return isAccepted ? AnomalyChange.Accepted : AnomalyChange.Closed;
        }

        return _openTicks % UpdateTicks == 0 ? AnomalyChange.Updated : AnomalyChange.None;
    }

    // Learn only from normal ticks, and not from those that may lead to an alarm.
    private void Learn(bool isMeasured, bool isWarm)
    {
        _ticks++;
        if (isMeasured && _ticks > FirstTicks)
        {
            _fastThreshold.Learn(_residual.Fast);
        }

        if (_ticks % SlowEveryTicks == 0)
        {
            if (isMeasured && _ticks > LevelStatistic.WarmUpTicks)
            {
                _slowThreshold.Learn(_residual.Slow);
                if (_correlation.IsWatching)
                {
                    _correlationThreshold.Learn(_correlation.Value);
                }
            }

            if (isWarm)
            {
                _levelThreshold.Learn(_level.Value);
            }
        }
    }

    private double Part(int column) => Cause switch
    {
        AnomalyCause.Level => _level.Part(column),
        AnomalyCause.Sensor => _sensors.Part(column) >= 1 ? _sensors.Part(column) : 0,
        AnomalyCause.Correlation => _watchedAt[column] < 0 ? 0 : _correlation.Part(_watchedAt[column]),
        AnomalyCause.Drift => _watchedAt[column] < 0 ? 0 : _residual.SlowPart(_watchedAt[column]),
        _ => _watchedAt[column] < 0 ? 0 : _residual.FastPart(_watchedAt[column]),
    };
}
