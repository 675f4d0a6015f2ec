using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Delivery;

/// <summary>The tables of <c>history.db</c>, and the sums over what is in them.</summary>
internal static class HistoryTables
{
    private const int SchemaVersion = 1;
    private const int BusyMs = 2000;

    /// <summary>Opens a file to write; creates it, or what it lacks.</summary>
    /// <exception cref="SqliteException">It cannot be used, or is damaged.</exception>
    /// <exception cref="IOException">A later version wrote it, or the disk refuses.</exception>
    internal static SqliteConnection Open(string path)
    {
        if (!File.Exists(path))
        {
            Create(path);
        }

        return Prepare(path);
    }

    // Any process reads the file as soon as it is there: it gets its name when it is whole.
    private static void Create(string path)
    {
        string partial = path + ".partial";
        foreach (string left in new[] { partial, partial + "-journal", partial + "-wal", partial + "-shm", path + "-wal", path + "-shm" })
        {
            File.Delete(left);
        }

        Prepare(partial).Dispose();
        DurableFile.Replace(partial, path);
    }

    private static SqliteConnection Prepare(string path)
    {
        SqliteConnection connection = Connect(path, SqliteOpenMode.ReadWriteCreate);
        try
        {
            if (Number(connection, "PRAGMA user_version") > SchemaVersion)
            {
                throw new IOException("A later version wrote it. Update edge-runtime, or move the file away.");
            }

            Execute(connection, "PRAGMA auto_vacuum=INCREMENTAL");
            Execute(connection, "PRAGMA synchronous=FULL");
            Execute(
                connection,
                "BEGIN IMMEDIATE;"
                + "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
                + "CREATE TABLE IF NOT EXISTS layout(id INTEGER PRIMARY KEY, columns TEXT NOT NULL UNIQUE);"
                + "CREATE TABLE IF NOT EXISTS block(id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, level INTEGER NOT NULL, "
                + "first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, "
                + "layout INTEGER NOT NULL, sum INTEGER NOT NULL, bytes BLOB NOT NULL);"
                + "CREATE INDEX IF NOT EXISTS block_time ON block(stream, level, last_time, first_time);"
                + "CREATE INDEX IF NOT EXISTS block_seq ON block(stream, level, last_seq);"
                + "CREATE INDEX IF NOT EXISTS block_old ON block(level, last_time);"
                + "CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, seq INTEGER NOT NULL, "
                + "time INTEGER NOT NULL, name TEXT NOT NULL, is_limit INTEGER NOT NULL, change TEXT NOT NULL, score REAL, "
                + "sentence TEXT NOT NULL, sum INTEGER NOT NULL, started INTEGER, channel TEXT, severity TEXT);"
                + "CREATE INDEX IF NOT EXISTS event_time ON event(stream, time);"
                + "CREATE TABLE IF NOT EXISTS label(id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, begin INTEGER NOT NULL, "
                + "end INTEGER NOT NULL, text TEXT NOT NULL, sum INTEGER NOT NULL);"
                + $"PRAGMA user_version={SchemaVersion}; COMMIT");

            // After the tables: a new file has them in itself then, and nothing in a write-ahead log.
            Execute(connection, "PRAGMA journal_mode=WAL");
            AddEventColumns(connection);
            return connection;
        }
        catch (Exception)
        {
            connection.Dispose();
            throw;
        }
    }

    // Earlier files lack them. Earlier versions of the program read and write files that have them.
    private static void AddEventColumns(SqliteConnection connection)
    {
        if (Number(connection, "SELECT COUNT(*) FROM pragma_table_info('event') WHERE name = 'severity'") == 0)
        {
            Execute(
                connection,
                "BEGIN; ALTER TABLE event ADD COLUMN started INTEGER; ALTER TABLE event ADD COLUMN channel TEXT;"
                + "ALTER TABLE event ADD COLUMN severity TEXT; COMMIT");
        }
    }

