namespace Edge.Streams.Detection;

/// <summary>The end of a fault: what it has left in the averages would outlast it by as many rows as they span.</summary>
internal sealed partial class AnomalyDetector
{
    // The channel that the open anomaly names, where relations say what was expected of it; else -1.
    private int _blamed = -1;

    // The recent means as they would be if that channel had been as expected since the anomaly opened.
    private readonly RecentMeans? _asExpected;
    private readonly float[] _expectedRow;

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

        _known.CopyTo(_expectedRow, 0);
        if (isPredicted && _blamed >= 0)
        {
            float expected = _predicted[_blamed] + _relation!.Center(_blamed);
            _expectedRow[_blamed] = Math.Clamp(expected, -_range[_blamed], _range[_blamed]);
        }

        _asExpected!.Observe(_expectedRow, isFirst: false);
    }

    // When what was beyond its limit is back where it belongs, the longer means forget that it was not: they would hold the anomaly open
    // for as long as they span.
    private void NoteExcess(int at, EwmaChart chart)
    {
        int channel = at % _channels;
        _excess[at] = Math.Max(_excess[at], chart.Excess(channel));
        if (_excess[at] > 0 && chart.IsBack(channel, _excess[at]))
        {
            chart.Forget(channel, _excess[at]);
            _excess[at] = 0;
            if (chart == _relation && channel == _blamed)
            {
                Recover();
            }
        }
    }

    // The others were off only because the blamed one was among their inputs, now or in the recent means.
    private void Recover()
    {
        _recent!.CopyFrom(_asExpected!);
        for (int channel = 0; channel < _channels; channel++)
        {
            if (channel != _blamed)
            {
                _relation!.Restart(channel);
                _excess[((int)Kind.Relation * _channels) + channel] = 0;
            }
        }
    }

    // What was accepted may end: the plant is back where it was before, which is no anomaly.
    private void NoteReturn()
    {
        _hasReturned = false;
        if (!Array.Exists(_shift, shift => shift != 0) || !(AnyIsBeyond(Ratios(Kind.Level)) || AnyIsBeyond(Ratios(Kind.Relation))))
        {
            return;
        }

        (int channel, float shift) = LargestShift();
        EwmaChart chart = UsesProfile && _relation is not null ? _relation : Levels!;
        if (!chart.IsBack(channel, Math.Abs(shift), shift))
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
