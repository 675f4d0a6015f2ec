namespace Edge.Streams.Detection;

/// <summary>The readings compared with what is normal: levels, relations, patterns, residuals.</summary>
internal sealed partial class AnomalyDetector
{
    private void Normalize(ReadOnlySpan<double> values)
    {
        for (int channel = 0; channel < _channels; channel++)
        {
            float value = (float)((values[channel] - _center[channel]) / _deviation[channel]);
            float standard = _profile?.Standard(channel, value) ?? value;
            _row[channel] = standard - _shift[channel];
            _known[channel] = Math.Clamp(_row[channel], -_range[channel], _range[channel]);
        }

        // The number of a symbol is no level.
        if (_manifest.SymbolColumn is >= 0 and int symbol)
        {
            (_row[symbol], _known[symbol]) = (0, 0);
        }
    }

    // What the past says about the present fades with the ticks that were missed.
    private void Bridge(long skipped)
    {
        if (_ticks == 0)
        {
            _recent?.Observe(_known, isFirst: true);
            _unsettled = SettleRows;
            _patterns?.Skip(PatternRow());
        }
        else if (skipped >= GapTicks)
        {
            _profileLevels?.Skip(skipped);
            _ownLevels?.Skip(skipped);
            _relation?.Skip(skipped);
            _noise?.Skip(skipped);
            _switches?.Skip(skipped);
            Ratios(Kind.Relation).Clear();
            _recent?.Skip(_known, skipped);
            _asExpected?.Skip(_known, skipped);
            _unsettled = (int)Math.Max(_unsettled, Math.Min(2 * skipped, SettleRows));

            // A recording without a regular period has small gaps everywhere; a pattern spans more rows than they miss.
            if (skipped >= PatternMemory.DelayRows)
            {
                _patterns?.Skip(PatternRow());
                _held = GapSettleTicks;
            }
        }

        _held = Math.Max(0, _held - 1);
    }

    private void ObserveLevels()
    {
        if (_warmUp is { IsOver: false } warmUp)
        {
            warmUp.Observe(_row);
        }

        _firstRows?.Observe(_row);

        for (int channel = 0; channel < _channels; channel++)
        {
            _profileLevels?.Observe(channel, _row[channel]);
            _ownLevels?.Observe(channel, _row[channel]);
            _openRow[channel] += IsOpen ? (_row[channel] - _openRow[channel]) / (_openTicks + 1) : 0;
        }

        Levels?.Ratios.CopyTo(Ratios(Kind.Level));
        if (_isElsewhere && _ownLevels is not null)
        {
            NoteHome();
        }
    }

    // A stream that began elsewhere may come to where the profile is of: that is no anomaly. Once it is there over every span, the profile
    // holds.
    private void NoteHome()
    {
        Span<float> ratios = Ratios(Kind.Level);
        float largest = 0;
        for (int channel = 0; channel < _channels; channel++)
        {
            float ofProfile = _profileLevels!.Ratios[channel];
            largest = Math.Max(largest, ofProfile);
            ratios[channel] = Math.Min(ratios[channel], ofProfile);
        }

        if (!IsOpen && largest < CloseScore && CountStrangers() == 0)
        {
            (_isElsewhere, _ownLevels, _warmUp) = (false, null, null);
            _recent!.Observe(_known, isFirst: true);
            _unsettled = SettleRows;
        }
    }

    private void ObserveRelations(Reading reading)
    {
        if (_recent is null || _relation is null || !UsesProfile)
        {
            return;
        }

        _recent.Observe(_known, isFirst: false);

        // Where the time is wrong, it is not known what is usual.
        bool isSettled = _unsettled == 0;
        bool isCompared = isSettled && (_terms.Length == 0 || (!reading.ClockIsUnset && CalendarTerms.IsKnown(reading.Time)));
        if (isCompared)
        {
            CompareRelations(reading.Time);
            _isInRelations = true;
        }
        else
        {
            Ratios(Kind.Relation).Clear();
        }

        ObserveAsExpected(isCompared);
        _unsettled -= isSettled ? 0 : 1;
    }

    private void CompareRelations(DateTime time)
    {
        _strangers = CountStrangers();
        RelationModel model = _profile!.Relation!.Model;
        if (_terms.Length > 0)
        {
            CalendarTerms.FillAround(model.Calendar, time, _terms);
        }

        model.Features(_known, _recent!.Values, _terms, _features);
        model.Predict(_features, _predicted);
        Span<float> ratios = Ratios(Kind.Relation);
        for (int channel = 0; channel < _channels; channel++)
        {
            _predicted[channel] += _course.At(channel, _terms);
            float residual = _row[channel] - _predicted[channel];
            _openResidual[channel] += IsOpen ? (residual - _openResidual[channel]) / (_openTicks + 1) : 0;
            bool followsTime = _course.Follows(channel);
            _relation!.Observe(channel, followsTime ? model.BeyondAnHour(channel, residual, _terms, _course.Of(channel)) : residual);

            // Beside a channel that is where it never was, nothing is known about the others.
            bool isJudged = _strangers == 0 || (_strangers == 1 && IsStranger(channel));
            ratios[channel] = isJudged ? _relation.Ratios[channel] : 0;
            if (followsTime)
            {
                FollowCourse(channel);
            }
        }
    }

