namespace Edge.Streams.Detection;

/// <summary>The end of a fault: what it has left in the averages would outlast it by as many rows as they span.</summary>
internal sealed partial class AnomalyDetector
{
    // Rows for which a channel has to be back, as a share of those of the anomaly: in some states of a machine a fault does not show. In a
    // channel that follows the time of day it shows least where the course is steep.
    private const double BackRowsShare = 0.03;
    private const double BackRowsShareAtTimes = 0.2;

    // The channel that the open anomaly names, where relations say what was expected of it; else -1.
    private int _blamed = -1;

    // The recent means as they would be if each channel had been as expected since the anomaly opened.
    private RecentMeans? _asExpected;
    private readonly float[] _expectedRow;

    // The operating level at which the channel of the open anomaly is off; NaN for a channel without.
    private const double AllLevels = double.PositiveInfinity;
    private double _faultyLevel = double.NaN;

    private void Blame()
    {
        _blamed = -1;
        if (_relation is not null && UsesProfile)
        {
            double[] parts = Weigh(isOfOne: true);
            double largest = parts.Max();
            _blamed = largest > 0 ? Array.IndexOf(parts, largest) : -1;
        }
    }

    private void ObserveAsExpected(bool isPredicted)
    {
        if (!IsOpen)
        {
            return;
        }

        for (int channel = 0; channel < _channels; channel++)
        {
            _expectedRow[channel] = isPredicted
                ? Math.Clamp(_predicted[channel] + _relation!.Center(channel), -_range[channel], _range[channel])
                : _known[channel];
        }

        _asExpected!.Observe(_expectedRow, isFirst: false);
    }

    // A sensor that was stuck or silent measures again: what it has left in the means says nothing.
    private void NoteSensorsBack()
    {
        for (int channel = 0; channel < _channels && IsOpen && UsesProfile; channel++)
        {
            if (_sensors.HasReturned[channel])
            {
                Restart(_profileLevels!, Kind.Level, channel);
                if (_relation is not null)
                {
                    Restart(_relation, Kind.Relation, channel);
                    Recover(channel);
                }
            }
        }
    }

    // When what was beyond its limit is back where it belongs, the longer means forget that it was not: they would hold the anomaly open
    // for as long as they span. After a long anomaly it has to stay there for some time.
    private void NoteExcess(int at, EwmaChart chart)
    {
        int channel = at % _channels;
        _excess[at] = Math.Max(_excess[at], chart.Excess(channel));
        if (IsAtAnotherLevel && chart == Levels && channel == _openedAt)
        {
            return;
        }

        _backRows[at] = _excess[at] > 0 && chart.IsBack(channel, _excess[at]) ? _backRows[at] + 1 : 0;
        bool showsAtTimes = chart.HasLevels(channel) || (chart == _relation && _course.Follows(channel));
        if (_backRows[at] > (showsAtTimes ? BackRowsShareAtTimes : BackRowsShare) * _openTicks)
        {
            chart.Forget(channel, _excess[at]);
            (_excess[at], _backRows[at]) = (0, 0);

            // A level was itself where it never is. A relation may have been off because of another channel.
            if (_relation is not null && (chart == _profileLevels || (chart == _relation && channel == _blamed)))
            {
                Recover(channel);
            }
        }
    }

    // At another level than the one at which it is off, the anomaly's channel says nothing about the fault.
    private void NoteFaultyLevel()
    {
        if (_openedBy != Kind.Level || double.IsInfinity(_faultyLevel) || Levels is not { } levels)
        {
            return;
        }

        if (IsAtAnotherLevel && levels.IsBeyondNow(_openedAt))
        {
            _faultyLevel = AllLevels;
        }
        else if (_quotient[_openedAt] > _peak[_openedAt])
        {
            bool isOfLevels = levels.IsOfLevels(_openedAt, levels.LargestSpanAt(_openedAt));
            _faultyLevel = isOfLevels ? levels.OperatingLevel(_openedAt) : double.NaN;
        }
    }

    private bool IsAtAnotherLevel => double.IsFinite(_faultyLevel) && Levels!.OperatingLevel(_openedAt) != _faultyLevel;

    // The others were off only because this one was among their inputs, now or in the recent means.
    private void Recover(int recovered)
    {
        _recent!.CopyFrom(_asExpected!, recovered);
        for (int channel = 0; channel < _channels; channel++)
        {
            if (channel != recovered)
            {
                Restart(_relation!, Kind.Relation, channel);
            }
        }
    }

    private void Restart(EwmaChart chart, Kind kind, int channel)
    {
        chart.Restart(channel);
        int at = ((int)kind * _channels) + channel;
        (_excess[at], _backRows[at]) = (0, 0);
    }

    // What was accepted may end: the plant is back where it was before, which is no anomaly.
    private void NoteReturn()
    {
        _hasReturned = false;
        if (!Array.Exists(_shift, shift => shift != 0) || !AnyIsBeyond(_ratio.AsSpan(0, WidenedKinds * _channels)))
        {
            return;
        }

        (int channel, float shift) = LargestShift();
        EwmaChart chart = UsesProfile && _relation is not null && !Levels!.HasLevels(channel) ? _relation : Levels!;
        if (!chart.HasLeft(channel, shift))
        {
            return;
        }

        _hasReturned = true;
        Array.Clear(_shift);
        _ratio.AsSpan(..((int)Kind.Sensor * _channels)).Clear();
        for (int each = 0; each < _channels; each++)
        {
            Levels!.Restart(each);
            _relation?.Restart(each);
        }

        // The last rows had the shift taken off them: the jump is no pattern of the plant.
        _held = GapSettleTicks;
        _coolDown = Math.Max(_coolDown, _closeTicks);
    }

    private static bool AnyIsBeyond(ReadOnlySpan<float> ratios)
    {
        foreach (float ratio in ratios)
        {
            if (ratio >= 1)
            {
                return true;
            }
        }

        return false;
    }
}
