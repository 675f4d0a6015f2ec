using System.Globalization;

namespace Edge.Streams.Detection;

/// <summary>What the detector judges now, from how far back, and how many rows it still needs.</summary>
internal sealed partial class AnomalyDetector
{
    // Limits that are wider than at first are said from this factor on.
    private const float WidthSaid = 1.2f;

    // Of channels at other levels, so many are named.
    private const int NamedMost = 3;

    // A mean says little of what was so many of its spans ago.
    private const int LooksBackSpans = 5;

    /// <summary>Usable rows before the first anomaly can open; 0 once it can.</summary>
    internal long WarmUpRowsLeft => Math.Max(0, WarmUpRows - _ticks);

    /// <summary>How far back lies what the largest score shows.</summary>
    internal TimeSpan LooksBack => LooksBackSpans * _period * _largestKind switch
    {
        Kind.Level or Kind.Relation when ChartOf(_largestKind) is { } chart => EwmaChart.SpanAt(chart.LargestSpanAt(_largestChannel)),
        Kind.Noise when _noise is not null => IsRestless(_largestChannel) ? _switches!.Span(_largestChannel) : _noise.Span,
        _ => PatternMemory.DelayRows,
    };

    private int WarmUpRows => UsesProfile ? ProfileWarmUpTicks : WarmUpChart.Rows;

    private bool HasRelations => UsesProfile && _relation is not null && _recent is not null;

    // Usable rows before relations are judged.
    private int RelationRowsLeft => _ticks == 0 ? SettleRows : _unsettled;

    // A channel alone has no recent means to wait for.
    private int SettleRows => _channels == 1 ? 0 : _recent?.SettleRows ?? 0;

    /// <summary>
    /// One to four sentences for a person: what is learned, or what is watched and what is not, whether limits have become wider, and
    /// whether small anomalies are held back.
    /// </summary>
    internal string Progress()
    {
        if (!IsWarm)
        {
            return string.Create(
                CultureInfo.InvariantCulture, $"Learns what is normal: {_ticks} of {WarmUpRows} rows. Until then it finds no anomaly.");
        }

        bool judgesRelations = HasRelations && RelationRowsLeft == 0;
        List<string> watched = [_ranges is null ? "levels" : "jumps of the levels"];
        watched.AddRange(judgesRelations && _channels > 1 ? ["relations between channels"] : []);
        watched.AddRange(judgesRelations && _terms.Length > 0 ? ["the course of the day"] : []);
        watched.AddRange(_patterns is null ? [] : ["patterns"]);
        watched.AddRange(_manifest.IsTrained && _outputs.Length > 0 ? ["surprises"] : []);
        List<string> sentences = [$"Watches {string.Join(", ", watched)} and sensors."];
        sentences.AddRange(judgesRelations || _channels == 1 ? [] : [WhyNoRelations()]);
        int widest = WidestAt();
        sentences.AddRange(_width[widest] < WidthSaid ? [] : [HowWide(widest)]);
        sentences.AddRange(_damped == 0 || _soon <= SoonFree
            ? []
            : [$"After small anomalies soon after one another, only larger ones open for {TimeInWords.Of(_damped * _period)}."]);
        return string.Join(' ', sentences);
    }

    /// <summary>Whether the stream began at other levels than those of the calibration rows, and has not come to them since.</summary>
    internal bool IsElsewhere => _isElsewhere;

    /// <summary>The channels that are farthest from the levels of the calibration rows, and where both are, for a person.</summary>
    internal string OtherLevels()
    {
        int[] farthest = [.. Enumerable.Range(0, _channels).OrderByDescending(channel => _profileLevels!.Ratios[channel])];
        int count = Math.Max(1, farthest.Count(channel => _profileLevels!.Ratios[channel] >= 1 || IsStranger(channel)));
        string more = count > NamedMost ? $", and {count - NamedMost} more" : "";
        return string.Join(", ", farthest.Take(Math.Min(count, NamedMost)).Select(WhereItIs)) + more;
    }

    private string WhereItIs(int channel)
    {
        string unit = _manifest.Units[channel].Length > 0 ? " " + _manifest.Units[channel] : "";
        double now = InUnit(channel, _profileLevels!.Level(channel));
        double calm = InUnit(channel, _profileLevels.Center(channel));
        return string.Create(CultureInfo.InvariantCulture, $"{_manifest.Columns[channel]} is about {now:G4}{unit}, not {calm:G4}");
    }

    // Of the limits of levels and relations, the one that alarms have widened most.
    private int WidestAt()
    {
        ReadOnlySpan<float> widths = _width.AsSpan(0, ChartKinds * _channels);
        int widest = 0;
        for (int at = 1; at < widths.Length; at++)
        {
            widest = widths[at] > widths[widest] ? at : widest;
        }

        return widest;
    }

    private string HowWide(int at) => string.Create(
        CultureInfo.InvariantCulture, $"Limits are wider after alarms: {_width[at]:0.0} times for {_manifest.Columns[at % _channels]}.");

    private string WhyNoRelations() => HasRelations
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"Relations between channels follow in {RelationRowsLeft} rows ({TimeInWords.Of(RelationRowsLeft * _period)}).")
        : _ranges is not null ? "Relations between channels need a model."
        : _profile?.Relation is null ? "The model file knows no relations between channels."
        : $"Relations between channels are not used, because of other levels than those of the calibration rows: {OtherLevels()}.";
}