    private void FollowCourse(int channel)
    {
        bool isCalm = !IsOpen && _above == 0 && _relation!.Ratios[channel] < CloseScore;
        if (_course.Follow(channel, _known[channel] - _predicted[channel], _terms, isCalm, IsOpen))
        {
            _relation!.Restart(channel);
        }
    }

    private int CountStrangers()
    {
        int count = 0;
        for (int channel = 0; channel < _channels; channel++)
        {
            count += IsStranger(channel) ? 1 : 0;
        }

        return count;
    }

    // Whether the level of a channel is outside the range of the calibration rows.
    private bool IsStranger(int channel) => Math.Abs(_profileLevels!.Level(channel)) > _range[channel];

    // From the last measured value to this one; NaN where either is missing.
    private void NoteChanges(Reading reading)
    {
        for (int channel = 0; channel < _channels && _noise is not null; channel++)
        {
            _change[channel] = (float)(_sensors.Change(channel, reading) * _changeScale[channel]);
        }
    }

    private void ObserveNoise()
    {
        if (_noise is not null && UsesProfile)
        {
            _noise.Observe(_change);
            _noise.Ratios.CopyTo(Ratios(Kind.Noise));
            ObserveSwitches();
        }
        else
        {
            Ratios(Kind.Noise).Clear();
        }
    }

    // Of noise, too: a channel that is restless.
    private void ObserveSwitches()
    {
        Span<float> ratios = Ratios(Kind.Noise);
        for (int channel = 0; channel < _channels && _switches is not null; channel++)
        {
            _switches.Observe(channel, _profile!.States[channel].Length > 0 ? Position(channel) : _row[channel]);
            ratios[channel] = Math.Max(ratios[channel], _switches.Ratios[channel]);
        }
    }

    private void ObservePatterns()
    {
        if (_patterns is null)
        {
            return;
        }

        _patterns.Observe(PatternRow(), IsOpen && _openedBy == Kind.Pattern);
        if (_held > 0)
        {
            Ratios(Kind.Pattern).Clear();
        }
        else
        {
            _patterns.Ratios.CopyTo(Ratios(Kind.Pattern));
        }
    }

    private void SetResidual()
    {
        Span<float> ratios = Ratios(Kind.Residual);
        ratios.Clear();
        if (_residual.LargestAt >= 0)
        {
            ratios[_manifest.Outputs[_outputs[_residual.LargestAt]].Column] = (float)_residual.Ratio;
        }
    }

    // A stream that begins elsewhere than the profile says is not what the profile is of: its own warm-up says what its levels are.
    private void EndWarmUp()
    {
        if (_ticks == ProfileWarmUpTicks)
        {
            _isElsewhere = _profileLevels is not null && AnyIsBeyond(_profileLevels.Ratios);
            _warmUp = UsesProfile ? null : _warmUp;
            Ratios(Kind.Level).Clear();
        }
        else if (_firstRows is not null)
        {
            UseFirstRows(_firstRows);
        }
        else if (_warmUp is not null)
        {
            BeginLevels(_warmUp);
        }
    }

    private void BeginLevels(WarmUpChart warmUp)
    {
        _ownLevels = new EwmaChart(_channels, WarmUpChart.Rows, warmUp.Measure());
        _ownLevels.SetProbability(_probability);
        for (int channel = 0; channel < _channels; channel++)
        {
            _ownLevels.Follow(channel, warmUp.Center(channel), rate: 1);
        }
    }

    // Calm readings move the centers, slowly.
    private void Follow()
    {
        if (!IsWarm || Levels is not { } levels)
        {
            return;
        }

        double rate = 1 / (_adaptTicks * (UsesProfile ? ProfileTrust : 1));
        for (int channel = 0; channel < _channels; channel++)
        {
            if (levels.Ratios[channel] < CloseScore)
            {
                levels.Follow(channel, _row[channel], rate);
            }
        }

        if (_ticks % _adaptTicks == 0)
        {
            foreach (ref float width in _width.AsSpan())
            {
                width = (float)(1 + ((width - 1) * WidthDecay));
            }
        }
    }

    private double Outside()
    {
        if (_profileLevels is null)
        {
            return double.NaN;
        }

        return (double)CountStrangers() / _channels;
    }
}
