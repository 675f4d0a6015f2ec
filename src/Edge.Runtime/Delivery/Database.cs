using Edge.Inference;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Edge.Runtime.Delivery;

/// <summary>One connection to the SQLite file of the state, with its schema. Not thread-safe.</summary>
internal sealed class Database : IDisposable
{
    private const int SchemaVersion = 4;

    // After an outage the write-ahead log is truncated to this size.
    private const int WalKept = 4 << 20;

    private readonly SqliteConnection _connection;
    private readonly bool _everyTick;
    private readonly Statement _begin;
    private readonly Statement _commit;
    private readonly Statement _rollback;

    /// <summary>Opens the file, creates missing tables, and checks it for damage.</summary>
    /// <param name="path">The file.</param>
    /// <param name="everyTick">Whether every commit is an fsync.</param>
    /// <param name="onlyReads">
    /// Whether nothing is to be written, because the disk has no space: the index of the write-ahead log is then in memory, not in a file.
    /// No other connection can open the file meanwhile.
    /// </param>
    /// <exception cref="SqliteException">The file cannot be used, or is damaged (<see cref="IsDamage"/>).</exception>
    /// <exception cref="InputException">A later version wrote it.</exception>
    internal Database(string path, bool everyTick, bool onlyReads = false)
    {
        _everyTick = everyTick;
        OnlyReads = onlyReads;
        IsLogMissing = !File.Exists(path + "-wal");
        _connection = Connect(path, SqliteOpenMode.ReadWriteCreate);
        _begin = PrepareHot("BEGIN IMMEDIATE");
        _commit = PrepareHot("COMMIT");
        _rollback = PrepareHot("ROLLBACK");
        try
        {
            if (onlyReads)
            {
                Execute("PRAGMA locking_mode=EXCLUSIVE");
            }

            if ((long)Scalar("PRAGMA user_version")! > SchemaVersion)
            {
                throw new InputException(
                    $"State '{path}' was written by a later version. Update edge-runtime, or move the file away to start without state.");
            }

            // Only a new file takes this; it writes to any.
            if (!onlyReads)
            {
                Execute("PRAGMA auto_vacuum=INCREMENTAL");
            }

            Execute("PRAGMA journal_mode=WAL");
            Execute($"PRAGMA journal_size_limit={WalKept}");
            Force(onlyNow: false);
            PrepareFile();
        }
        catch (Exception)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// Whether the file is damaged: SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR_SHORT_READ (a file that was cut short), or a schema
    /// that lacks what every statement here names.
    /// </summary>
    internal static bool IsDamage(SqliteException e) => e.SqliteErrorCode is 11 or 26 || e.SqliteExtendedErrorCode == 522
        || (e.SqliteErrorCode == 1
            && (
                e.Message.Contains("no such ", StringComparison.Ordinal) || e.Message.Contains(
                    "no column named", StringComparison.Ordinal)));

    /// <summary>
    /// Whether the disk is full: SQLITE_FULL, SQLITE_IOERR_SHMSIZE (the index of a write-ahead log, which also a reader makes), or what the
    /// operating system says.
    /// </summary>
    internal static bool IsDiskFull(Exception e) =>
        e is SqliteException { SqliteErrorCode: 13 } or SqliteException { SqliteExtendedErrorCode: 4874 } || FileFault.IsDiskFull(e);

    /// <summary>What SQLite says, without the number and the quotes that its message has around it; no full stop.</summary>
    internal static string Reason(Exception e)
    {
        if (IsDiskFull(e))
        {
            return "the disk is full";
        }

        string message = e.Message.TrimEnd('.');
        int begin = e is SqliteException ? message.IndexOf('\'', StringComparison.Ordinal) : -1;
        int end = message.LastIndexOf('\'');
        return begin >= 0 && end > begin ? message[(begin + 1)..end] : message;
    }

    /// <summary>Checks the whole file while another connection writes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mode">Read-only for a look that leaves the write-ahead log where it is.</param>
    /// <returns>What is wrong with it, or null.</returns>
    internal static string? FindDamage(string path, SqliteOpenMode mode = SqliteOpenMode.ReadWrite)
    {
        try
        {
            using SqliteConnection connection = Connect(path, mode);
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA integrity_check(1)";
            return (string)command.ExecuteScalar()! is var found && found != "ok" ? found : null;
        }
        catch (SqliteException e) when (IsDamage(e))
        {
            return Reason(e);
        }
    }

    /// <summary>Flushes the WAL to disk (fsync). A checkpoint on a separate connection does not block the writer.</summary>
    internal static void Checkpoint(string path)
    {
        using SqliteConnection connection = Connect(path, SqliteOpenMode.ReadWrite);
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA wal_checkpoint(PASSIVE)";
        command.ExecuteNonQuery();
    }

    /// <summary>
    /// Whether there was no write-ahead log when the file was opened: after a clean end there is none. After a kill there is one, empty if
    /// all of it had just been copied to the file.
    /// </summary>
    internal bool IsLogMissing { get; }

    /// <summary>Whether it was opened only to be read.</summary>
    internal bool OnlyReads { get; }

    /// <summary>Runs an action as one transaction: all of it, or nothing if it throws.</summary>
    internal void Atomically(Action work)
    {
        _begin.Run();
        try
        {
            work();
            _commit.Run();
        }
        catch (Exception)
        {
            // A full disk may have rolled it back already.
            if (raw.sqlite3_get_autocommit(_connection.Handle) == 0)
            {
                _rollback.Run();
            }

            throw;
        }
    }

    /// <summary>Prepares a statement that every tick runs.</summary>
    internal Statement PrepareHot(string text) => new(_connection, text);

    internal SqliteCommand Prepare(string text, params ReadOnlySpan<string> parameters)
    {
        SqliteCommand command = _connection.CreateCommand();
        command.CommandText = text;
        foreach (string parameter in parameters)
        {
            command.Parameters.Add(new SqliteParameter(parameter, null));
        }

        return command;
    }

    /// <summary>Runs a prepared command with these values, null for NULL.</summary>
    internal static int Run(SqliteCommand command, params ReadOnlySpan<object?> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i] ?? DBNull.Value;
        }

