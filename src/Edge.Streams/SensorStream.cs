using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams.Detection;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;
using Edge.Streams.Imputation;
using Edge.Streams.Limits;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Streams;

/// <summary>
/// One stream of readings through a model: <see cref="Step"/> takes a reading and returns the forecasts with their intervals and the
/// anomalies. The same readings give the same ticks, bit for bit. Not thread-safe; a step allocates nothing while nothing is wrong.
/// </summary>
public sealed partial class SensorStream : IDisposable
{
    // From this share of its channels on, a stream is outside what the model knows, until none is.
    private const double OutsideShareMin = 0.5;

    private readonly StreamOptions _options;
    private readonly IInferenceEngine _engine;
    private readonly ReplayLog _log;
    private readonly LastValueImputer _imputer;
    private readonly QualityLog _quality;
    private readonly Forecaster _forecaster;
    private readonly Forecast _forecast;
    private readonly NamedOutputs _named;
    private readonly AnomalyDetector _detector;
    private readonly AnomalyReporter _anomalies;
    private readonly LimitWatch _limits;
    private readonly TimeSpan _period;
    private readonly StreamTick _tick;
    private readonly double[] _lastValues;
    private CanaryModel? _canary;
    private double _falseAlarmsAWeek;
    private long _rows;
    private long _seq;
    private long _firstSeq = 1;
    private DateTime _lastTime;
    private bool _clockIsUnset;
    private bool _isOutside;
    private bool _isUsable;
    private long _forecasts;
    private long _missed;

    /// <summary>Begins a stream.</summary>
    /// <param name="engine">The model, with its own state; the stream owns it.</param>
    /// <param name="options">How readings are treated.</param>
    /// <param name="log">Log of failed channels and clock changes; null for none.</param>
    /// <exception cref="InputException">The options do not fit the model's period.</exception>
    public SensorStream(IInferenceEngine engine, StreamOptions options, ILogger? log = null)
        : this(engine, options, log ?? NullLogger.Instance, null)
    {
    }

    private SensorStream(IInferenceEngine engine, StreamOptions options, ILogger log, Forecaster? forecaster)
    {
        ModelManifest manifest = engine.Manifest;
        _options = options;
        _engine = engine;
        _log = new ReplayLog(log);
        _period = options.Period ?? TimeSpan.FromSeconds(manifest.PeriodSeconds);
        _imputer = new LastValueImputer(manifest, options.HoldTicks);
        _quality = new QualityLog(manifest, _imputer, _log);
        _forecaster = forecaster ?? new Forecaster(engine, options.Forecast.Interval, options.Forecast.SeasonTicks(_period));
        _forecast = new Forecast(_forecaster);
        _named = new NamedOutputs(_forecaster);
        _detector = new AnomalyDetector(manifest, options.Anomaly, _period);
        _falseAlarmsAWeek = options.Anomaly.FalseAlarmsAWeek;
        _anomalies = new AnomalyReporter(options.Name, manifest, _detector);
        _limits = new LimitWatch(options.Name, options.Limits, _forecaster, options.Forecast.Interval, _period);
        _lastValues = [.. Enumerable.Repeat(double.NaN, manifest.Columns.Count)];
        _tick = new StreamTick(new Reading(manifest.Columns.Count));
    }

    /// <summary>Name of the stream.</summary>
    public string Name => _options.Name;

    /// <summary>How its readings are treated.</summary>
    public StreamOptions Options => _options;

    /// <summary>The manifest: what the model reads and forecasts.</summary>
    public ModelManifest Manifest => _engine.Manifest;

    /// <summary>What computes the model.</summary>
    public IInferenceEngine Engine => _engine;

    /// <summary>Time from tick to tick.</summary>
    public TimeSpan Period => _period;

    /// <summary>Number of the last tick; 0 before the first.</summary>
    public long Seq => _seq;

    /// <summary>Rows read, including those before a restart.</summary>
    public long Rows => _rows;

    /// <summary>Time of the last row, UTC; the default before the first.</summary>
    public DateTime LastTime => _lastTime;

    /// <summary>The newest outputs of the model that are no forecasts; null before the first, or if it has none.</summary>
    public NamedOutputs? Named => _tick.Named;

