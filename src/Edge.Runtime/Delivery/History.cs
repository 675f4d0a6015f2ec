using Edge.Inference;
using Edge.Streams;
using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Delivery;

/// <summary>
/// One stored row as the sensor gave it, before missing values are filled in. Values with more than five decimals are rounded to about
/// seven digits once their row is a few minutes old.
/// </summary>
/// <param name="Seq">Number of its tick.</param>
/// <param name="Time">Time of the values, UTC.</param>
/// <param name="Values">One value per channel, in the channel's unit; NaN where none was measured.</param>
/// <param name="Quality">Quality of each value.</param>
/// <param name="Score">Anomaly score of the tick, abnormal from 1 on; rounded to three digits.</param>
/// <param name="SkippedTicks">Ticks without a row since the row before.</param>
/// <param name="ClockJump">Step of the wall clock since the row before; zero if it was not set.</param>
/// <param name="ClockIsUnset">Whether the time comes from a clock that was never synchronized.</param>
internal sealed record HistoryRow(
    long Seq,
    DateTime Time,
    double[] Values,
    Quality[] Quality,
    float Score,
    long SkippedTicks,
    TimeSpan ClockJump,
    bool ClockIsUnset);

/// <summary>What a person said about a span of a stream, such as "this was a fault".</summary>
/// <param name="Id">Number of the label.</param>
/// <param name="From">Begin of the span, UTC.</param>
/// <param name="To">End of the span, UTC.</param>
/// <param name="Text">The text.</param>
internal sealed record HistoryLabel(long Id, DateTime From, DateTime To, string Text);

/// <summary>
/// Reads the stored rows of the streams, while the service runs or after it. Any thread may call it, also of another process; nothing
/// that a tick does waits for it.
/// </summary>
/// <param name="folder">The state folder.</param>
internal sealed partial class History(string folder)
{
    private const int EventsMax = 1000;

    /// <summary>Names of the streams that have rows, sorted.</summary>
    /// <exception cref="InputException">The history cannot be read.</exception>
    internal IReadOnlyList<string> Streams() => Read((log, connection) =>
    {
        var names = new SortedSet<string>(log.Where(each => each.Rows.Count > 0).Select(each => each.Stream), StringComparer.Ordinal);
        foreach (SqliteDataReader row in Query(connection, "SELECT DISTINCT stream FROM block"))
        {
            names.Add(row.GetString(0));
        }

        return (IReadOnlyList<string>)[.. names];
    });

    /// <summary>Names of the channels of a stream's newest rows; empty if it has none.</summary>
    /// <exception cref="InputException">The history cannot be read.</exception>
    internal IReadOnlyList<string> Columns(string stream) => Read((log, connection) => ColumnsOf(log, connection, stream));

    /// <summary>All rows of a stream that are still stored one by one, oldest first.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="from">First time, UTC, inclusive.</param>
    /// <param name="to">Last time, UTC, exclusive.</param>
    /// <remarks>Rows with other channels than the newest ones are left out. One block of rows is in memory at a time.</remarks>
    /// <exception cref="InputException">The history cannot be read.</exception>
    internal IEnumerable<HistoryRow> Rows(string stream, DateTime from, DateTime to)
    {
        (List<LogRecord> log, long archived, SqliteConnection? connection) = Open();
        using (connection)
        {
            IReadOnlyList<string> columns = ColumnsOf(log, connection, stream);
            string names = HistoryFile.Columns(columns);
            long last = 0;
            foreach (StoredBlock stored in Blocks(connection, stream, HistoryFile.Rows, from.Ticks, to.Ticks, 0, long.MaxValue))
            {
                if (stored.Columns == names)
                {
                    RowBlock block = RowBlock.Unpack(stored.Bytes);
                    for (int i = 0; i < block.Count; i++)
                    {
                        if (block.Times[i] >= from.Ticks && block.Times[i] < to.Ticks)
                        {
                            yield return block.Row(i);
                        }
                    }
                }

                last = stored.LastSeq;
            }

            foreach (HistoryRow row in LogRows(log, stream, names))
            {
                if (row.Seq > last && row.Time >= from && row.Time < to)
                {
                    yield return row;
                }
            }
        }
    }

