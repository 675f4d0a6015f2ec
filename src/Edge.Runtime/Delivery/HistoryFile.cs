using System.Globalization;
using Edge.Inference;
using Edge.Streams;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// The stored rows of all streams in an SQLite file of their own, <c>history.db</c>: damage or a full history costs no state and no
/// message. Rows come in blocks, once a file of the <see cref="RowLog"/> is closed. Any thread may call it; no tick does.
/// </summary>
/// <remarks>
/// Level 0 are rows, level 1 minutes, level 2 hours. An hour of rows is thinned to minutes when it is over, a day of minutes to hours. Rows
/// that are too old are deleted then; beyond the size the oldest rows go first, then the oldest minutes, hours and events.
/// </remarks>
internal sealed class HistoryFile : IDisposable
{
    internal const int Rows = 0;
    internal const int Minutes = 1;
    internal const int Hours = 2;

    private const int SchemaVersion = 1;
    private const int BusyMs = 2000;
    private const int DeletedTogether = 32;
    private const int EventsMax = 20_000;
    private const int LabelsMax = 10_000;
    private const int LabelTextMax = 500;
    private const int KeptPages = 1024;

    private static readonly string[] Order = ["block WHERE level = 0", "block WHERE level = 1", "block WHERE level = 2"];

    private readonly string _folder;
    private readonly HistoryOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private SqliteConnection? _connection;
    private bool _saidBroken;

    /// <param name="folder">The state folder.</param>
    /// <param name="options">Limits.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">What goes wrong.</param>
    internal HistoryFile(string folder, HistoryOptions options, TimeProvider clock, ILogger log)
    {
        _folder = folder;
        _options = options;
        _clock = clock;
        _log = log;
    }

    /// <summary>Path of the file of a state folder.</summary>
    internal static string PathIn(string folder) => Path.Combine(folder, "history.db");

    /// <summary>Where the log was when rows were taken from it last; 0 for never, or if the file cannot be read.</summary>
    internal long Archived()
    {
        long position = 0;
        if (File.Exists(PathIn(_folder)))
        {
            Try(connection => position = ReadArchived(connection));
        }

        return position;
    }

    /// <summary>Stores what the log has after <see cref="Archived"/>.</summary>
    /// <param name="log">The records with their positions, oldest first.</param>
    /// <returns>False if the disk refuses: they can be stored again later.</returns>
    internal bool Add(IReadOnlyList<(long Position, LogRecord Record)> log) => Try(connection =>
    {
        long archived = ReadArchived(connection);
        List<(long Position, LogRecord Record)> left = [.. log.Where(each => each.Position > archived)];
        if (left.Count == 0)
        {
            return;
        }

        using SqliteTransaction transaction = connection.BeginTransaction();
        foreach (IGrouping<string, (long Position, LogRecord Record)> stream in left.GroupBy(each => each.Record.Stream))
        {
            AddStream(connection, stream.Key, [.. stream.Select(each => each.Record)]);
        }

        Execute(
            connection,
            "INSERT INTO meta(key, value) VALUES ('archived', $1) ON CONFLICT(key) DO UPDATE SET value = $1",
            left[^1].Position);
        transaction.Commit();
    });

    /// <summary>Thins rows of past hours, and deletes what is too old or too much.</summary>
    /// <param name="sizeMaxBytes">The most bytes to keep, if the disk has less space than is configured.</param>
    internal void Trim(long sizeMaxBytes = long.MaxValue)
    {
        if (!File.Exists(PathIn(_folder)))
        {
            return;
        }

        Try(connection =>
        {
            foreach (string stream in Texts(connection, "SELECT DISTINCT stream FROM block"))
            {
                Thin(connection, stream);
            }

            DeleteOld(connection);
            DeleteExcess(connection, Math.Min(sizeMaxBytes, _options.SizeMaxBytes));
            Execute(
                connection,
                "DELETE FROM event WHERE id <= (SELECT COALESCE(MAX(id), 0) FROM event) - $1",
                (long)EventsMax);
            Reclaim(connection, kept: sizeMaxBytes == long.MaxValue ? KeptPages : 0);
        });
    }

