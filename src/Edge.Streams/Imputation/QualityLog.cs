using Edge.Inference;
using Edge.Inference.Models;
using Microsoft.Extensions.Logging;

namespace Edge.Streams.Imputation;

/// <summary>
/// Logs when a channel fails and when it recovers: once each, not at every tick, with one line for all channels of one device. A
/// channel that fails repeatedly must stay good for longer each time before it is logged again. A value that is missing for no named
/// reason, as an empty cell of a recording is, is logged for debugging only, until the last good value stands in no longer.
/// </summary>
internal sealed class QualityLog(ModelManifest manifest, LastValueImputer imputer, ILogger log)
{
    private const int CalmTicksMin = 3;
    private const int CalmTicksMax = 384;

    // Changes of the cause that one failure may report: two causes may take turns at every tick.
    private const int CausesMax = 4;

    private readonly bool[] _isBad = new bool[manifest.Columns.Count];
    private readonly int[] _calm = new int[manifest.Columns.Count];
    private readonly int[] _calmNeeded = [.. Enumerable.Repeat(CalmTicksMin, manifest.Columns.Count)];
    private readonly string?[] _cause = new string?[manifest.Columns.Count];
    private readonly int[] _causes = new int[manifest.Columns.Count];
    private readonly bool[] _isSaid = new bool[manifest.Columns.Count];
    private readonly List<int> _news = [];
    private bool _isResumed;

    internal void Archive(StreamSnapshot snapshot)
    {
        for (int i = 0; i < _isBad.Length; i++)
        {
            _isBad[i] = snapshot.Field(_isBad[i]);
            _calm[i] = snapshot.Field(_calm[i]);
            _calmNeeded[i] = snapshot.Field(_calmNeeded[i]);
        }

        _isResumed = snapshot.IsReading;
    }

    /// <summary>Checks a tick before missing values are filled in.</summary>
    /// <returns>Whether some channel went bad or got well, or is bad for another reason.</returns>
    internal bool Observe(string stream, long seq, Reading reading)
    {
        bool changed = false;
        for (int i = 0; i < _isBad.Length; i++)
        {
            _isSaid[i] = _isResumed ? _isBad[i] && !imputer.StandsIn(i) : _isSaid[i];
            bool isGood = reading.Quality[i] == Quality.Good;
            _calm[i] = isGood ? Math.Min(_calm[i] + 1, CalmTicksMax) : 0;
            if (isGood)
            {
                changed |= CallWell(stream, seq, i);
            }
            else if (!_isBad[i])
            {
                (_isBad[i], changed) = (true, true);
                (_cause[i], _causes[i]) = (reading.Faults[i], 1);
            }
            else if (_causes[i] < CausesMax && reading.Faults[i] is { } fault && !IsSameCause(fault, _cause[i]))
            {
                (_cause[i], _causes[i]) = (fault, _causes[i] + 1);
                changed = true;
            }

            if (_isBad[i] && !isGood && !_isSaid[i])
            {
                Say(stream, seq, i, reading);
            }
        }

        _isResumed = false;
        if (_news.Count > 0)
        {
            SayNews(stream, seq, reading);
        }

        return changed;
    }

    private void Say(string stream, long seq, int channel, Reading reading)
    {
        if (reading.Quality[channel] == Quality.Missing && reading.Faults[channel] is null && imputer.Holds(channel))
        {
            log.LogDebug("{Stream}: tick {Seq}: '{Channel}' has no value", stream, seq, manifest.Columns[channel]);
            return;
        }

        _isSaid[channel] = true;
        _news.Add(channel);
    }

    private void SayNews(string stream, long seq, Reading reading)
    {
        var kinds = _news.GroupBy(i => (Cause: reading.Faults[i] ?? What(i, reading.Quality[i]), Then: Then(i, reading.Quality[i])));
        foreach (IGrouping<(string Cause, string Then), int> kind in kinds)
        {
            string channels = string.Join(", ", kind.Select(i => $"'{manifest.Columns[i]}'"));
            log.LogWarning("{Stream}: tick {Seq}: {Channels}: {Cause}; {Then}", stream, seq, channels, kind.Key.Cause, kind.Key.Then);
        }

        _news.Clear();
    }

    private bool CallWell(string stream, long seq, int channel)
    {
        if (_calm[channel] == CalmTicksMax)
        {
            _calmNeeded[channel] = CalmTicksMin;
        }

        if (!_isBad[channel] || _calm[channel] < _calmNeeded[channel])
        {
            return false;
        }

        _isBad[channel] = false;
        _calmNeeded[channel] = Math.Min(2 * _calmNeeded[channel], CalmTicksMax);
        LogLevel level = _isSaid[channel] ? LogLevel.Information : LogLevel.Debug;
        log.Log(level, "{Stream}: tick {Seq}: '{Channel}' has a value again", stream, seq, manifest.Columns[channel]);
        _isSaid[channel] = false;
        return true;
    }

    // Up to what a cause quotes, which differs each time.
    private static bool IsSameCause(string cause, string? before) => Kind(cause).SequenceEqual(Kind(before ?? ""));

    private static ReadOnlySpan<char> Kind(string cause) =>
        cause.IndexOf('\'') is >= 0 and var quote ? cause.AsSpan(0, quote) : cause;

    private string Then(int channel, Quality quality) => quality == Quality.Stuck ? "it is used"
        : !imputer.HasValue(channel) ? "it had none before, so the stream waits and makes no forecast"
        : imputer.Holds(channel) ? "its last good value is used for a while, then the stream waits"
        : imputer.HoldTicks == 0 ? "the stream waits"
        : $"its last good value was used for {Quantity.Of(imputer.HoldTicks, "tick")}, and now the stream waits";

    private string What(int channel, Quality quality) => quality == Quality.Missing ? "has no value"
        : channel == manifest.SymbolColumn
        ? $"has a value that is no symbol of the model, a whole number from 0 to {manifest.SymbolCount - 1}"
        : "has a value that is not a finite number, or a billion standard deviations off";
}
