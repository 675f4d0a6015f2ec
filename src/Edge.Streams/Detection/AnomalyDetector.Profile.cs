using System.Diagnostics.CodeAnalysis;

namespace Edge.Streams.Detection;

/// <summary>The profile that readings are compared with: that of the model, or of the stream's own first rows.</summary>
internal sealed partial class AnomalyDetector
{
    // Levels and relations are compared with those of this profile from now on; their state begins, and limits are not set.
    [MemberNotNull(nameof(_course), nameof(_features), nameof(_terms), nameof(_range))]
    private void Use(NormalProfile? profile)
    {
        _profile = profile;
        _relation = profile?.Relation is { } relation ? new EwmaChart(_channels, profile.Rows, relation.Statistics) : null;
        (_profileLevels, _noise, _switches, _recent, _asExpected) = (null, null, null, null, null);
        _range = new float[_channels];
        if (profile is { HasLevels: true })
        {
            _profileLevels = new EwmaChart(_channels, profile.Rows, profile.Levels, profile.Operating);
            _noise = profile.Noise.Length > 0 ? new NoiseChart(profile.Rows, profile.Noise) : null;
            _switches = _noise is not null && Array.Exists(profile.Switching, switching => switching.Span > 0)
                ? new SwitchChart(profile.Rows, profile.Switching, [.. Enumerable.Range(0, _channels).Select(profile.LevelsOf)])
                : null;
            _recent = new RecentMeans(_channels, profile.Rows);
            _asExpected = new RecentMeans(_channels, profile.Rows);
            _range = [.. Enumerable.Range(0, _channels).Select(channel => Beyond * profile.LargestOf(channel))];
        }

        RelationModel? related = profile?.Relation?.Model;
        _features = new float[related?.Stride ?? 0];
        _terms = new float[CalendarTerms.Times * CalendarTerms.Count(related?.Calendar ?? CalendarPart.None)];
        _course = new DayCourse(related, _channels, _period);
    }

    // The levels of recordings that differ in them say nothing about this stream's: its first rows become its calibration rows.
    private void UseFirstRows(FirstRows first)
    {
        NormalProfile own = first.Learn(_shipped!);
        _firstRows = null;
        Use(own);
        SetSensitivity(_falseAlarmsAWeek, atOnce: false);
        for (int row = 0; row < FirstRows.Count; row++)
        {
            for (int channel = 0; channel < _channels; channel++)
            {
                _row[channel] = own.Standard(channel, _shipped!.Normalized(channel, first.Row(row)[channel]));
                _known[channel] = Math.Clamp(_row[channel], -_range[channel], _range[channel]);
                _profileLevels!.Observe(channel, _row[channel]);
            }

            _recent!.Observe(_known, isFirst: row == 0);
        }

        _unsettled = 0;
    }

    private void SetRests()
    {
        for (int channel = 0; _shipped is not null && channel < _channels; channel++)
        {
            double normalized = _shipped.Normalized(channel, _shipped.Rest[channel]);
            double width = RestWidth * _manifest.Std[channel] / _shipped.Scale[channel];
            _sensors.SetRest(channel, _manifest.Denormalize(channel, normalized), width, _shipped.LongestElsewhere[channel]);
        }
    }

    // Patterns are those of the model's profile, in its deviations.
    private ReadOnlySpan<float> PatternRow()
    {
        if (_profile == _shipped)
        {
            return _row;
        }

        for (int channel = 0; channel < _channels; channel++)
        {
            _patternRow[channel] = _shipped!.Standard(channel, _profile!.Normalized(channel, _row[channel]));
        }

        return _patternRow;
    }
}
