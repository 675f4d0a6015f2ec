using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Thins what <see cref="HistoryFile"/> keeps, an hour of rows to minutes when it is over and a day of minutes to hours, and deletes what
/// is too old or too much.
/// </summary>
/// <param name="connection">The file.</param>
/// <param name="path">Its path, for the log.</param>
/// <param name="options">Limits.</param>
/// <param name="clock">Time.</param>
/// <param name="log">What is damaged.</param>
internal sealed class HistoryThinning(SqliteConnection connection, string path, HistoryOptions options, TimeProvider clock, ILogger log)
{
    private const int DeletedTogether = 32;
    private const int EventsMax = 20_000;
    private const int KeptPages = 1024;

    private static readonly string[] Order = ["block WHERE level = 0", "block WHERE level = 1", "block WHERE level = 2"];

    /// <summary>Thins, then deletes.</summary>
    /// <param name="sizeMaxBytes">The most bytes to keep, if the disk has less space than is configured.</param>
    internal void Run(long sizeMaxBytes)
    {
        foreach (string stream in HistoryTables.Texts(connection, "SELECT DISTINCT stream FROM block"))
        {
            Thin(stream);
        }

        DeleteOld();
        DeleteExcess(Math.Min(sizeMaxBytes, options.SizeMaxBytes));
        HistoryTables.Execute(connection, "DELETE FROM event WHERE id <= (SELECT COALESCE(MAX(id), 0) FROM event) - $1", (long)EventsMax);
        Reclaim(kept: sizeMaxBytes == long.MaxValue ? KeptPages : 0);
    }

    private void Thin(string stream, bool isLast = false)
    {
        using SqliteTransaction transaction = connection.BeginTransaction();
        if (IsThinningDue(stream, HistoryFile.Rows, TimeSpan.TicksPerHour) || isLast)
        {
            // An hour may have ended within a block.
            long after = AfterSeq(stream, HistoryFile.Minutes);
            var hours = new SpanBuilder(TimeSpan.TicksPerHour, TimeSpan.TicksPerMinute);
            foreach (StoredBlock block in Blocks(stream, HistoryFile.Rows, after))
            {
                RowBlock rows = RowBlock.Unpack(block.Bytes);
                for (int i = 0; i < rows.Count; i++)
                {
                    if (rows.Seqs[i] > after)
                    {
                        hours.Add(block.Columns, (rows.Seqs[i], rows.Seqs[i]), SpanBuilder.Of(rows, i));
                    }
                }

                AddSpans(stream, HistoryFile.Minutes, hours);
            }

            if (isLast)
            {
                hours.End();
                AddSpans(stream, HistoryFile.Minutes, hours);
            }
        }

        if (IsThinningDue(stream, HistoryFile.Minutes, TimeSpan.TicksPerDay))
        {
            var days = new SpanBuilder(TimeSpan.TicksPerDay, TimeSpan.TicksPerHour);
            foreach (StoredBlock block in Blocks(stream, HistoryFile.Minutes, AfterSeq(stream, HistoryFile.Hours)))
            {
                foreach (HistorySpan span in SpanBlock.Unpack(block.Bytes))
                {
                    days.Add(block.Columns, (block.FirstSeq, block.LastSeq), span);
                }

                AddSpans(stream, HistoryFile.Hours, days);
            }
        }

        transaction.Commit();
    }

    private void AddSpans(string stream, int level, SpanBuilder builder)
    {
        foreach (SpanBuilder.Group group in builder.TakeGroups())
        {
            HistoryTables.AddBlock(
                connection,
                stream,
                level,
                (group.FirstSeq, group.LastSeq),
                (group.Spans.Min(span => span.Time), group.Spans.Max(span => span.Time)),
                group.Columns,
                SpanBlock.Pack(group.Spans));
        }
    }

    // Whether what is not thinned yet begins in another hour, or day, than it ends.
    private bool IsThinningDue(string stream, int level, long ticks)
    {
        using SqliteCommand command = HistoryTables.Command(
            connection,
            "SELECT MIN(first_time / $4) <> MAX(last_time / $4) FROM block WHERE stream = $1 AND level = $2 AND last_seq > $3",
            stream,
            (long)level,
            AfterSeq(stream, level + 1),
            ticks);
        return command.ExecuteScalar() is 1L;
    }

    private long AfterSeq(string stream, int level) =>
        HistoryTables.Number(connection, "SELECT MAX(last_seq) FROM block WHERE stream = $1 AND level = $2", stream, (long)level);

    private IEnumerable<StoredBlock> Blocks(string stream, int level, long afterSeq)
    {
        using SqliteCommand command = HistoryTables.Command(
            connection,
            StoredBlock.Select + " WHERE stream = $1 AND level = $2 AND last_seq > $3 ORDER BY block.id",
            stream,
            (long)level,
            afterSeq);
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
            if (StoredBlock.Read(row) is { } block)
            {
                yield return block;
            }
            else
            {
                log.LogError("'{Path}': a block of '{Stream}' is damaged and is left out", path, stream);
            }
        }
    }

    // By the clock, and by the newest row: a clock that is set forward by mistake deletes nothing.
    private void DeleteOld()
    {
        long newest = HistoryTables.Number(connection, "SELECT MAX(last_time) FROM block");
        long before = Math.Min(newest, clock.GetUtcNow().UtcTicks) - options.AgeMax.Ticks;
        HistoryTables.Execute(
            connection,
            "DELETE FROM block WHERE level = 0 AND last_time < $1 AND last_seq <= "
                + "(SELECT MAX(last_seq) FROM block AS thin WHERE thin.stream = block.stream AND thin.level = 1)",
            before);
    }

    private void DeleteExcess(long sizeMaxBytes)
    {
        foreach (string from in Order)
        {
            while (HistoryTables.UsedBytes(connection) > sizeMaxBytes)
            {
                // Rows that are thinned too early are better than none.
                if (from == Order[0])
                {
                    string oldest = $"(SELECT stream, last_seq FROM {from} ORDER BY last_time LIMIT {DeletedTogether})";
                    foreach (string stream in HistoryTables.Texts(connection, $"SELECT DISTINCT stream FROM {oldest}"))
                    {
                        if (HistoryTables.Number(connection, $"SELECT MAX(last_seq) FROM {oldest} WHERE stream = $1", stream)
                            > AfterSeq(stream, HistoryFile.Minutes))
                        {
                            Thin(stream, isLast: true);
                        }
                    }
                }

                int deleted = HistoryTables.Execute(
                    connection,
                    $"DELETE FROM block WHERE id IN (SELECT id FROM {from} ORDER BY last_time LIMIT {DeletedTogether})");
                if (deleted == 0)
                {
                    break;
                }
            }
        }
    }

    private void Reclaim(int kept)
    {
        if (HistoryTables.Number(connection, "PRAGMA freelist_count") > kept)
        {
            using SqliteCommand command = HistoryTables.Command(connection, "PRAGMA incremental_vacuum");
            using SqliteDataReader row = command.ExecuteReader();
            while (row.Read())
            {
            }
        }

        HistoryTables.Execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
}