    /// <summary>Whether an anomaly is open.</summary>
    public bool IsAnomalyOpen => _detector.IsOpen;

    /// <summary>The limits and where their channels are.</summary>
    public IReadOnlyList<LimitState> Limits => _limits.States;

    /// <summary>The channels with their last values, held ones included; NaN before the first.</summary>
    public IEnumerable<(string Column, double Value)> Values =>
        _tick.Seq == 0 ? [] : Manifest.Columns.Select((column, i) => (column, _lastValues[i]));

    /// <summary>The newest forecasts; none before the first.</summary>
    public IEnumerable<(string Column, double HorizonSeconds, double Value)> ForecastValues => _forecasts == 0
        ? []
        : Manifest.Outputs.Select(
            (output, k) => (Manifest.Columns[output.Column], output.TicksAhead * _period.TotalSeconds, _forecaster.Value(k)));

    /// <summary>Score of the last tick; abnormal from 1 on.</summary>
    public double AnomalyScore => _detector.Score;

    /// <summary>How the stream is doing.</summary>
    public StreamHealth Health => new()
    {
        Ticks = _rows,
        Forecasts = _forecasts,
        MissedTicks = _missed,
        Anomalies = _anomalies.Opened,
        AnomalyScore = _detector.Score,
        Coverage = _forecaster.Coverage,
        Skill = _forecaster.Skill,
        SeasonalSkill = _forecaster.SeasonalSkill,
        CorrectedForecasts = _forecaster.Corrected,
        BadTicks = _imputer.BadTicks.ToArray(),
        SaturatedTicks = _engine.InputSaturations.ToArray(),
        OutsideShare = _detector.OutsideShare,
        WarmUpRowsLeft = _detector.WarmUpRowsLeft,
        Detection = _detector.Progress(),
        StateSaturations = _engine.StateSaturations,
    };

    /// <summary>Result of the canary phase; null without a canary, and until enough ticks were compared.</summary>
    public CanaryVerdict? CanaryVerdict => _canary?.Verdict;

    /// <summary>Ticks on which the canary was compared so far; 0 without one.</summary>
    public long CanaryTicks => _canary?.Compared ?? 0;

    internal Forecaster Forecaster => _forecaster;

    // An anomaly opens some ticks after its first one; those say nothing of the model's skill either.
    private bool IsAbnormal => _detector.IsOpen || _detector.Score >= 1;

    internal AnomalyDetector Detector => _detector;

    /// <summary>
    /// The part of one cause in <see cref="AnomalyScore"/>: the largest over its channels, abnormal from 1 on; 0 during the warm-up, and
    /// before the first tick after <see cref="Resume"/>.
    /// </summary>
    /// <param name="cause">The cause.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="cause"/> is none of the named values.</exception>
    public double ScoreOf(AnomalyCause cause) =>
        Enum.IsDefined(cause)
            ? _detector.ScoreOf(cause)
            : throw new ArgumentOutOfRangeException(nameof(cause), cause, "The cause must be one of AnomalyCause.");

    /// <summary>Steps the model and the detector with one reading.</summary>
    /// <param name="reading">
    /// The row, channels in the model's order. Values that cannot be used are marked and, where possible, filled in.
    /// </param>
    /// <returns>The result of the tick; the same object at each tick.</returns>
    public StreamTick Step(Reading reading)
    {
        if (Begin(reading))
        {
            _forecaster.StepModel();
        }

        return End(reading);
    }

    /// <summary>The first half of <see cref="Step"/>: all up to the model.</summary>
    /// <returns>Whether the model is to be stepped, from the forecaster's inputs to its outputs.</returns>
    internal bool Begin(Reading reading)
    {
        _seq++;
        _rows++;
        NoteTime(reading);
        if (reading.SkippedTicks > 0)
        {
            _forecaster.Skip(_seq - 1, reading.SkippedTicks);
            _canary?.Forecaster.Skip(_seq - 1, reading.SkippedTicks);
            _missedByCanary += reading.SkippedTicks;
        }

        _imputer.Reject(reading);
        _tick.QualityChanged = _quality.Observe(Name, _seq, reading);
        bool usable = _imputer.Fill(reading);
        _forecaster.Observe(_seq, reading, IsAbnormal);
        _canary?.Observe(_seq, reading, _forecaster.ModelErrors, IsAbnormal);
        _tick.Anomaly = _anomalies.Report(_seq, reading, _detector.Observe(_forecaster.Errors, reading, usable));
        NoteOutside();
        _isUsable = usable;
        if (usable)
        {
            _forecaster.Prepare(reading);
        }

        return usable;
    }