    /// <summary>Opens a file that is there.</summary>
    internal static SqliteConnection Connect(string path, SqliteOpenMode mode = SqliteOpenMode.ReadWrite)
    {
        SQLitePCL.Batteries_V2.Init();
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 5 }.ToString());
        connection.Open();
        Execute(connection, string.Create(CultureInfo.InvariantCulture, $"PRAGMA busy_timeout={BusyMs}"));
        return connection;
    }

    /// <summary>Runs a change.</summary>
    /// <returns>Rows that it changed.</returns>
    internal static int Execute(SqliteConnection connection, string text, params ReadOnlySpan<object> values)
    {
        using SqliteCommand command = Command(connection, text, values);
        return command.ExecuteNonQuery();
    }

    /// <summary>One whole number; 0 for none.</summary>
    internal static long Number(SqliteConnection connection, string text, params ReadOnlySpan<object> values)
    {
        using SqliteCommand command = Command(connection, text, values);
        return command.ExecuteScalar() as long? ?? 0;
    }

    /// <summary>The first column of all rows.</summary>
    internal static List<string> Texts(SqliteConnection connection, string text)
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

    /// <summary>Adds a block.</summary>
    internal static void AddBlock(
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

    private static long Layout(SqliteConnection connection, string columns)
    {
        Execute(connection, "INSERT OR IGNORE INTO layout(columns) VALUES ($1)", columns);
        return Number(connection, "SELECT id FROM layout WHERE columns = $1", columns);
    }

    /// <summary>Bytes in use; the free pages of the file do not count.</summary>
    internal static long UsedBytes(SqliteConnection connection) =>
        (Number(connection, "PRAGMA page_count") - Number(connection, "PRAGMA freelist_count")) * Number(connection, "PRAGMA page_size");

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

    /// <summary>Adds an event.</summary>
    internal static void AddEvent(SqliteConnection connection, string stream, HistoryEvent each) => Execute(
        connection,
        "INSERT INTO event(stream, seq, time, name, is_limit, change, score, sentence, sum, started, channel, severity) "
            + "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        stream,
        each.Seq,
        each.Time.Ticks,
        each.Id,
        (long)each.Kind,
        each.Change,
        double.IsNaN(each.Score) ? DBNull.Value : each.Score,
        each.Sentence,
        SumOfEvent(stream, each),
        each.Channel is null ? DBNull.Value : each.Started.Ticks,
        each.Channel is null ? DBNull.Value : each.Channel,
        each.Channel is null ? DBNull.Value : each.Severity);

    /// <summary>Reads an event, with all columns of the table; null if it is damaged.</summary>
    internal static HistoryEvent? ReadEvent(SqliteDataReader row)
    {
        var each = new HistoryEvent(
            row.GetInt64(2),
            Time(row.GetInt64(3)),
            row.GetString(4),
            (HistoryEventKind)row.GetInt64(5),
            row.GetString(6),
            row.IsDBNull(7) ? double.NaN : row.GetDouble(7),
            row.GetString(8));
        const int Started = 10;
        if (row.FieldCount > Started && !row.IsDBNull(Started))
        {
            each = each with
            {
                Started = Time(row.GetInt64(Started)),
                Channel = row.GetString(Started + 1),
                Severity = row.GetString(Started + 2),
            };
        }

        return SumOfEvent(row.GetString(1), each) == row.GetInt64(9) ? each : null;
    }

    private static DateTime Time(long ticks) => new(Math.Clamp(ticks, 0, DateTime.MaxValue.Ticks), DateTimeKind.Utc);

    /// <summary>The sum over an event.</summary>
    internal static long SumOfEvent(string stream, HistoryEvent each)
    {
        var sum = new Checksum();
        sum.Add(stream);
        sum.Add(each.Seq);
        sum.Add(each.Time.Ticks);
        sum.Add(each.Id);
        sum.Add((long)each.Kind);
        sum.Add(each.Change);
        sum.Add(BitConverter.DoubleToInt64Bits(each.Score));
        sum.Add(each.Sentence);
        if (each.Channel is { } channel)
        {
            sum.Add(each.Started.Ticks);
            sum.Add(channel);
            sum.Add(each.Severity);
        }

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
}
