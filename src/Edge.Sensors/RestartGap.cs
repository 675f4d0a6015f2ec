namespace Edge.Sensors;

/// <summary>The ticks of a live source that passed while the process did not run.</summary>
internal struct RestartGap
{
    private DateTime _lastTime;

    /// <summary>Notes the time of the last row before the restart.</summary>
    internal void Note(DateTime lastTime) => _lastTime = lastTime;

    /// <summary>Ticks between that row and the first one after it, reported once; null if there are none.</summary>
    internal long? Take(DateTime firstTime, TimeSpan period)
    {
        if (_lastTime == default)
        {
            return null;
        }

        long ticks = Math.Max(0, (long)Math.Round((firstTime - _lastTime) / period) - 1);
        _lastTime = default;
        return ticks;
    }
}
