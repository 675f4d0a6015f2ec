namespace Edge.Runtime.Mqtt;

/// <summary>
/// Waits that double from the shortest to the longest, each with up to 50 % of jitter. The jitter spreads the reconnects of many devices.
/// </summary>
internal sealed class Backoff
{
    /// <summary>First wait before a broker is tried again.</summary>
    internal static readonly TimeSpan LinkMin = TimeSpan.FromSeconds(0.5);

    /// <summary>Longest wait before a broker is tried again.</summary>
    internal static readonly TimeSpan LinkMax = TimeSpan.FromSeconds(30);

    private readonly TimeSpan _shortest;
    private readonly TimeSpan _longest;
    private readonly TimeProvider _clock;
    private TimeSpan _next;

    internal Backoff(TimeSpan shortest, TimeSpan longest, TimeProvider clock)
    {
        _shortest = shortest;
        _longest = longest;
        _clock = clock;
        _next = shortest;
    }

    /// <summary>Resets the wait to the shortest one.</summary>
    internal void Reset() => _next = _shortest;

    internal Task WaitAsync(CancellationToken cancel)
    {
        TimeSpan wait = _next * (0.5 + Random.Shared.NextDouble());
        _next = _next * 2 < _longest ? _next * 2 : _longest;
        return Task.Delay(wait, _clock, cancel);
    }
}
