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
/// Level 0 are rows, level 1 minutes, level 2 hours; <see cref="HistoryThinning"/> makes one of the other. Rows that are too old are
/// deleted then; beyond the size the oldest rows go first, then the oldest minutes, hours and events.
/// </remarks>
internal sealed class HistoryFile : IDisposable
{
    internal const int Rows = 0;
    internal const int Minutes = 1;
    internal const int Hours = 2;

    private const int LabelsMax = 10_000;
    private const int LabelTextMax = 500;

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

        HistoryTables.Execute(
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

        Try(connection => new HistoryThinning(connection, PathIn(_folder), _options, _clock, _log).Run(sizeMaxBytes));
    }

    /// <summary>Bytes that the rows and what they were thinned to take.</summary>
    internal long SizeBytes()
    {
        long size = 0;
        if (File.Exists(PathIn(_folder)))
        {
            Try(connection => size = HistoryTables.UsedBytes(connection));
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
            isFull = HistoryTables.Number(connection, "SELECT COUNT(*) FROM label") >= LabelsMax;
            if (!isFull)
            {
                id = HistoryTables.Number(
                    connection,
                    "INSERT INTO label(stream, begin, end, text, sum) VALUES ($1, $2, $3, $4, $5) RETURNING id",
                    stream,
                    from.Ticks,
                    to.Ticks,
                    text,
                    HistoryTables.SumOfLabel(stream, from.Ticks, to.Ticks, text));
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
        Try(connection => isThere = HistoryTables.Execute(connection, "DELETE FROM label WHERE id = $1 AND stream = $2", id, stream) > 0);
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
    internal static SqliteConnection? OpenToRead(string folder) =>
        File.Exists(PathIn(folder)) ? HistoryTables.Connect(PathIn(folder)) : null;

    /// <summary>Where the log was when rows were taken from it last.</summary>
    internal static long ReadArchived(SqliteConnection connection) =>
        HistoryTables.Number(connection, "SELECT value FROM meta WHERE key = 'archived'");

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
                    HistoryTables.AddEvent(connection, stream, each);
                }
            }
            catch (InvalidDataException e)
            {
                _log.LogError(
                    "{Stream}: rows from tick {Seq} on are damaged and are left out: {Reason}", stream, record.Rows.FirstSeq, e.Message);
            }
        }

        if (rows.Count > 0)
        {
            AddRows(connection, stream, columns, rows);
        }
    }

    /// <summary>The names of the channels as one text.</summary>
    internal static string Columns(IReadOnlyList<string> columns) => string.Join('\n', columns);

    private static void AddRows(SqliteConnection connection, string stream, string columns, List<HistoryRow> rows) =>
        HistoryTables.AddBlock(
            connection,
            stream,
            Rows,
            (rows[0].Seq, rows[^1].Seq),
            (rows.Min(row => row.Time.Ticks), rows.Max(row => row.Time.Ticks)),
            columns,
            RowBlock.Pack(rows));

    // Runs an action on the file. A damaged file is kept aside and a new one begun; other faults are logged once.
    private bool Try(Action<SqliteConnection> use)
    {
        lock (_gate)
        {
            for (int attempt = 0; ; attempt++)
            {
                try
                {
                    use(_connection ??= HistoryTables.Open(PathIn(_folder)));
                    _saidBroken = false;
                    return true;
                }
                catch (SqliteException e) when (Database.IsDamage(e) && attempt == 0)
                {
                    Close();
                    SetAside(Database.Reason(e));
                }
                catch (InvalidDataException e) when (attempt == 0)
                {
                    Close();
                    SetAside(Database.Reason(e));
                }
                catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException or InvalidDataException)
                {
                    Close();
                    if (!_saidBroken)
                    {
                        _saidBroken = true;
                        _log.LogError("History '{Path}' cannot be used: {Reason}. Retrying", PathIn(_folder), Database.Reason(e));
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

    private void Close()
    {
        _connection?.Dispose();
        _connection = null;
    }
}