    /// <summary>Bytes that the rows and what they were thinned to take.</summary>
    internal long SizeBytes()
    {
        long size = 0;
        if (File.Exists(PathIn(_folder)))
        {
            Try(connection => size = UsedBytes(connection));
        }

        return size;
    }

    /// <summary>Stores what a person says about a span of a stream.</summary>
    /// <returns>Its number.</returns>
    /// <exception cref="InputException">The span or the text is not valid, there are too many labels, or the disk refuses.</exception>
    internal long AddLabel(string stream, DateTime from, DateTime to, string text)
    {
        if (to <= from)
        {
            throw new InputException("A label must end after it begins.");
        }

        if (string.IsNullOrWhiteSpace(text) || text.Length > LabelTextMax)
        {
            throw new InputException($"The text of a label must have 1 to {LabelTextMax} characters.");
        }

        long id = 0;
        bool isFull = false;
        bool isDone = Try(connection =>
        {
            isFull = Number(connection, "SELECT COUNT(*) FROM label") >= LabelsMax;
            if (!isFull)
            {
                id = Number(
                    connection,
                    "INSERT INTO label(stream, begin, end, text, sum) VALUES ($1, $2, $3, $4, $5) RETURNING id",
                    stream,
                    from.Ticks,
                    to.Ticks,
                    text,
                    SumOfLabel(stream, from.Ticks, to.Ticks, text));
            }
        });
        return isFull ? throw new InputException($"There are {LabelsMax} labels already. Remove some first.")
            : isDone ? id
            : throw new InputException($"'{PathIn(_folder)}' cannot be written. The log of the service says why.");
    }

