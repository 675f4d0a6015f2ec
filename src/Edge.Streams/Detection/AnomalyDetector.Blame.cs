namespace Edge.Streams.Detection;

/// <summary>Which channel is to blame, and what was expected of it.</summary>
internal sealed partial class AnomalyDetector
{
    // One channel explains what all show if it explains this much of their square.
    private const double SingleShare = 0.95;

    // A channel that switches so many times as often as usual is restless, rather than noisy.
    private const double SwitchesOften = 1.5;

    // Each channel's shares while the anomaly is open, weighted by the squares of the scores. A tick far beyond the limits tells more.
    private readonly float[] _blame;

    /// <summary>
    /// Part of each channel in the anomaly that is open or has just closed, 0..1, together 1: over the ticks since it opened. What is left
    /// of a fault at its last tick says little about it.
    /// </summary>
    internal double[] SharesSinceOpened()
    {
        double sum = _blame.Sum(blame => (double)blame);
        return sum > 0 ? [.. _blame.Select(blame => blame / sum)] : Shares();
    }

    /// <summary>Part of each channel in the score of this tick, 0..1, together 1; all 0 if nothing is wrong.</summary>
    internal double[] Shares()
    {
        double[] parts = Weigh(isOfOne: false);
        double sum = parts.Sum();
        return sum > 0 ? [.. parts.Select(part => part / sum)] : new double[_channels];
    }

    private void NoteShares()
    {
        double[] shares = Shares();
        for (int channel = 0; channel < _channels; channel++)
        {
            _blame[channel] += (float)(Score * Score * shares[channel]);
        }
    }

    // Squares that say how much each channel has to do with the score; of one: if exactly one channel is off.
    private double[] Weigh(bool isOfOne)
    {
        // Between its operating levels a channel is by itself, whatever the others do.
        bool isBetweenLevels = _largestKind == Kind.Level
            && Levels?.IsOfLevels(_largestChannel, Levels.LargestSpanAt(_largestChannel)) == true;
        if (_largestKind is Kind.Level or Kind.Relation && UsesProfile && _relation is not null && !isBetweenLevels)
        {
            (double[] explained, double[] own) = Explain();
            return isOfOne || explained.Max() >= SingleShare * own.Sum() ? explained : own;
        }

        var parts = new double[_channels];
        for (int channel = 0; channel < _channels; channel++)
        {
            double ratio = _largestKind == Kind.Residual
                ? _watchedAt[channel] < 0 ? 0 : Math.Sqrt(_residual.Part(_watchedAt[channel]))
                : Quotient(((int)_largestKind * _channels) + channel);
            parts[channel] = ratio * ratio;
        }

        return parts;
    }

    // By what an anomaly that has just closed has muted and widened, too.
    private float Quotient(int at) => _ratio[at] / (_mute[at] * _width[at]);

    /// <summary>What the channel should be now, in its unit; NaN if only the forecast says.</summary>
    internal double Expected(int channel)
    {
        if (_ranges is not null)
        {
            return _largestKind == Kind.Level ? _ranges.Nearest(channel) : double.NaN;
        }

        if (Levels is not { } levels || _largestKind is not (Kind.Level or Kind.Relation))
        {
            return double.NaN;
        }

        double level = !UsesProfile || _relation is null || _largestKind == Kind.Level
            ? levels.Expected(channel, levels.LargestSpanAt(channel))
            : _row[channel] - Residual(channel);

        // What was accepted is expected from then on.
        return InUnit(channel, level + _shift[channel]);
    }

    // From the deviations of the charts.
    private double InUnit(int channel, double level) =>
        _manifest.Denormalize(channel, _profile is null ? level : (level / _profile.Scale[channel]) + _profile.Mean[channel]);

