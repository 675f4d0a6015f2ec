using System.Runtime.ExceptionServices;

namespace Edge.Quantize;

/// <summary>Independent pieces of work on all cores.</summary>
internal static class Concurrent
{
    /// <summary>The results in order. What a piece throws is thrown as it is; of several, that of the first piece.</summary>
    internal static TResult[] Select<T, TResult>(IReadOnlyList<T> pieces, Func<T, TResult> work)
    {
        var results = new TResult[pieces.Count];
        var thrown = new ExceptionDispatchInfo?[pieces.Count];
        Parallel.For(0, pieces.Count, i =>
        {
            try
            {
                results[i] = work(pieces[i]);
            }
            catch (Exception e)
            {
                thrown[i] = ExceptionDispatchInfo.Capture(e);
            }
        });
        Array.Find(thrown, each => each is not null)?.Throw();
        return results;
    }
}
