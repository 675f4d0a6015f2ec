using System.Numerics;
using System.Runtime.Intrinsics;

namespace Edge.Streams.Detection;

/// <summary>The life of an anomaly: when it opens, is updated, closes or is accepted, and what is learned from it.</summary>
internal sealed partial class AnomalyDetector
{
    private Kind _largestKind;
    private Kind _openedBy;

    // The channel that had the largest score when the last anomaly opened; and for how many ticks a fault that shows only at times has to
    // stay away.
    private int _openedAt;
    private int _recurrenceTicks;
    private int _largestChannel;

    private void Judge()
    {
        Score = 0;
        Array.Clear(_scores);
        SetQuotients();
        for (int kind = 0; kind < KindCount && IsWarm; kind++)
        {
            ReadOnlySpan<float> quotients = _quotient.AsSpan(kind * _channels, _channels);
            float largest = Largest(quotients);
            _scores[(int)CauseOf((Kind)kind)] = largest;
            if (largest > Score)
            {
                Score = largest;
                _largestKind = (Kind)kind;
                _largestChannel = quotients.IndexOf(largest);
            }
        }
    }

    // 0 if none is larger.
    private static float Largest(ReadOnlySpan<float> quotients)
    {
        float largest = 0;
        if (quotients.Length >= Vector256<float>.Count)
        {
            Vector256<float> most = Vector256<float>.Zero;
            for (; quotients.Length >= Vector256<float>.Count; quotients = quotients[Vector256<float>.Count..])
            {
                most = Vector256.Max(most, Vector256.Create(quotients));
            }

            Vector128<float> half = Vector128.Max(most.GetLower(), most.GetUpper());
            largest = Math.Max(Math.Max(half[0], half[1]), Math.Max(half[2], half[3]));
        }

        foreach (float quotient in quotients)
        {
            largest = Math.Max(largest, quotient);
        }

        return largest;
    }

    // What was muted counts again as it shrinks.
    private void SetQuotients()
    {
        int at = 0;
        for (; at <= _ratio.Length - Vector256<float>.Count; at += Vector256<float>.Count)
        {
            Vector256<float> ratio = Vector256.LoadUnsafe(ref _ratio[at]);
            Vector256<float> width = Vector256.LoadUnsafe(ref _width[at]);
            Vector256<float> remainder = Vector256.Max(Vector256<float>.One, (float)MuteFactor * ratio / width);
            Vector256<float> mute = Vector256.Min(Vector256.LoadUnsafe(ref _mute[at]), remainder);
            mute.StoreUnsafe(ref _mute[at]);
            (ratio / (mute * width)).StoreUnsafe(ref _quotient[at]);
        }

        for (; at < _ratio.Length; at++)
        {
            _mute[at] = Math.Min(_mute[at], Remainder(at));
            _quotient[at] = _ratio[at] / (_mute[at] * _width[at]);
        }
    }

    private AnomalyChange Decide()
    {
        if (_silence > 0)
        {
            bool wasOpen = IsOpen;
            (IsOpen, _above, _below, _coolDown, _silence, _isAccepted) = (false, 0, 0, _silence, 0, false);
            return wasOpen ? AnomalyChange.Silenced : AnomalyChange.None;
        }

        return IsOpen ? Continue() : Open();
    }

    private AnomalyChange Open()
    {
        // A score of three is as good as three ticks of one. A pattern spans several ticks already.
        bool isPattern = Score >= 1 && ScoreOf(AnomalyCause.Pattern) >= 1;
        _above = isPattern ? _minDurationTicks : Score >= 1 ? _above + (int)Math.Min(Score, _minDurationTicks) : 0;
        _coolDown = Math.Max(0, _coolDown - 1);
        _damped = Math.Max(0, _damped - 1);
        if (_above < _minDurationTicks || _coolDown > 0 || (_damped > 0 && Score < DoubtedPeakMax))
        {
            return AnomalyChange.None;
        }

        IsOpen = true;
        NoteRecurrence();
        (_openedBy, _faultyLevel, _otherTicks) = (_largestKind, double.NaN, 0);
        PeakScore = Score;
        _openTicks = 0;
        _below = 0;
        Array.Clear(_peak);
        Array.Clear(_excess);
        Array.Clear(_backRows);
        Array.Clear(_openRow);
        Array.Clear(_openResidual);
        Array.Clear(_blame);
        NotePeaks();
        NoteShares();
        Blame();
        _asExpected?.CopyFrom(_recent!);
        return AnomalyChange.Opened;
    }