        return command.ExecuteNonQuery();
    }

    internal void Execute(string text)
    {
        using SqliteCommand command = Prepare(text);
        command.ExecuteNonQuery();
    }

    /// <summary>Runs a change and flushes it to disk (fsync) before it returns.</summary>
    internal void RunForced(SqliteCommand command, params ReadOnlySpan<object?> values)
    {
        Force(onlyNow: true);
        try
        {
            Run(command, values);
        }
        finally
        {
            Force(onlyNow: false);
        }
    }

    /// <summary>Returns up to <paramref name="pages"/> unused pages to the disk, if there are more than <paramref name="kept"/>.</summary>
    internal void Reclaim(int pages, int kept)
    {
        if ((long)Scalar("PRAGMA freelist_count")! <= kept)
        {
            return;
        }

        // One row for each page.
        using SqliteCommand command = Prepare($"PRAGMA incremental_vacuum({pages})");
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
        }
    }

    internal object? Scalar(string text)
    {
        using SqliteCommand command = Prepare(text);
        return command.ExecuteScalar();
    }

    public void Dispose()
    {
        _begin.Dispose();
        _commit.Dispose();
        _rollback.Dispose();
        _connection.Dispose();
    }

    private void PrepareFile()
    {
        // SQLite keeps this text in the file, byte for byte: do not reformat it.
        Execute(
            "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;\n"
            + "CREATE TABLE IF NOT EXISTS stream(name TEXT PRIMARY KEY, seq INTEGER NOT NULL, snapshot BLOB NOT NULL, "
            + "source TEXT NOT NULL, sum INTEGER NOT NULL DEFAULT 0,\n"
            + "    reserved INTEGER NOT NULL DEFAULT 0, reserved_sum INTEGER NOT NULL DEFAULT 0,\n"
            + "    stepped INTEGER NOT NULL DEFAULT 0, position INTEGER NOT NULL DEFAULT 0);\n"
            + "CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, class INTEGER NOT NULL, topic TEXT NOT NULL, "
            + "payload BLOB NOT NULL, qos INTEGER NOT NULL,\n"
            + "    retain INTEGER NOT NULL, content_type TEXT, expiry INTEGER, seq TEXT, model TEXT, created INTEGER NOT NULL, "
            + "sum INTEGER NOT NULL);");
        long version = (long)Scalar("PRAGMA user_version")!;
        if (version is > 0 and < SchemaVersion)
        {
            Atomically(() => StateMigration.Run(this, version));
        }

        if (version != SchemaVersion)
        {
            Execute($"PRAGMA user_version={SchemaVersion}");
        }

        // Find a damaged page at the start rather than later.
        string found = (string)Scalar("PRAGMA quick_check(1)")!;
        if (found != "ok")
        {
            throw new SqliteException(found, 11);
        }
    }

    private void Force(bool onlyNow) => Execute($"PRAGMA synchronous={(onlyNow || _everyTick ? "FULL" : "NORMAL")}");

    private static SqliteConnection Connect(string path, SqliteOpenMode mode)
    {
        Batteries_V2.Init();
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 1 }.ToString());
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA busy_timeout=500";
        command.ExecuteNonQuery();
        return connection;
    }
}
