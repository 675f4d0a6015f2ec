using Edge.Sensors.Timing;

namespace Edge.Sensors.Polling;

/// <summary>
/// Waits until a row is due: every period of monotonic time, so that a change of the wall clock has no effect, or at each edge of a
/// data-ready line. The first tick falls on a multiple of the period, so that rows keep their phase after a restart.
/// </summary>
internal sealed class Ticker : IDisposable
{
    // Up to this period a millisecond matters.
    private static readonly TimeSpan FastPeriod = TimeSpan.FromMilliseconds(100);

    private readonly TimeSpan _period;
    private readonly bool _isFast;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim? _edges;
    private long _first = -1;
    private long _next;
    private long _lost;

    internal Ticker(TimeSpan period, TimeProvider clock, bool waitsForEdges)
    {
        _period = period;
        _clock = clock;
        _isFast = period <= FastPeriod;
        _edges = waitsForEdges ? new SemaphoreSlim(0) : null;
    }

    /// <summary>Whether ticks come every period; else at the edges of a data-ready line.</summary>
    internal bool HasPeriod => _edges is null;

    /// <summary>Records an edge of the data-ready line.</summary>
    internal void Pulse()
    {
        // An edge during a tick is the next tick; further edges are lost.
        if (_edges!.CurrentCount == 0)
        {
            _edges.Release();
        }
    }

    /// <summary>Waits for the next tick.</summary>
    /// <returns>Number of ticks that were due before it and are lost.</returns>
    internal async ValueTask<long> NextAsync(CancellationToken cancel)
    {
        if (_edges is not null)
        {
            await _edges.WaitAsync(cancel).ConfigureAwait(false);
            return 0;
        }

        if (_first < 0)
        {
            long phase = _clock.GetUtcNow().UtcTicks % _period.Ticks;
            TimeSpan wait = TimeSpan.FromTicks(phase == 0 ? 0 : _period.Ticks - phase);
            _first = _clock.GetTimestamp() + (long)(wait.TotalSeconds * _clock.TimestampFrequency);
        }

        // A tick is lost only when the one after it is due as well.
        long behind = Math.Max(0, (long)Math.Floor(_clock.GetElapsedTime(_first) / _period) - _next);
        _next += behind;
        _lost += behind;
        await Due.WaitAsync(_clock, _first, _next * _period, _isFast, cancel).ConfigureAwait(false);

        // A caller that canceled its wait waits for the same tick again.
        _next++;
        (long lost, _lost) = (_lost, 0);
        return lost;
    }

    public void Dispose() => _edges?.Dispose();
}