    /// <summary>The second half of <see cref="Step"/>, after the model was stepped if it had to be.</summary>
    internal StreamTick End(Reading reading)
    {
        bool usable = _isUsable;
        if (usable)
        {
            _forecaster.Complete(_seq, IsAbnormal);
            _canary?.Step(_seq, reading, IsAbnormal);
            if (_forecaster.IsReady)
            {
                _anomalies.Expect(_forecaster);
            }
        }
        else
        {
            _missed++;
            _forecaster.SkipModel();
            _canary?.Forecaster.SkipModel();
        }

        for (int i = 0; i < _lastValues.Length; i++)
        {
            _lastValues[i] = usable || reading.Quality[i].IsMeasured() ? reading.Values[i] : double.NaN;
        }

        // The first row only initializes the state: no forecast is possible from one reading.
        bool hasOutputs = usable && _rows > 1 && _forecaster.IsReady;
        bool isForecast = hasOutputs && _forecaster.HasForecasts;
        _forecasts += isForecast ? 1 : 0;
        _tick.Limits = _limits.Observe(_seq, reading, isForecast);
        _tick.Forecast = isForecast ? _forecast : null;
        _tick.Named = hasOutputs && _forecaster.HasOthers ? _named : null;
        _tick.Seq = _seq;
        _tick.IsFirst = _seq == _firstSeq;
        _tick.Reading = reading;
        return _tick;
    }

    /// <summary>Closes an open anomaly at the next tick, and opens none for this long.</summary>
    public void Silence(TimeSpan time) => _detector.Silence(time);

    /// <summary>Takes what the open anomaly shows for normal, at the next tick; nothing happens if none is open.</summary>
    public void Accept() => _detector.Accept();

    /// <summary>Sets the expected false alarms per week, until the stream is resumed.</summary>
    public void SetSensitivity(double falseAlarmsAWeek)
    {
        _falseAlarmsAWeek = falseAlarmsAWeek;
        _detector.SetSensitivity(falseAlarmsAWeek);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _canary?.Dispose();
        _engine.Dispose();
    }

    private void NoteTime(Reading reading)
    {
        _missed += reading.SkippedTicks;
        _lastTime = reading.Time;
        if (reading.ClockJump != TimeSpan.Zero)
        {
            _log.LogWarning("{Stream}: tick {Seq}: the clock was set by {Seconds:0.#} s", Name, _seq, reading.ClockJump.TotalSeconds);
        }

        if (reading.ClockIsUnset != _clockIsUnset)
        {
            _clockIsUnset = reading.ClockIsUnset;
            _log.LogWarning("{Stream}: tick {Seq}: {What}", Name, _seq, _clockIsUnset
                ? "the clock is not synchronized; times are flagged until it is"
                : "the clock is synchronized now");
        }
    }

    // Forecasts and anomalies of such readings are guesses: the log says when that begins and ends.
    private void NoteOutside()
    {
        double share = _detector.OutsideShare;
        if (!_isOutside && (_detector.IsElsewhere || share >= OutsideShareMin))
        {
            _isOutside = true;
            _log.LogWarning(
                "{Stream}: tick {Seq}: outside what the model knows: levels are not those of its calibration rows: {Levels}. Mend a wrong "
                    + "unit or swapped channels, train it with such rows, or trust its forecasts and anomalies less",
                Name,
                _seq,
                _detector.OtherLevels());
        }
        else if (_isOutside && !_detector.IsElsewhere && share == 0)
        {
            _isOutside = false;
            _log.LogInformation("{Stream}: tick {Seq}: inside what the model knows again", Name, _seq);
        }
    }
}
