using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>
/// Combines what is known about the channels: their levels, how they go together, what they have looked like, the residuals of the model,
/// and whether the sensors answer. Each gives every channel a ratio, abnormal from 1 on; the largest is the score. docs/detection.md.
/// </summary>
internal sealed partial class AnomalyDetector
{
    // With a profile, only the means and the model's state have to settle before an anomaly may open.
    private const int ProfileWarmUpTicks = 60;

    // An anomaly closes when its main channels have been below this score for so many ticks.
    private const double CloseScore = 0.7;
    private const int CloseTicksMin = 10;

    // Main are the channels that came within this factor of the anomaly's largest score; the others only suffered from it.
    private const double MainShare = 0.5;

    // What remains of an anomaly when it closes, or is accepted, counts again once it has grown by this factor.
    private const double MuteFactor = 1.5;

    // An anomaly that closes by itself widens the limits it exceeded: by this power of its largest ratio, by more if it was brief, and by
    // most if it is accepted, above all those of noise, which has no level to be taken off. A larger ratio than this was not a mistake, or
    // is explained by what is taken off.
    private const double DoubtedPeakMax = 2;
    private const double ClosedPower = 0.1;
    private const double BriefPower = 0.3;
    private const double PatternPower = 0.03;
    private const int BriefTicks = 60;
    private const double AcceptedPower = 0.5;
    private const double AcceptedPeakMax = 4;
    private const double AcceptedNoisePower = 1.2;
    private const double WidthDecay = 0.99;

    // One that was also small, and came sooner after another than the sensitivity allows, may have been a false alarm: it widens the limits
    // of its kind, those that it exceeded by more. They narrow again with time. That alarms widen and time narrows is the idea of adaptive
    // conformal inference (Gibbs and Candès 2021); its guarantee does not hold here, as the widening is bounded.
    private const float DoubtedWidening = 1.3f;
    private const float DoubtedWideningOfOthers = 1.1f;
    private const float DoubtedWidthMax = 4;

    private const int UpdateTicks = 60;
    private const int CoolDownTicksDefault = 60;

    // A small anomaly soon after the last one, within so many of the times that small ones are held back for, doubles that time.
    private const int SoonFactor = 10;
    private const int SoonFree = 2;
    private const int SoonMax = 20;

    // A fault that comes and goes is over when it has stayed away for so many times the ticks between the last two anomalies.
    private const double RecurrenceFactor = 1.5;
    private const long AdaptTicksMin = 1000;
    private const double SecondsAWeek = 7 * 86400.0;

    // After so many missed ticks the past says little about the present.
    private const int GapTicks = 3;
    private const int GapSettleTicks = 20;

    private const float Beyond = 1.1f;

    // Values of so many deviations about the one at which a channel rests are the same, as they are rounded in the profile.
    private const double RestWidth = 1e-4;

    // The profile of the calibration rows is trusted ten times as long as the stream's own past.
    private const double ProfileTrust = 10;

    private readonly ModelManifest _manifest;

    // The profile of the model, and the one in use: the same, or that of the stream's own first rows.
    private readonly NormalProfile? _shipped;
    private NormalProfile? _profile;

    // What stands for all else in a stream without a model, or null.
    private readonly RangeWatch? _ranges;
    private readonly int _channels;
    private readonly int[] _outputs;
    private readonly int[] _watchedAt;
    private readonly ResidualStatistic _residual;
    private RecentMeans? _recent;
    private EwmaChart? _relation;
    private NoiseChart? _noise;
    private SwitchChart? _switches;
    private DayCourse _course;
    private readonly PatternMemory? _patterns;
    private readonly SensorWatch _sensors;

    // What the stream's own first rows have shown; null once it is known that the levels of the profile hold.
    private WarmUpChart? _warmUp;

    // The first rows themselves, of which a profile is learned where that of the model has no levels; null from then on.
    private FirstRows? _firstRows;

