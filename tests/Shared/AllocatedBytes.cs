namespace Edge.Testing;

/// <summary>What code allocates on this thread.</summary>
internal static class AllocatedBytes
{
    private const int Rounds = 5;

    /// <summary>
    /// The least of five rounds: a collection that another thread begins takes away the memory that this thread has reserved, and the
    /// runtime counts the rest of it as allocated.
    /// </summary>
    internal static long Least(Action round)
    {
        long least = long.MaxValue;
        for (int i = 0; i < Rounds; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