    /// <summary>Events of a stream between two times, oldest first.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="from">The first time.</param>
    /// <param name="to">The time after the last.</param>
    /// <param name="most">The most events; if there are more, the newest.</param>
    /// <exception cref="InputException">The history cannot be read.</exception>
    internal IReadOnlyList<HistoryEvent> Events(string stream, DateTime from, DateTime to, int most = EventsMax) =>
        Read((log, connection) => EventsOf(log, connection, stream, from, to, most));

    /// <summary>By stream, its newest events, oldest first, and how many anomalies are stored of it.</summary>
    /// <param name="streams">The streams.</param>
    /// <param name="most">Most events of each.</param>
    /// <exception cref="InputException">The history cannot be read.</exception>
    internal IReadOnlyDictionary<string, (IReadOnlyList<HistoryEvent> Events, long Anomalies)> Newest(
        IReadOnlyList<string> streams, int most) => Read((log, connection) =>
        (IReadOnlyDictionary<string, (IReadOnlyList<HistoryEvent> Events, long Anomalies)>)streams.ToDictionary(
            stream => stream,
            stream => (EventsOf(log, connection, stream, DateTime.MinValue, DateTime.MaxValue, most),
                CountAnomalies(log, connection, stream))));

    /// <summary>Labels whose span touches these times, by begin.</summary>
    /// <exception cref="InputException">The history cannot be read.</exception>
    internal IReadOnlyList<HistoryLabel> Labels(string stream, DateTime from, DateTime to) => Read((_, connection) =>
    {
        var labels = new List<HistoryLabel>();
        foreach (SqliteDataReader row in Query(
            connection,
            "SELECT id, begin, end, text, sum FROM label WHERE stream = $1 AND begin < $3 AND end > $2 ORDER BY begin, id",
            stream,
            from.Ticks,
            to.Ticks))
        {
            (long begin, long end, string text) = (row.GetInt64(1), row.GetInt64(2), row.GetString(3));
            if (HistoryTables.SumOfLabel(stream, begin, end, text) == row.GetInt64(4))
            {
                labels.Add(
                    new HistoryLabel(row.GetInt64(0), new DateTime(begin, DateTimeKind.Utc), new DateTime(end, DateTimeKind.Utc), text));
            }
        }

        return (IReadOnlyList<HistoryLabel>)labels;
    });

    /// <summary>The sentence for a history that cannot be read.</summary>
    internal static InputException Unreadable(string folder, Exception e) => new(
        $"The history in '{folder}' cannot be read: {Database.Reason(e)}.{(Database.IsDiskFull(e) ? " Make room there." : "")}", e);

    private static IReadOnlyList<HistoryEvent> EventsOf(
        List<LogRecord> log, SqliteConnection? connection, string stream, DateTime from, DateTime to, int most)
    {
        // All columns: a file that an earlier version wrote lacks the last ones.
        var events = new List<HistoryEvent>();
        foreach (SqliteDataReader row in Query(
            connection,
            "SELECT * FROM event WHERE stream = $1 AND time >= $2 AND time < $3 ORDER BY id DESC LIMIT $4",
            stream,
            from.Ticks,
            to.Ticks,
            (long)most))
        {
            if (HistoryTables.ReadEvent(row) is { } each)
            {
                events.Add(each);
            }
        }

        events.Reverse();
        events.AddRange(LogEvents(log, stream).Where(each => each.Time >= from && each.Time < to));
        return [.. events.TakeLast(most)];
    }

    private static long CountAnomalies(List<LogRecord> log, SqliteConnection? connection, string stream)
    {
        long count = LogEvents(log, stream).Count(each => each is { Kind: HistoryEventKind.Anomaly, Change: "opened" });
        foreach (SqliteDataReader row in Query(
            connection,
            "SELECT COUNT(*) FROM event WHERE stream = $1 AND is_limit = $2 AND change = 'opened'",
            stream,
            (long)HistoryEventKind.Anomaly))
        {
            count += row.GetInt64(0);
        }

        return count;
    }