    /// <summary>Removes a label.</summary>
    /// <returns>False if there is no such label of the stream.</returns>
    internal bool RemoveLabel(string stream, long id)
    {
        bool isThere = false;
        Try(connection => isThere = Execute(connection, "DELETE FROM label WHERE id = $1 AND stream = $2", id, stream) > 0);
        return isThere;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            Close();
        }
    }

    /// <summary>Opens the file of a folder for reading, beside the service or after it; null if there is none.</summary>
    /// <exception cref="SqliteException">It cannot be read.</exception>
    internal static SqliteConnection? OpenToRead(string folder) => File.Exists(PathIn(folder)) ? Connect(PathIn(folder)) : null;

    /// <summary>Where the log was when rows were taken from it last.</summary>
    internal static long ReadArchived(SqliteConnection connection) => Number(connection, "SELECT value FROM meta WHERE key = 'archived'");

    /// <summary>The sum over a block and what says what it is of.</summary>
    internal static long SumOfBlock(string stream, long level, long firstSeq, long lastSeq, string columns, ReadOnlySpan<byte> bytes)
    {
        var sum = new Checksum();
        sum.Add(stream);
        sum.Add(level);
        sum.Add(firstSeq);
        sum.Add(lastSeq);
        sum.Add(columns);
        sum.Add(bytes);
        return sum.Sum;
    }

    /// <summary>The sum over an event.</summary>
    internal static long SumOfEvent(string stream, HistoryEvent each)
    {
        var sum = new Checksum();
        sum.Add(stream);
        sum.Add(each.Seq);
        sum.Add(each.Time.Ticks);
        sum.Add(each.Id);
        sum.Add(each.IsLimit ? 1L : 0);
        sum.Add(each.Change);
        sum.Add(BitConverter.DoubleToInt64Bits(each.Score));
        sum.Add(each.Sentence);
        return sum.Sum;
    }

    /// <summary>The sum over a label.</summary>
    internal static long SumOfLabel(string stream, long from, long to, string text)
    {
        var sum = new Checksum();
        sum.Add(stream);
        sum.Add(from);
        sum.Add(to);
        sum.Add(text);
        return sum.Sum;
    }

    /// <summary>A command with its values, named $1, $2, ... in the text.</summary>
    internal static SqliteCommand Command(SqliteConnection connection, string text, params ReadOnlySpan<object> values)
    {
        SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        for (int i = 0; i < values.Length; i++)
        {
            command.Parameters.AddWithValue(string.Create(CultureInfo.InvariantCulture, $"${i + 1}"), values[i]);
        }

        return command;
    }

    private void AddStream(SqliteConnection connection, string stream, LogRecord[] records)
    {
        var rows = new List<HistoryRow>();
        string columns = "";
        foreach (LogRecord record in records)
        {
            try
            {
                string names = Columns(record.Rows.Columns);
                if (rows.Count > 0 && (names != columns || rows.Count + record.Rows.Count > RowBlock.RowsMax))
                {
                    AddRows(connection, stream, columns, rows);
                    rows.Clear();
                }

                columns = names;
                rows.AddRange(record.UnpackRows());
                foreach (HistoryEvent each in record.UnpackEvents())
                {
                    AddEvent(connection, stream, each);
                }
            }
            catch (InvalidDataException e)
            {
                _log.LogError("{Stream}: rows from tick {Seq} on are damaged and are left out: {Reason}", stream, record.Rows.FirstSeq, e.Message);
            }
        }

        if (rows.Count > 0)
        {
            AddRows(connection, stream, columns, rows);
        }
    }

    /// <summary>The names of the channels as one text.</summary>
    internal static string Columns(IReadOnlyList<string> columns) => string.Join('\n', columns);

    private static void AddRows(SqliteConnection connection, string stream, string columns, List<HistoryRow> rows) => AddBlock(
        connection,
        stream,
        Rows,
        (rows[0].Seq, rows[^1].Seq),
        (rows.Min(row => row.Time.Ticks), rows.Max(row => row.Time.Ticks)),
        columns,
        RowBlock.Pack(rows));

    private static void AddBlock(
        SqliteConnection connection,
        string stream,
        int level,
        (long First, long Last) seq,
        (long First, long Last) time,
        string columns,
        byte[] bytes)
    {
        Execute(
            connection,
            "INSERT INTO block(stream, level, first_seq, last_seq, first_time, last_time, layout, bytes, sum) "
                + "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            stream,
            (long)level,
            seq.First,
            seq.Last,
            time.First,
            time.Last,
            Layout(connection, columns),
            bytes,
            SumOfBlock(stream, level, seq.First, seq.Last, columns, bytes));
    }

    private static void AddEvent(SqliteConnection connection, string stream, HistoryEvent each) => Execute(
        connection,
        "INSERT INTO event(stream, seq, time, name, is_limit, change, score, sentence, sum) "
            + "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        stream,
        each.Seq,
        each.Time.Ticks,
        each.Id,
        each.IsLimit ? 1L : 0L,
        each.Change,
        double.IsNaN(each.Score) ? DBNull.Value : each.Score,
        each.Sentence,
        SumOfEvent(stream, each));

    private static long Layout(SqliteConnection connection, string columns)
    {
        Execute(connection, "INSERT OR IGNORE INTO layout(columns) VALUES ($1)", columns);
        return Number(connection, "SELECT id FROM layout WHERE columns = $1", columns);
    }

    private void Thin(SqliteConnection connection, string stream, bool isLast = false)
    {
        using SqliteTransaction transaction = connection.BeginTransaction();
        var hours = new SpanBuilder(TimeSpan.TicksPerHour, TimeSpan.TicksPerMinute);
        if (IsThinningDue(connection, stream, Rows, TimeSpan.TicksPerHour) || isLast)
        {
            foreach (StoredBlock block in Blocks(connection, stream, Rows, AfterSeq(connection, stream, Minutes)))
            {
                RowBlock rows = RowBlock.Unpack(block.Bytes);
                for (int i = 0; i < rows.Count; i++)
                {
                    hours.Add(block.Columns, rows.Seqs[i], SpanBuilder.Of(rows, i));
                }
            }

            AddSpans(connection, stream, Minutes, hours, isLast);
        }

        if (IsThinningDue(connection, stream, Minutes, TimeSpan.TicksPerDay))
        {
            var days = new SpanBuilder(TimeSpan.TicksPerDay, TimeSpan.TicksPerHour);
            foreach (StoredBlock block in Blocks(connection, stream, Minutes, AfterSeq(connection, stream, Hours)))
            {
                foreach (HistorySpan span in SpanBlock.Unpack(block.Bytes))
                {
                    days.Add(block.Columns, block.LastSeq, span);
                }
            }

            AddSpans(connection, stream, Hours, days, isLast: false);
        }

        transaction.Commit();
    }

    private static void AddSpans(SqliteConnection connection, string stream, int level, SpanBuilder builder, bool isLast)
    {
        if (isLast)
        {
            builder.End();
        }

        foreach (SpanBuilder.Group group in builder.Groups)
        {
            AddBlock(
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
    private static bool IsThinningDue(SqliteConnection connection, string stream, int level, long ticks)
    {
        using SqliteCommand command = Command(
            connection,
            "SELECT MIN(first_time / $4) <> MAX(last_time / $4) FROM block WHERE stream = $1 AND level = $2 AND last_seq > $3",
            stream,
            (long)level,
            AfterSeq(connection, stream, level + 1),
            ticks);
        return command.ExecuteScalar() is 1L;
    }

    private static long AfterSeq(SqliteConnection connection, string stream, int level) =>
        Number(connection, "SELECT MAX(last_seq) FROM block WHERE stream = $1 AND level = $2", stream, (long)level);

    private IEnumerable<StoredBlock> Blocks(SqliteConnection connection, string stream, int level, long afterSeq)
    {
        using SqliteCommand command = Command(
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
                _log.LogError("'{Path}': a block of '{Stream}' is damaged and is left out", PathIn(_folder), stream);
            }
        }
    }

    // By the clock, and by the newest row: a clock that is set forward by mistake deletes nothing.
    private void DeleteOld(SqliteConnection connection)
    {
        long newest = Number(connection, "SELECT MAX(last_time) FROM block");
        long before = Math.Min(newest, _clock.GetUtcNow().UtcTicks) - _options.AgeMax.Ticks;
        Execute(
            connection,
            "DELETE FROM block WHERE level = 0 AND last_time < $1 AND last_seq <= "
                + "(SELECT MAX(last_seq) FROM block AS thin WHERE thin.stream = block.stream AND thin.level = 1)",
            before);
    }

    private void DeleteExcess(SqliteConnection connection, long sizeMaxBytes)
    {
        foreach (string from in Order)
        {
            while (UsedBytes(connection) > sizeMaxBytes)
            {
                // Rows that are thinned too early are better than none.
                if (from == Order[0])
                {
                    foreach (string stream in Texts(
                        connection, $"SELECT DISTINCT stream FROM {from} ORDER BY last_time LIMIT {DeletedTogether}"))
                    {
                        if (Number(
                            connection,
                            "SELECT MIN(last_seq) FROM block WHERE level = 0 AND stream = $1",
                            stream) > AfterSeq(connection, stream, Minutes))
                        {
                            Thin(connection, stream, isLast: true);
                        }
                    }
                }

                int deleted = Execute(
                    connection,
                    $"DELETE FROM block WHERE id IN (SELECT id FROM {from} ORDER BY last_time LIMIT {DeletedTogether})");
                if (deleted == 0)
                {
                    break;
                }
            }
        }
    }

    private static long UsedBytes(SqliteConnection connection) =>
        (Number(connection, "PRAGMA page_count") - Number(connection, "PRAGMA freelist_count")) * Number(connection, "PRAGMA page_size");

    private static void Reclaim(SqliteConnection connection, int kept)
    {
        if (Number(connection, "PRAGMA freelist_count") > kept)
        {
            using SqliteCommand command = Command(connection, "PRAGMA incremental_vacuum");
            using SqliteDataReader row = command.ExecuteReader();
            while (row.Read())
            {
            }
        }

        Execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    }

    // Runs an action on the file. A damaged file is kept aside and a new one begun; other faults are logged once.
    private bool Try(Action<SqliteConnection> use)
    {
        lock (_gate)
        {
            for (int attempt = 0; ; attempt++)
            {
                try
                {
                    use(_connection ??= Open());
                    _saidBroken = false;
                    return true;
                }
                catch (SqliteException e) when (Database.IsDamage(e) && attempt == 0)
                {
                    Close();
                    SetAside(e.Message);
                }
                catch (InvalidDataException e) when (attempt == 0)
                {
                    Close();
                    SetAside(e.Message);
                }
                catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException or InvalidDataException)
                {
                    Close();
                    if (!_saidBroken)
                    {
                        _saidBroken = true;
                        _log.LogError("History '{Path}' cannot be used: {Reason} Retrying", PathIn(_folder), e.Message);
                    }

                    return false;
                }
            }
        }
    }

    private void SetAside(string reason)
    {
        try
        {
            _log.LogError(
                "History '{Path}' is damaged: {Reason}. It is kept as '{Aside}'. A new file is written",
                PathIn(_folder),
                reason,
                StateStore.MoveAside(PathIn(_folder), _clock));
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            _log.LogDebug("It cannot be moved aside: {Reason}", e.Message);
        }
    }

    private SqliteConnection Open()
    {
        SqliteConnection connection = Connect(PathIn(_folder), SqliteOpenMode.ReadWriteCreate);
        try
        {
            if (Number(connection, "PRAGMA user_version") > SchemaVersion)
            {
                throw new IOException("A later version wrote it. Update edge-runtime, or move the file away.");
            }

            Execute(connection, "PRAGMA auto_vacuum=INCREMENTAL");
            Execute(connection, "PRAGMA journal_mode=WAL");
            Execute(connection, "PRAGMA synchronous=FULL");
            Execute(
                connection,
                "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
                + "CREATE TABLE IF NOT EXISTS layout(id INTEGER PRIMARY KEY, columns TEXT NOT NULL UNIQUE);"
                + "CREATE TABLE IF NOT EXISTS block(id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, level INTEGER NOT NULL, "
                + "first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, "
                + "layout INTEGER NOT NULL, sum INTEGER NOT NULL, bytes BLOB NOT NULL);"
                + "CREATE INDEX IF NOT EXISTS block_time ON block(stream, level, last_time, first_time);"
                + "CREATE INDEX IF NOT EXISTS block_seq ON block(stream, level, last_seq);"
                + "CREATE INDEX IF NOT EXISTS block_old ON block(level, last_time);"
                + "CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, seq INTEGER NOT NULL, "
                + "time INTEGER NOT NULL, name TEXT NOT NULL, is_limit INTEGER NOT NULL, change TEXT NOT NULL, score REAL, "
                + "sentence TEXT NOT NULL, sum INTEGER NOT NULL);"
                + "CREATE INDEX IF NOT EXISTS event_time ON event(stream, time);"
                + "CREATE TABLE IF NOT EXISTS label(id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, begin INTEGER NOT NULL, "
                + "end INTEGER NOT NULL, text TEXT NOT NULL, sum INTEGER NOT NULL);"
                + $"PRAGMA user_version={SchemaVersion}");
            return connection;
        }
        catch (Exception)
        {
            connection.Dispose();
            throw;
        }
    }

    private void Close()
    {
        _connection?.Dispose();
        _connection = null;
    }

    private static SqliteConnection Connect(string path, SqliteOpenMode mode = SqliteOpenMode.ReadWrite)
    {
        SQLitePCL.Batteries_V2.Init();
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 5 }.ToString());
        connection.Open();
        Execute(connection, string.Create(CultureInfo.InvariantCulture, $"PRAGMA busy_timeout={BusyMs}"));
        return connection;
    }

    private static int Execute(SqliteConnection connection, string text, params ReadOnlySpan<object> values)
    {
        using SqliteCommand command = Command(connection, text, values);
        return command.ExecuteNonQuery();
    }

    private static long Number(SqliteConnection connection, string text, params ReadOnlySpan<object> values)
    {
        using SqliteCommand command = Command(connection, text, values);
        return command.ExecuteScalar() as long? ?? 0;
    }

    private static List<string> Texts(SqliteConnection connection, string text)
    {
        using SqliteCommand command = Command(connection, text);
        using SqliteDataReader row = command.ExecuteReader();
        var texts = new List<string>();
        while (row.Read())
        {
            texts.Add(row.GetString(0));
        }

        return texts;
    }
}
