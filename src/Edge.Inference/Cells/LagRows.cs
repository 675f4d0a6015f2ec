using System.Numerics;

namespace Edge.Inference.Cells;

/// <summary>
/// The last rows of a stream as state: a mark, then the rows, the newest first. The mark is 0 before the first row, -n where only the n
/// newest are known, and 1 where all are. Rows that are not known are like the newest one: nothing has changed since then.
/// </summary>
internal static class LagRows
{
    /// <summary>Takes a row.</summary>
    /// <param name="state">1 + rows · width values.</param>
    /// <param name="row">The row.</param>
    /// <returns>The rows, the newest first.</returns>
    internal static ReadOnlySpan<T> Push<T>(Span<T> state, ReadOnlySpan<T> row)
        where T : struct, INumberBase<T>
    {
        Span<T> rows = state[1..];
        rows[..^row.Length].CopyTo(rows[row.Length..]);
        row.CopyTo(rows);
        if (state[0] != T.One)
        {
            int known = Known(state, row.Length) + 1;
            SetKnown(state, row.Length, known);
            for (int at = known * row.Length; at < rows.Length; at += row.Length)
            {
                row.CopyTo(rows[at..]);
            }
        }

        return rows;
    }

    /// <summary>
    /// Rows were missed. They are taken to have been as those a season before; without a known season as the last row, unless they are as
    /// many as are kept or more: then no row is known any more.
    /// </summary>
    /// <param name="state">1 + rows · width values.</param>
    /// <param name="width">Values of a row.</param>
    /// <param name="missed">How many rows, at least 1.</param>
    /// <param name="season">Rows of a season; 0 for none.</param>
    internal static void Skip<T>(Span<T> state, int width, long missed, int season)
        where T : struct, INumberBase<T>
    {
        Span<T> rows = state[1..];
        int count = rows.Length / width;
        int known = Known(state, width);
        bool hasSeason = season > 0 && season <= known;
        if (known == 0 || (!hasSeason && missed >= count))
        {
            Forget(state);
            return;
        }

        int onlyFrom = hasSeason ? season : 1;
        if (missed == 1 && onlyFrom < count)
        {
            // As at each tick while a sensor gives no value.
            rows[..^width].CopyTo(rows[width..]);
            rows.Slice(onlyFrom * width, width).CopyTo(rows);
            SetKnown(state, width, known + 1);
            return;
        }

        T[] before = rows.ToArray();
        int added = (int)Math.Min(missed, count);
        for (int row = 0; row < added; row++)
        {
            // So many whole seasons earlier that it was not missed.
            long seasons = hasSeason ? (missed - row + season - 1) / season : 0;
            long from = hasSeason ? row + (seasons * season) - missed : 0;
            before.AsSpan((int)from * width, width).CopyTo(rows[(row * width)..]);
        }

        before.AsSpan(0, (count - added) * width).CopyTo(rows[(added * width)..]);
        SetKnown(state, width, known + added);
    }

    /// <summary>No row is known any more.</summary>
    internal static void Forget<T>(Span<T> state)
        where T : struct, INumberBase<T> => state[0] = T.Zero;

    /// <summary>How many of the rows are known.</summary>
    internal static int Known<T>(ReadOnlySpan<T> state, int width)
        where T : struct, INumberBase<T>
    {
        int count = (state.Length - 1) / width;
        return T.IsZero(state[0]) ? 0 : T.IsNegative(state[0]) ? Math.Min(-int.CreateTruncating(state[0]), count) : count;
    }

    private static void SetKnown<T>(Span<T> state, int width, int known)
        where T : struct, INumberBase<T> => state[0] = known < (state.Length - 1) / width ? T.CreateTruncating(-known) : T.One;
}
