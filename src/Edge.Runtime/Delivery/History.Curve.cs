using Edge.Inference;
using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Delivery;

/// <summary>A curve out of rows, and of the minutes and hours that older rows were thinned to.</summary>
internal sealed partial class History
{
    /// <summary>The readings of a stream as at most <paramref name="pointsMax"/> points, thinned where there are more rows.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="from">First time, UTC, inclusive.</param>
    /// <param name="to">Last time, UTC, exclusive.</param>
    /// <param name="pointsMax">Most points, 1 or more.</param>
    /// <exception cref="InputException">The history cannot be read.</exception>
    internal HistoryCurve Curve(string stream, DateTime from, DateTime to, int pointsMax) => Read((log, connection) =>
    {
        IReadOnlyList<string> columns = ColumnsOf(log, connection, stream);
        var curve = new CurveBuilder(from.Ticks, Math.Max(from.Ticks + 1, to.Ticks), pointsMax);
        string names = HistoryFile.Columns(columns);

        // The coarsest level that is finer than a point, then what is not thinned yet, level by level; and what is older in coarser ones.
        int level = curve.PointTicks >= TimeSpan.TicksPerHour ? HistoryFile.Hours
            : curve.PointTicks >= TimeSpan.TicksPerMinute ? HistoryFile.Minutes
            : HistoryFile.Rows;
        (long Seq, long Time) before = (long.MaxValue, long.MaxValue);
        for (int coarser = level; coarser <= HistoryFile.Hours; coarser++)
        {
            AddLevel(connection, curve, stream, names, coarser, 0, before);
            (long Seq, long Time) first = FirstOf(connection, stream, coarser);
            before = first.Seq < before.Seq ? first : before;
        }

        long after = LastSeq(connection, stream, level);
        for (int finer = level - 1; finer >= HistoryFile.Rows; finer--)
        {
            AddLevel(connection, curve, stream, names, finer, after, (long.MaxValue, long.MaxValue));
            after = Math.Max(after, LastSeq(connection, stream, finer));
        }

        foreach (HistoryRow row in LogRows(log, stream, names))
        {
            if (row.Seq > after)
            {
                curve.Add(row);
            }
        }

        return curve.ToCurve(columns);
    });

    // A block of minutes or hours may begin before the first row that is still stored one by one, and end after it.
    private static void AddLevel(
        SqliteConnection? connection,
        CurveBuilder curve,
        string stream,
        string columns,
        int level,
        long afterSeq,
        (long Seq, long Time) before)
    {
        foreach (StoredBlock block in Blocks(connection, stream, level, curve.FromTicks, curve.ToTicks, afterSeq, before.Seq))
        {
            if (block.Columns != columns)
            {
                continue;
            }

            if (level == HistoryFile.Rows)
            {
                curve.Add(RowBlock.Unpack(block.Bytes), afterSeq);
            }
            else
            {
                long length = level == HistoryFile.Hours ? TimeSpan.TicksPerHour : TimeSpan.TicksPerMinute;
                curve.Add(SpanBlock.Unpack(block.Bytes), length, before.Time);
            }
        }
    }

    // Where a level begins.
    private static (long Seq, long Time) FirstOf(SqliteConnection? connection, string stream, int level)
    {
        foreach (SqliteDataReader row in Query(
            connection,
            "SELECT first_seq, first_time FROM block WHERE stream = $1 AND level = $2 ORDER BY last_seq LIMIT 1",
            stream,
            (long)level))
        {
            return (row.GetInt64(0), row.GetInt64(1));
        }

        return (long.MaxValue, long.MaxValue);
    }

    private static long LastSeq(SqliteConnection? connection, string stream, int level)
    {
        foreach (SqliteDataReader row in Query(
            connection, "SELECT MAX(last_seq) FROM block WHERE stream = $1 AND level = $2", stream, (long)level))
        {
            return row.IsDBNull(0) ? 0 : row.GetInt64(0);
        }

        return 0;
    }
}