    // The levels of the profile, and those that the stream's own warm-up has shown.
    private EwmaChart? _profileLevels;
    private EwmaChart? _ownLevels;
    private bool _isElsewhere;
    private float[] _features;
    private float[] _terms;
    private readonly float[] _predicted;
    private readonly float[] _row;
    private readonly float[] _patternRow;
    private readonly float[] _change;

    // From the channel's unit to calm deviations; NaN of a symbol, which has no noise.
    private readonly double[] _changeScale;
    private readonly float[] _known;

    // Of the manifest.
    private readonly double[] _center;
    private readonly double[] _deviation;

    // How far each channel went on the calibration rows, and a little farther: a relation says nothing about what lies beyond.
    private float[] _range;

    // What was accepted: it is taken off the row. And what the open anomaly shows on average, of rows and of their linear residuals.
    private readonly float[] _shift;
    private readonly float[] _openRow;
    private readonly float[] _openResidual;
    private readonly int _minDurationTicks;
    private readonly int _closeTicks;
    private readonly long _adaptTicks;
    private readonly long _coolDownTicks;
    private readonly TimeSpan _period;

    // [kinds, channels]: the ratios of this tick, what they are divided by, and the largest quotients of the open anomaly. [causes]: the
    // score of each.
    private readonly float[] _ratio;
    private readonly float[] _mute;
    private readonly float[] _width;
    private readonly float[] _quotient;
    private readonly float[] _peak;

    // [chart kinds, channels]: how far the means that were beyond their limits have gone since the anomaly opened.
    private readonly float[] _excess;

    // And for how many rows they have been back.
    private readonly int[] _backRows;
    private readonly double[] _scores = new double[Enum.GetValues<AnomalyCause>().Length];
    private double _falseAlarmsAWeek;
    private double _probability;

    // Ticks in which the sensitivity allows one false alarm.
    private double _allowedTicks;
    private int _above;
    private int _below;
    private long _silence;
    private bool _isAccepted;
    private bool _hasReturned;

    // Channels outside the range of the calibration rows at this tick; and whether its row is in the charts of levels and of relations.
    private int _strangers;
    private bool _isInLevels;
    private bool _isInRelations;
    private long _openTicks;
    private long _coolDown;

    // After a row of small anomalies: ticks in which only a large score opens one.
    private long _damped;
    private int _soon;
    private long _closedAt;
    private long _ticks;
    private int _held;
    private int _unsettled;

    // Ticks since the last usable row: what a sensor that gives no value has missed is a gap.
    private long _unusable;