    /// <summary>
    /// How far the channel has been off, in its unit, by the mean over so many ticks that is farthest beyond its limit; of a surprise its
    /// size. 0 ticks where nothing is known.
    /// </summary>
    internal (double Off, int Ticks) Average(int channel)
    {
        if (_largestKind == Kind.Residual)
        {
            return _watchedAt[channel] < 0 ? (0, 0) : (_residual.Size(_watchedAt[channel]) * _manifest.Std[channel], 1);
        }

        EwmaChart? chart = _ranges is not null ? null : ChartOf(_largestKind);
        if (chart is null || chart.Ratios[channel] < CloseScore)
        {
            return (0, 0);
        }

        int spanAt = chart.LargestSpanAt(channel);
        double off = chart.Mean(channel, spanAt) / (_profile?.Scale[channel] ?? 1);
        return (off * _deviation[channel], EwmaChart.SpanAt(spanAt));
    }

    /// <summary>How many times the usual noise the channel has, and over how many rows.</summary>
    internal (double Times, int Rows) NoiseOf(int channel) => _noise is null
        ? (1, 0)
        : (_noise.TimesUsual(channel), _noise.Span);

    /// <summary>
    /// How many times as often as usual the channel switches, and over how many rows; 0 rows if that is not what makes it noisy.
    /// </summary>
    internal (double Times, int Rows) SwitchesOf(int channel)
    {
        if (_switches is null || !_switches.Knows(channel))
        {
            return (1, 0);
        }

        (double times, int rows) = _switches.TimesUsual(channel);
        return IsRestless(channel) || times >= SwitchesOften ? (times, rows) : (1, 0);
    }

    private bool IsRestless(int channel) => _switches is not null && _switches.Ratios[channel] > _noise!.Ratios[channel];

    private double Residual(int channel)
    {
        RelationModel model = _profile!.Relation!.Model;
        var features = new float[model.Stride];
        model.Features(_known, _recent!.Values, _terms, features);
        return _row[channel] - model.Predict(channel, features) - _course.At(channel, _terms) - _relation!.Center(channel);
    }

    // A channel that is off moves its own residual and those of the channels it helps to predict. If the move of one explains what all
    // show, it is to blame: how much of the square of the residuals it explains, each in its calm deviations. If none does, several are off
    // at once, as by wear, and each answers for its own residual.
    private (double[] Explained, double[] Own) Explain()
    {
        RelationModel model = _profile!.Relation!.Model;
        int spanAt = (_largestKind == Kind.Level ? _profileLevels! : _relation!).LargestSpanAt(_largestChannel);
        int rows = OffRows * EwmaChart.SpanAt(spanAt);
        var state = new float[_channels];
        var residuals = new double[_channels];
        var scale = new double[_channels];
        var explained = new double[_channels];
        for (int channel = 0; channel < _channels; channel++)
        {
            float level = _profileLevels!.Mean(channel, spanAt) + _profileLevels.Expected(channel, spanAt);
            state[channel] = Math.Clamp(level, -_range[channel], _range[channel]);
            float deviation = _relation!.Statistics(channel, spanAt).Deviation;
            scale[channel] = deviation > 0 ? 1 / deviation : 0;
            residuals[channel] = _relation.Mean(channel, spanAt) * scale[channel];
        }

        for (int suspect = 0; suspect < _channels; suspect++)
        {
            double seen = Math.Abs(state[suspect]) < _range[suspect] ? 1 : 0;
            explained[suspect] = ExplainBy(suspect, model, state, rows, seen, residuals, scale);
        }

        double[] own = [.. residuals.Select((off, channel) => off * off * Plausible(channel, _relation!.Mean(channel, spanAt)))];
        for (int channel = 0; channel < _channels; channel++)
        {
            explained[channel] = IsBesideStates(channel) ? own.Sum() : explained[channel];
        }

        return (explained, own);
    }