    private static IReadOnlyList<string> ColumnsOf(List<LogRecord> log, SqliteConnection? connection, string stream)
    {
        if (log.FindLast(each => each.Stream == stream && each.Rows.Count > 0 && each.Rows.Columns.Count > 0) is { } newest)
        {
            return newest.Rows.Columns;
        }

        // Level by level, as the index has it.
        for (int level = HistoryFile.Rows; level <= HistoryFile.Hours; level++)
        {
            foreach (SqliteDataReader row in Query(
                connection,
                "SELECT columns FROM layout WHERE id = "
                    + "(SELECT layout FROM block WHERE stream = $1 AND level = $2 ORDER BY last_seq DESC LIMIT 1)",
                stream,
                (long)level))
            {
                return row.GetString(0).Split('\n');
            }
        }

        return [];
    }

    // Damaged blocks are left out.
    private static IEnumerable<StoredBlock> Blocks(
        SqliteConnection? connection, string stream, int level, long from, long to, long afterSeq, long beforeSeq)
    {
        foreach (SqliteDataReader row in Query(
            connection,
            StoredBlock.Select + " WHERE stream = $1 AND level = $2 AND last_time >= $3 AND first_time < $4 AND last_seq > $5 "
                + "AND first_seq < $6 ORDER BY block.id",
            stream,
            (long)level,
            from,
            to,
            afterSeq,
            beforeSeq))
        {
            if (StoredBlock.Read(row) is { } block)
            {
                yield return block;
            }
        }
    }

    private static IEnumerable<SqliteDataReader> Query(SqliteConnection? connection, string text, params object[] values)
    {
        if (connection is null)
        {
            yield break;
        }

        using SqliteCommand command = HistoryTables.Command(connection, text, values);
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
            yield return row;
        }
    }

    private static IEnumerable<HistoryRow> LogRows(List<LogRecord> log, string stream, string columns) => log
        .Where(record => record.Stream == stream && record.Rows.Count > 0 && HistoryFile.Columns(record.Rows.Columns) == columns)
        .SelectMany(record => Unpacked(record.UnpackRows));

    private static IEnumerable<HistoryEvent> LogEvents(List<LogRecord> log, string stream) => log
        .Where(record => record.Stream == stream && record.Rows.EventCount > 0)
        .SelectMany(record => Unpacked(record.UnpackEvents));

    private static List<T> Unpacked<T>(Func<List<T>> unpack)
    {
        try
        {
            return unpack();
        }
        catch (InvalidDataException)
        {
            return [];
        }
    }

    private T Read<T>(Func<List<LogRecord>, SqliteConnection?, T> read)
    {
        try
        {
            (List<LogRecord> log, _, SqliteConnection? connection) = Open();
            using (connection)
            {
                return read(log, connection);
            }
        }
        catch (Exception e) when (e is SqliteException or InvalidDataException)
        {
            throw Unreadable(folder, e);
        }
    }

    // The log first: what is taken from it meanwhile is then in the file. The state of the file is that of this moment.
    private (List<LogRecord> Log, long Archived, SqliteConnection? Connection) Open()
    {
        SqliteConnection? connection = null;
        try
        {
            var log = new List<(long Position, LogRecord Record)>();
            foreach ((uint number, string path) in RowLog.Files(folder))
            {
                try
                {
                    using FileContent file = FileContent.Read(path);
                    log.AddRange(RowLog.Read(number, file.Span, withMessages: false, out _));
                }
                catch (FileNotFoundException)
                {
                    // Its rows are in the file since.
                }
            }

            connection = HistoryFile.OpenToRead(folder);
            long archived = 0;
            if (connection is not null)
            {
                HistoryTables.Command(connection, "BEGIN").ExecuteNonQuery();
                archived = HistoryFile.ReadArchived(connection);
            }

            return ([.. log.Where(each => each.Position > archived).Select(each => each.Record)], archived, connection);
        }
        catch (Exception e) when (e is SqliteException || FileFault.Is(e))
        {
            connection?.Dispose();
            throw Unreadable(folder, e);
        }
    }
}