    private AnomalyChange Continue()
    {
        if (_hasReturned)
        {
            (IsOpen, _above, _coolDown) = (false, 0, Math.Max(_coolDown, _closeTicks));
            return AnomalyChange.Closed;
        }

        if (IsOfAnotherChannel())
        {
            return Replace();
        }

        _openTicks++;
        NotePeaks();
        bool isUpdate = _openTicks % UpdateTicks == 0;
        if (Score >= 1 && (isUpdate || BitOperations.IsPow2(_openTicks)))
        {
            NoteShares();
        }

        if (Score >= 1 && isUpdate)
        {
            Blame();
        }

        double score = MainScore(out bool isOfCharts);
        _below = score >= CloseScore ? 0 : IsAtAnotherLevel ? _below : _below + 1;
        bool isAccepted = _openTicks >= _adaptTicks || _isAccepted;
        _isAccepted = false;
        if (_below < (isOfCharts ? Math.Max(_closeTicks, _recurrenceTicks) : _minDurationTicks) && !isAccepted)
        {
            return isUpdate ? AnomalyChange.Updated : AnomalyChange.None;
        }

        IsOpen = false;
        _above = 0;
        bool isOften = _soon > 0 && _ticks - _closedAt < _allowedTicks;
        BeginCoolDown();
        Learn(isAccepted, isOften);
        return isAccepted ? AnomalyChange.Accepted : AnomalyChange.Closed;
    }

    // Where small anomalies of one channel follow one another soon, the fault shows only at times. From the third on, it is over when it
    // has stayed away for longer than between the last two.
    private void NoteRecurrence()
    {
        long after = _ticks - _closedAt;
        bool recurs = _soon >= SoonFree && _openedAt == _largestChannel && after < SoonFactor * _coolDownTicks;
        _recurrenceTicks = recurs ? (int)(RecurrenceFactor * after) : 0;
        _openedAt = _largestChannel;
    }

    // A plant that is often slightly abnormal is not worth an alarm each time. A pattern becomes known by itself, and what was far beyond
    // its limit was no mistake.
    private void BeginCoolDown()
    {
        _coolDown = _coolDownTicks;
        if (_openedBy == Kind.Pattern || PeakScore >= DoubtedPeakMax)
        {
            return;
        }

        bool isSoon = _soon > 0 && _ticks - _closedAt < SoonFactor * CoolDownAfter(_soon);
        _soon = isSoon ? Math.Min(_soon + 1, SoonMax) : 1;
        _closedAt = _ticks;
        _damped = CoolDownAfter(_soon);
    }

    // The first few of a row of anomalies count as single ones; from then on each doubles the time.
    private long CoolDownAfter(int anomalies) =>
        Math.Min(_coolDownTicks << Math.Max(0, anomalies - SoonFree), Math.Max(_adaptTicks, _coolDownTicks));

    // The factor below which what is left of an anomaly does not count.
    private float Remainder(int at) => Math.Max(1, (float)MuteFactor * _ratio[at] / _width[at]);

    private void NotePeaks()
    {
        PeakScore = Math.Max(PeakScore, Score);
        NoteFaultyLevel();
        for (int at = 0; at < _peak.Length; at++)
        {
            _peak[at] = Math.Max(_peak[at], _quotient[at]);
            var kind = (Kind)(at / _channels);
            if (ChartOf(kind) is { } chart && (kind == Kind.Level ? _isInLevels : _isInRelations))
            {
                NoteExcess(at, chart);
            }
        }
    }

    // The largest score of what is the anomaly's own. Each sort is compared with its like: a jump is far beyond what the model forecast,
    // until the model has followed it, while the level that it left stays wrong; and a pattern soon becomes known.
    private double MainScore(out bool isOfCharts)
    {
        isOfCharts = false;
        double largest = 0;
        double leastOfCharts = LeastOfMain(Kind.Level, Kind.Relation);
        double leastOfPatterns = LeastOfMain(Kind.Pattern, Kind.Pattern);
        double leastOfNoise = LeastOfMain(Kind.Noise, Kind.Noise);
        double leastOfRest = LeastOfMain(Kind.Residual, Kind.Sensor);
        for (int at = 0; at < _peak.Length; at++)
        {
            var kind = (Kind)(at / _channels);
            bool isOfChart = kind is Kind.Level or Kind.Relation;
            bool isMain = _peak[at] >= kind switch
            {
                Kind.Level or Kind.Relation => leastOfCharts,
                Kind.Pattern => leastOfPatterns,
                Kind.Noise => leastOfNoise,
                _ => leastOfRest,
            };
            float quotient = _quotient[at];

            // Beside a channel outside of its range the main ones may not be judged: then all that is beyond its limit counts.
            bool counts = isMain || (_strangers > 0 && isOfChart && quotient >= 1);
            largest = counts ? Math.Max(largest, quotient) : largest;
            isOfCharts |= isMain && (isOfChart || kind == Kind.Noise);
        }

        return largest;
    }