    // The channel that explains most of the mean residuals of the open anomaly, and by how much it is off its own relation: what the others
    // show says that less exactly.
    private (int Channel, double Shift) ExplainShift()
    {
        RelationModel model = _profile!.Relation!.Model;
        int longest = EwmaChart.SpansOf(_profile.Rows).Length - 1;
        var state = new float[_channels];
        var residuals = new double[_channels];
        var scale = new double[_channels];
        for (int channel = 0; channel < _channels; channel++)
        {
            state[channel] = Math.Clamp(_openRow[channel], -_range[channel], _range[channel]);
            float deviation = _relation!.Statistics(channel, longest).Deviation;
            scale[channel] = deviation > 0 ? 1 / deviation : 0;
            residuals[channel] = _openResidual[channel] * scale[channel];
        }

        (int best, double most) = (0, -1);
        for (int suspect = 0; suspect < _channels; suspect++)
        {
            // The others saw only the part of the shift that lies within the known range.
            double level = _openRow[suspect];
            double seen = Math.Abs(level) > _range[suspect] ? state[suspect] / level : 1;
            double part = ExplainBy(suspect, model, state, int.MaxValue, seen, residuals, scale);
            (best, most) = part > most ? (suspect, part) : (best, most);
        }

        return (best, _openResidual[best]);
    }

    // Of the channels that something was taken off, the one whose residual that has moved most beside its calm deviation, and by how much.
    private (int Channel, float Shift) LargestShift()
    {
        (int largest, float moved, double most) = (0, 0, -1);
        bool hasRelation = UsesProfile && _relation is not null;
        EwmaChart chart = hasRelation ? _relation! : Levels!;
        for (int channel = 0; channel < _channels; channel++)
        {
            double shift = _shift[channel];
            for (int other = 0; hasRelation && other < _channels; other++)
            {
                shift -= other == channel ? 0 : _shift[other] * _profile!.Relation!.Model.Gain(channel, other, _known, rows: 0);
            }

            double share = Math.Abs(shift) / Math.Max(chart.Statistics(channel, 0).Deviation, float.Epsilon);
            bool isLargest = _shift[channel] != 0 && share > most;
            (largest, moved, most) = isLargest ? (channel, (float)shift, share) : (largest, moved, most);
        }

        return (largest, moved);
    }

    // How much of the square of the residuals it explains that one channel is off; residuals are in units of scale.
    private double ExplainBy(
        int suspect, RelationModel model, float[] state, int rows, double seen, double[] residuals, double[] scale)
    {
        double product = 0;
        double square = 0;
        for (int channel = 0; channel < _channels; channel++)
        {
            double moved = channel == suspect ? 1 : -seen * model.Gain(channel, suspect, state, rows);
            double signature = moved * scale[channel];
            product += signature * residuals[channel];
            square += signature * signature;
        }

        if (square <= 0)
        {
            return 0;
        }

        double shift = product / square;
        return product * shift * Plausible(suspect, shift);
    }

    // A switched channel that is off by less than half of the way to its next level would be beside its level. How much of such a shift
    // there may be, 0..1.
    private double Plausible(int channel, double shift)
    {
        if (_profile!.States[channel] is { Length: > 0 } states)
        {
            return !IsBesideStates(channel) && Math.Abs(shift) < OperatingLevels.Gap(states, Position(channel)) / 2 ? 0 : 1;
        }

        if (_profile.Operating[channel] is not { Length: > 0 } levels
            || Math.Abs(shift) >= OperatingLevels.Gap(levels, _row[channel]) / 2)
        {
            return 1;
        }

        // As far as it may be on that side of its level.
        (float off, float uncertain) = _profileLevels!.FromLevel(channel);
        double most = uncertain + (shift < 0 ? -off : off);
        return most >= Math.Abs(shift) ? 1 : Math.Max(0, most / Math.Abs(shift));
    }

    // Whether a channel with a few values has another one, which is wrong whatever the others do.
    private bool IsBesideStates(int channel) => _profile!.States[channel] is { Length: > 0 } states
        && Math.Abs(Position(channel) - OperatingLevels.Nearest(states, Position(channel))) > RestWidth;

    // What was accepted does not move a switch.
    private float Position(int channel) => _row[channel] + _shift[channel];

    // A mean that leaves its limit has been off for about so many of its spans.
    private const int OffRows = 4;
}
