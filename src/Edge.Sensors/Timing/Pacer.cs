namespace Edge.Sensors.Timing;

/// <summary>Holds back rows until they are due: a row's offset from the first one, divided by the speed, on monotonic time.</summary>
internal sealed class Pacer(PlaybackSpeed speed, TimeProvider clock)
{
    private long _started = -1;
    private TimeSpan _from;

    /// <summary>Whether nothing is held back.</summary>
    internal bool IsUnpaced => speed.IsMax;

    /// <summary>Makes the row at <paramref name="offset"/> the first one: earlier rows are returned without a wait.</summary>
    internal void StartFrom(TimeSpan offset) => _from = offset;

    /// <summary>Waits until the row at <paramref name="offset"/> from the first row is due.</summary>
    internal async ValueTask WaitAsync(TimeSpan offset, CancellationToken cancel)
    {
        if (speed.IsMax)
        {
            cancel.ThrowIfCancellationRequested();
            return;
        }

        if (_started < 0)
        {
            _started = clock.GetTimestamp();
        }

        await Due.WaitAsync(clock, _started, (offset - _from) / speed.Factor, exact: false, cancel).ConfigureAwait(false);
    }
}
