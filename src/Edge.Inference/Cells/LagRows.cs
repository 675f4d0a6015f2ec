using System.Numerics;

namespace Edge.Inference.Cells;

/// <summary>The last rows of a stream as state: one value that is 0 before the first row, then the rows, the newest first.</summary>
internal static class LagRows
{
    /// <summary>Takes a row. Before the first one there were only rows like it.</summary>
    /// <param name="state">1 + rows · width values.</param>
    /// <param name="row">The row.</param>
    /// <returns>The rows, the newest first.</returns>
    internal static ReadOnlySpan<T> Push<T>(Span<T> state, ReadOnlySpan<T> row)
        where T : struct, INumberBase<T>
    {
        Span<T> rows = state[1..];
        if (T.IsZero(state[0]))
        {
            state[0] = T.One;
            for (int at = 0; at < rows.Length; at += row.Length)
            {
                row.CopyTo(rows[at..]);
            }
        }
        else
        {
            rows[..^row.Length].CopyTo(rows[row.Length..]);
            row.CopyTo(rows);
        }

        return rows;
    }
}