    /// <exception cref="ModelFormatException">The manifest's profile is damaged.</exception>
    internal AnomalyDetector(ModelManifest manifest, AnomalyOptions config, TimeSpan period)
    {
        _manifest = manifest;
        _channels = manifest.Columns.Count;
        _period = period;

        // For each column, its reconstruction or the forecast with the nearest horizon.
        _outputs = manifest.ForecastOutputs
            .Concat(Enumerable.Range(0, manifest.Outputs.Count).Where(k => manifest.Outputs[k].Kind == OutputKind.Reconstruction))
            .GroupBy(k => manifest.Outputs[k].Column)
            .Select(group => group.MinBy(k => manifest.Outputs[k].TicksAhead))
            .ToArray();
        _watchedAt =
        [
            .. Enumerable.Range(0, _channels).Select(column => Array.FindIndex(_outputs, k => manifest.Outputs[k].Column == column)),
        ];
        _minDurationTicks = config.MinDurationTicks;
        _closeTicks = Math.Max(CloseTicksMin, config.MinDurationTicks);
        _adaptTicks = config.Adapt is { } adapt
            ? Math.Max(1, (long)(adapt / period))
            : Math.Max(AdaptTicksMin, (long)(TimeSpan.FromDays(1) / period));
        _coolDownTicks = config.CoolDown is { } coolDown ? (long)(coolDown / period) : CoolDownTicksDefault;

        _shipped = NormalProfile.Of(manifest);
        _ranges = manifest.IsTrained ? null : new RangeWatch(_channels);
        _residual = new ResidualStatistic(manifest, _outputs, _shipped?.Change, _shipped?.Jumps ?? [], _shipped?.Rows ?? 0);
        _sensors = new SensorWatch(_channels, manifest.SymbolColumn);
        _shipped?.Longest.CopyTo(_sensors.Longest);
        SetRests();
        _patterns = _shipped?.Patterns
            ?? (manifest.IsTrained && _channels <= NormalProfileLearner.ColumnsMax ? new PatternMemory(_channels) : null);
        _firstRows = _shipped is { HasLevels: false } && FirstRows.Suffice(_channels) ? new FirstRows(_channels) : null;
        _warmUp = manifest.IsTrained && _firstRows is null ? new WarmUpChart(_channels) : null;
        Use(_shipped);
        _predicted = new float[_channels];
        _row = new float[_channels];
        _patternRow = new float[_channels];
        _change = new float[_channels];
        _changeScale =
        [
            .. Enumerable.Range(0, _channels).Select(channel => channel == manifest.SymbolColumn
                ? double.NaN
                : (_shipped?.Scale[channel] ?? 1) / manifest.Std[channel]),
        ];
        _known = new float[_channels];
        _expectedRow = new float[_channels];
        _center = [.. manifest.Mean];
        _deviation = [.. manifest.Std];
        _shift = new float[_channels];
        _openRow = new float[_channels];
        _openResidual = new float[_channels];
        _ratio = new float[KindCount * _channels];
        _mute = new float[KindCount * _channels];
        _width = new float[KindCount * _channels];
        _quotient = new float[KindCount * _channels];
        _peak = new float[KindCount * _channels];
        _excess = new float[ChartKinds * _channels];
        _backRows = new int[ChartKinds * _channels];
        _blame = new float[_channels];
        Array.Fill(_mute, 1);
        Array.Fill(_width, 1);
        SetSensitivity(config.FalseAlarmsAWeek);
    }

    // What the ratios are of.
    private enum Kind
    {
        Level,
        Relation,
        Pattern,
        Residual,
        Sensor,
        Noise,
    }

    // Kinds that snapshots had before there was noise; the first of them have charts of levels, and limits that anomalies widen.
    private const int EarlierKinds = 5;
    private const int ChartKinds = 2;
    private const int WidenedKinds = 3;

    private static int KindCount { get; } = Enum.GetValues<Kind>().Length;

    /// <summary>Outputs whose residuals are used, one per column.</summary>
    internal ReadOnlySpan<int> Outputs => _outputs;

    /// <summary>Score of this tick; abnormal from 1 on.</summary>
    internal double Score { get; private set; }

    internal bool IsOpen { get; private set; }

    /// <summary>Largest score since the anomaly opened.</summary>
    internal double PeakScore { get; private set; }

    /// <summary>What has the largest score.</summary>
    internal AnomalyCause Cause => CauseOf(_largestKind);

    /// <summary>Whether relations are with the time of day alone.</summary>
    internal bool FollowsTimeAlone => _channels == 1 && _relation is not null;

    internal SensorWatch Sensors => _sensors;

    /// <summary>Where a sensor has the largest score: the time of its first row without a value, or with a repeated one.</summary>
    internal DateTime? SensorFailedAt => _largestKind == Kind.Sensor ? _sensors.Since(_largestChannel) : null;

    /// <summary>
    /// Share of the channels whose level is outside what the model knows from its calibration rows, 0..1; NaN if it knows no levels.
    /// </summary>
    internal double OutsideShare { get; private set; } = double.NaN;

    private bool IsWarm => _ticks >= WarmUpRows;

    // Whether the levels and relations of the profile hold here.
    private bool UsesProfile => _profileLevels is not null && !_isElsewhere;

    private EwmaChart? Levels => UsesProfile ? _profileLevels : _ownLevels;