    private EwmaChart? ChartOf(Kind kind) => kind switch
    {
        Kind.Level => Levels,
        Kind.Relation => _relation,
        _ => null,
    };

    // The least peak that is the anomaly's own, among some kinds.
    private double LeastOfMain(Kind first, Kind last)
    {
        float largest = 0;
        for (int at = (int)first * _channels; at < ((int)last + 1) * _channels; at++)
        {
            largest = Math.Max(largest, _peak[at]);
        }

        return Math.Max(1, MainShare * largest);
    }

    // What the anomaly leaves behind is known from now on; what was accepted is normal to every part.
    private void Learn(bool isAccepted, bool isOften)
    {
        if (isAccepted && Levels is { } levels)
        {
            Accept(levels);
        }

        for (int at = 0; at < _peak.Length; at++)
        {
            if (_peak[at] > 1 && (Kind)(at / _channels) is not (Kind.Residual or Kind.Sensor))
            {
                Widen(at, isAccepted);
            }
        }

        if (isOften && !isAccepted && PeakScore < DoubtedPeakMax && _openedBy is Kind.Level or Kind.Relation or Kind.Noise)
        {
            Doubt(_openedBy);
        }

        for (int at = 0; at < _peak.Length; at++)
        {
            _mute[at] = (Kind)(at / _channels) == Kind.Noise ? 1 : Remainder(at);
        }
    }

    // What was accepted is taken off the readings, apart from noise, which has no level. Limits that are far wider would hide the next
    // fault for months.
    private void Widen(int at, bool isAccepted)
    {
        var kind = (Kind)(at / _channels);
        bool isNoise = isAccepted && kind == Kind.Noise;
        double power = isNoise ? AcceptedNoisePower
            : isAccepted ? AcceptedPower
            : kind == Kind.Pattern ? PatternPower
            : _openTicks < BriefTicks ? BriefPower
            : ClosedPower;
        double peak = isNoise ? _peak[at] : Math.Min(_peak[at], isAccepted ? AcceptedPeakMax : DoubtedPeakMax);
        _width[at] *= (float)PortableMath.Exp(power * PortableMath.Log(peak));
    }

    // The limits are all of the same calibration rows: where one was too narrow, others are, too.
    private void Doubt(Kind kind)
    {
        for (int at = (int)kind * _channels; at < ((int)kind + 1) * _channels; at++)
        {
            float widened = _width[at] * (_peak[at] > 1 ? DoubtedWidening : DoubtedWideningOfOthers);
            _width[at] = Math.Max(_width[at], Math.Min(widened, DoubtedWidthMax));
        }
    }

    // What has lasted so long is normal from now on, to every part: the shift that explains it is taken off the readings.
    private void Accept(EwmaChart levels)
    {
        int blamed = -1;
        bool hasRelation = UsesProfile && _relation is not null;
        if (hasRelation)
        {
            int offLevel = OffLevel(levels);
            (blamed, double shift) = offLevel >= 0 ? (offLevel, levels.FromLevel(offLevel).Off) : ExplainShift();
            Shift(blamed, (float)shift);
        }

        for (int channel = 0; channel < _channels; channel++)
        {
            if (channel != blamed && _peak[channel] > 1 && (!hasRelation || levels.Ratios[channel] >= 1))
            {
                Shift(channel, levels.HasLevels(channel) ? levels.FromLevel(channel).Off : _openRow[channel] - levels.Center(channel));
            }

            levels.Restart(channel);
            _relation?.Restart(channel);
        }
    }

    // The channel that was farthest from its operating levels; -1 if none was.
    private int OffLevel(EwmaChart levels)
    {
        int farthest = -1;
        for (int channel = 0; channel < _channels; channel++)
        {
            bool isFarther = levels.HasLevels(channel) && _peak[channel] > Math.Max(1, farthest < 0 ? 0 : _peak[farthest]);
            farthest = isFarther ? channel : farthest;
        }

        return farthest;
    }

    private void Shift(int channel, float shift)
    {
        _shift[channel] += shift;
        if (_recent is not null)
        {
            _recent.CopyFrom(_asExpected!, channel);
        }
    }
}
