using System.Globalization;

namespace Edge.Streams.Detection;

/// <summary>What the detector judges now, and how many rows it still needs.</summary>
internal sealed partial class AnomalyDetector
{
    /// <summary>Usable rows before the first anomaly can open; 0 once it can.</summary>
    internal long WarmUpRowsLeft => Math.Max(0, WarmUpRows - _ticks);

    private int WarmUpRows => UsesProfile ? ProfileWarmUpTicks : WarmUpChart.Rows;

    private bool HasRelations => UsesProfile && _relation is not null && _recent is not null;

    // Usable rows before relations are judged.
    private int RelationRowsLeft => _ticks == 0 ? SettleRows : _unsettled;

    // A channel alone has no recent means to wait for.
    private int SettleRows => _channels == 1 ? 0 : _recent?.SettleRows ?? 0;

    /// <summary>One or two sentences for a person: what is learned, or what is watched and what is not.</summary>
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
        string sentence = $"Watches {string.Join(", ", watched)} and sensors.";
        return judgesRelations || _channels == 1 ? sentence : $"{sentence} {WhyNoRelations()}";
    }

    private string WhyNoRelations() => HasRelations
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"Relations between channels follow in {RelationRowsLeft} rows ({TimeInWords.Of(RelationRowsLeft * _period)}).")
        : _ranges is not null ? "Relations between channels need a model."
        : _profile?.Relation is null ? "The model file knows no relations between channels."
        : "Relations between channels are not used: the levels are not those of the calibration rows.";
}
