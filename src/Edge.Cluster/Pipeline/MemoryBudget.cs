namespace Edge.Cluster.Pipeline;

/// <summary>Streams that a worker keeps in memory, over all its partitions. For any thread.</summary>
/// <param name="streamsMax">How many; beyond it those leave whose last row is the longest ago.</param>
/// <param name="idleMax">Time without a row after which a stream leaves.</param>
internal sealed class MemoryBudget(int streamsMax, TimeSpan idleMax)
{
    private int _streams;

    /// <summary>Streams in memory now.</summary>
    internal int Streams => Volatile.Read(ref _streams);

    internal TimeSpan IdleMax => idleMax;

    /// <summary>Streams beyond the limit.</summary>
    internal int Excess => Math.Max(0, Streams - streamsMax);

    internal void Add() => Interlocked.Increment(ref _streams);

    internal void Remove(int count) => Interlocked.Add(ref _streams, -count);
}