    /// <summary>Changes the expected rate of false alarms per week.</summary>
    /// <param name="falseAlarmsAWeek">The rate.</param>
    /// <param name="atOnce">Whether limits that are learned change now; else when they are next computed, as after a restart.</param>
    internal void SetSensitivity(double falseAlarmsAWeek, bool atOnce = true)
    {
        _falseAlarmsAWeek = falseAlarmsAWeek;
        _allowedTicks = SecondsAWeek / (falseAlarmsAWeek * _period.TotalSeconds);

        // All that is watched of all channels shares the rate.
        int watched = (_channels * (2 + (_relation is null ? 0 : 1) + (_noise is null ? 0 : 1)))
            + Enumerable.Range(0, _channels).Count(channel => _switches?.Knows(channel) == true);
        _probability = Math.Min(falseAlarmsAWeek * _period.TotalSeconds / SecondsAWeek, 0.005) / watched;
        _profileLevels?.SetProbability(_probability);
        _ownLevels?.SetProbability(_probability);
        _relation?.SetProbability(_probability);
        _noise?.SetProbability(_probability);
        _switches?.SetProbability(_probability);
        _patterns?.SetProbability(watched * _probability / _channels, atOnce);
        _residual.SetProbability(_probability, atOnce);
    }

    /// <summary>Closes an open anomaly at the next tick, and opens none for this time.</summary>
    internal void Silence(TimeSpan time) => _silence = Math.Max(1, (long)(time / _period));

    /// <summary>Takes what the open anomaly shows for normal, at the next tick.</summary>
    internal void Accept() => _isAccepted = IsOpen;

    /// <summary>The score of one cause at this tick, its largest over the channels; the largest of all causes is the score.</summary>
    internal double ScoreOf(AnomalyCause cause) => _scores[(int)cause];

    /// <summary>Adds one tick.</summary>
    /// <param name="errors">Residuals by output, in standard deviations of their columns, NaN where there is none.</param>
    /// <param name="reading">The row, held values filled in.</param>
    /// <param name="isUsable">Whether every channel has a value, measured or held.</param>
    internal AnomalyChange Observe(ReadOnlySpan<float> errors, Reading reading, bool isUsable)
    {
        bool isCalm = !IsOpen && _above == 0;
        (_isInLevels, _isInRelations) = (isUsable, false);
        NoteChanges(reading);
        _sensors.Observe(reading);
        NoteSensorsBack();
        _sensors.Ratios.CopyTo(Ratios(Kind.Sensor));
        if (reading.SkippedTicks >= GapTicks)
        {
            _residual.Skip();
        }

        _residual.Observe(errors, isCalm);
        SetResidual();
        if (isUsable && _ranges is not null)
        {
            _ranges.Observe(reading.Values);
            _ranges.Ratios.CopyTo(Ratios(Kind.Level));
            _ticks++;
        }
        else if (isUsable)
        {
            Normalize(reading.Values);
            Bridge(reading.SkippedTicks + _unusable);
            _unusable = 0;
            ObserveLevels();
            ObserveRelations(reading);
            ObserveNoise();
            ObservePatterns();
            NoteReturn();
            _ticks++;
            if (_ticks is ProfileWarmUpTicks or WarmUpChart.Rows)
            {
                EndWarmUp();
            }
        }
        else
        {
            _unusable += 1 + reading.SkippedTicks;
        }

        // A silence ends after its time, not after as many rows.
        _coolDown = Math.Max(0, _coolDown - reading.SkippedTicks);
        _damped = Math.Max(0, _damped - reading.SkippedTicks);
        Judge();
        AnomalyChange change = Decide();
        if (change is not (AnomalyChange.None or AnomalyChange.Updated))
        {
            _patterns?.MarkOld();
        }

        if (isUsable && !IsOpen && _above == 0)
        {
            Follow();
        }

        if (_ticks % UpdateTicks == 0)
        {
            OutsideShare = Outside();
        }

        return change;
    }

    private static AnomalyCause CauseOf(Kind kind) => kind switch
    {
        Kind.Level => AnomalyCause.Level,
        Kind.Relation => AnomalyCause.Correlation,
        Kind.Pattern => AnomalyCause.Pattern,
        Kind.Sensor => AnomalyCause.Sensor,
        Kind.Noise => AnomalyCause.Noise,
        _ => AnomalyCause.Residual,
    };

    private Span<float> Ratios(Kind kind) => _ratio.AsSpan((int)kind * _channels, _channels);
}
