namespace Edge.Streams.Detection;

/// <summary>Which channel is to blame, and what was expected of it.</summary>
internal sealed partial class AnomalyDetector
{
    /// <summary>Part of each channel in the score, 0..1, together 1; all 0 if nothing is wrong.</summary>
    internal double[] Shares()
    {
        var parts = new double[_channels];
        bool isOfCharts = _largestKind is Kind.Level or Kind.Relation or Kind.CurvedRelation;
        if (isOfCharts && UsesProfile && _relations.Length > 0)
        {
            Explain(parts);
        }
        else
        {
            for (int channel = 0; channel < _channels; channel++)
            {
                double ratio = _largestKind == Kind.Residual
                    ? _watchedAt[channel] < 0 ? 0 : Math.Sqrt(_residual.Part(_watchedAt[channel]))
                    : Quotient(((int)_largestKind * _channels) + channel);
                parts[channel] = ratio * ratio;
            }
        }

        double sum = parts.Sum();
        for (int channel = 0; channel < _channels; channel++)
        {
            parts[channel] = sum > 0 ? parts[channel] / sum : 0;
        }

        return parts;
    }

    /// <summary>What the channel should be now, in its unit; NaN if only the forecast says.</summary>
    internal double Expected(int channel)
    {
        if (_ranges is not null)
        {
            return _largestKind == Kind.Level ? _ranges.Nearest(channel) : double.NaN;
        }

        if (Levels is not { } levels || _largestKind is not (Kind.Level or Kind.Relation or Kind.CurvedRelation))
        {
            return double.NaN;
        }

        double level = !UsesProfile || _relations.Length == 0 || _largestKind == Kind.Level
            ? levels.Center(channel)
            : _row[channel] - Residual(_largestKind - Kind.Relation, channel);
        double normalized = _profile is null ? level : (level / _profile.Scale[channel]) + _profile.Mean[channel];
        return _manifest.Denormalize(channel, normalized);
    }

    private double Residual(int relation, int channel)
    {
        RelationModel model = _profile!.Relations[relation].Model;
        var features = new float[model.Stride];
        model.Features(_known, _recent!.Values, features);
        return _row[channel] - model.Predict(channel, features) - _relations[relation].Center(channel);
    }

    // A channel that is off moves its own residual and those of the channels it helps to predict. The one whose move explains most of all
    // residuals is to blame: its part is how much of their square it explains, each in its calm deviations.
    private void Explain(double[] parts)
    {
        int relation = _largestKind == Kind.CurvedRelation ? 1 : 0;
        EwmaChart chart = _relations[relation];
        (RelationModel model, ChartStatistics[] statistics) = _profile!.Relations[relation];
        int spanAt = (_largestKind == Kind.Level ? _profileLevels! : chart).LargestSpanAt(_largestChannel);
        int spans = statistics.Length / _channels;
        int rows = OffRows * EwmaChart.SpanAt(spanAt);
        var state = new float[_channels];
        var residuals = new double[_channels];
        var scale = new double[_channels];
        for (int channel = 0; channel < _channels; channel++)
        {
            float level = _profileLevels!.Mean(channel, spanAt) + _profileLevels.Center(channel);
            state[channel] = Math.Clamp(level, -_range[channel], _range[channel]);
            float deviation = statistics[(channel * spans) + spanAt].Deviation;
            scale[channel] = deviation > 0 ? 1 / deviation : 0;
            residuals[channel] = chart.Mean(channel, spanAt) * scale[channel];
        }

        for (int suspect = 0; suspect < _channels; suspect++)
        {
            double seen = Math.Abs(state[suspect]) < _range[suspect] ? 1 : 0;
            parts[suspect] = ExplainBy(suspect, model, state, rows, seen, residuals, scale).Part;
        }
    }

    // The channel, and by how much it is off, that explains most of the mean residuals of the open anomaly.
    private (int Channel, double Shift) ExplainShift(double ticks)
    {
        (RelationModel model, ChartStatistics[] statistics) = _profile!.Relations[0];
        int spans = statistics.Length / _channels;
        var state = new float[_channels];
        var residuals = new double[_channels];
        var scale = new double[_channels];
        for (int channel = 0; channel < _channels; channel++)
        {
            state[channel] = Math.Clamp((float)(_openRow[channel] / ticks), -_range[channel], _range[channel]);
            float deviation = statistics[(channel * spans) + spans - 1].Deviation;
            scale[channel] = deviation > 0 ? 1 / deviation : 0;
            residuals[channel] = _openResidual[channel] / ticks * scale[channel];
        }

        (int best, double shift, double most) = (0, 0, -1);
        for (int suspect = 0; suspect < _channels; suspect++)
        {
            // The others saw only the part of the shift that lies within the known range.
            double level = _openRow[suspect] / ticks;
            double seen = Math.Abs(level) > _range[suspect] ? state[suspect] / level : 1;
            (double part, double by) = ExplainBy(suspect, model, state, int.MaxValue, seen, residuals, scale);
            if (part > most)
            {
                (best, shift, most) = (suspect, by, part);
            }
        }

        return (best, shift);
    }

    // How much of the square of the residuals it explains that one channel is off, and by how much; residuals are in units of scale.
    private (double Part, double Shift) ExplainBy(
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

        return square > 0 ? (product * product / square, product / square) : (0, 0);
    }

    // A mean that leaves its limit has been off for about so many of its spans.
    private const int OffRows = 4;
}
