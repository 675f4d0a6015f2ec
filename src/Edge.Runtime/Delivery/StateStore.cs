using Edge.Inference;
using Edge.Runtime.Mqtt;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// What the service must not lose. A tick's rows and messages are one record of the <see cref="RowLog"/>. Every few minutes the state of
/// each stream goes to an SQLite file (WAL), with the messages that still wait. Every commit reaches the operating system, so a killed
/// process loses nothing. An fsync every <c>durability</c> limits what a power cut may cost. docs/operations.md.
/// </summary>
internal sealed partial class StateStore : IDisposable
{
    /// <summary>Name of the file in the state folder.</summary>
    internal const string FileName = "edge.db";

    // What the system says of a file that another process has locked: EWOULDBLOCK of Linux, and the code of Windows.
    private const int WouldBlock = 11;
    private const int SharingViolation = unchecked((int)0x80070020);

    // Numbers reserved ahead on disk: after a power cut none of them is used again.
    private const long ReservedAhead = 10_000;

    private readonly Lock _gate = new();
    private readonly FileStream _lock;
    private readonly string _bootId;
    private Database _database;
    private StoredOutbox _outbox;
    private AgeClock _age;
    private Statement _saveStream;
    private bool _isClosed;
    private readonly TimeSpan _durability;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Dictionary<string, long> _reserved = [];

    // Of streams with ticks that the disk refused and that are not stored yet.
    private readonly Dictionary<string, long> _unstored = [];
    private readonly NumbersFile _numbers;
    private readonly CancellationTokenSource _stop = new();
    private readonly TimeSpan _ageMax;
    private readonly Task _upkeep;
    private long _deliveredUpTo;
    private bool _saidBroken;
    private bool _saysWell;
    private long _brokenAt;

    private StateStore(
        string path,
        FileStream lockFile,
        TimeSpan durability,
        TimeSpan ageMax,
        TimeProvider clock,
        string bootId,
        ILogger log,
        HistoryOptions history,
        bool onlyReads)
    {
        _ageMax = ageMax;
        Path = path;
        _lock = lockFile;
        _durability = durability;
        _clock = clock;
        _log = log;
        _bootId = bootId;
        _numbers = new NumbersFile(System.IO.Path.ChangeExtension(path, ".numbers"), log);
        _rows = new RowLog(Folder);
        _history = new HistoryFile(Folder, history, clock, log);
        try
        {
            OpenFile(before: null, onlyReads);
        }
        catch (Exception)
        {
            _history.Dispose();
            throw;
        }

        _upkeep = Task.Run(KeepUpAsync);
    }

    /// <summary>The database file.</summary>
    internal string Path { get; }

    /// <summary>The stored rows, for labels; <see cref="History"/> reads them.</summary>
    internal HistoryFile History => _history;

    private string Folder => System.IO.Path.GetDirectoryName(Path)!;

    /// <summary>Bytes of payload waiting for the broker.</summary>
    internal long OutboxBytes => _outbox.Bytes;

    /// <summary>Messages waiting for the broker.</summary>
    internal long OutboxCount => _outbox.Count;

    /// <summary>Whether the disk refused the last tick.</summary>
    internal bool IsBroken => _saidBroken;

    /// <summary>Age of the oldest waiting message; zero if there is none.</summary>
    internal TimeSpan OutboxAge() => Guarded(() => _outbox.Age(), TimeSpan.Zero);

    /// <summary>Opens the store of a folder. A damaged file is logged, moved aside and replaced by a new one.</summary>
    /// <param name="folder">The folder; created if it does not exist.</param>
    /// <param name="durability">Longest time between two fsyncs; zero for one at every tick.</param>
    /// <param name="ageMax">Age at which readings and forecasts expire.</param>
    /// <param name="clock">Time.</param>
    /// <param name="bootId">Identifies the boot of the machine.</param>
    /// <param name="log">What happens.</param>
    /// <param name="history">Limits of the stored rows; null for the defaults.</param>
    /// <param name="startsIfFull">
    /// Whether to open it also on a full disk: with the space of the reserve, or only to read what is stored.
    /// </param>
    /// <exception cref="InputException">The folder cannot be written, or another process uses it.</exception>
    internal static StateStore Open(
        string folder,
        TimeSpan durability,
        TimeSpan ageMax,
        TimeProvider clock,
        string bootId,
        ILogger log,
        HistoryOptions? history = null,
        bool startsIfFull = false)
    {
        history ??= new HistoryOptions();
        string path = System.IO.Path.Combine(folder, FileName);
        FileStream? lockFile = null;
        try
        {
            Directory.CreateDirectory(folder);
            lockFile = Lock(folder);
            try
            {
                return Create();
            }
            catch (SqliteException e) when (Database.IsDamage(e))
            {
                log.LogError(
                    "State '{Path}' is damaged: {Reason}. It is kept as '{Aside}', and the streams are reset",
                    path,
                    Database.Reason(e),
                    MoveAside(path, clock));
                return Create();
            }
            catch (Exception e) when (Database.IsDiskFull(e) && startsIfFull)
            {
                return OpenFull(ReserveOf(path), e, Create);
            }
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            lockFile?.Dispose();
            throw Unusable(folder, e);
        }

        StateStore Create(bool onlyReads = false) => new(path, lockFile!, durability, ageMax, clock, bootId, log, history, onlyReads);
    }

    /// <summary>The sentence for a folder that cannot hold state.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="e">What .NET or SQLite threw.</param>
    internal static InputException Unusable(string folder, Exception e)
    {
        string why = File.Exists(folder) ? "it is a file. Name a folder in 'state'."
            : $"{Database.Reason(e)}. {(Database.IsDiskFull(e) ? "Make room there." : "Create it, or allow the service to write there.")}";
        return new InputException($"State folder '{folder}' cannot be used: {why}", e);
    }

    /// <summary>The stored state of a stream, or null.</summary>
    internal SavedStream? Load(string stream) => Guarded(
        () =>
        {
            bool hasNumbers = _lastSeq.TryGetValue(stream, out long last);
            if (StoredStream.Read(_database, stream) is not { } row)
            {
                return hasNumbers ? new SavedStream(last, [], "") : null;
            }

            if (row.IsWhole)
            {
                SavedStream saved = WithRows(row);
                return saved with { Seq = Math.Max(saved.Seq, last) };
            }

            _log.LogError("State '{Path}': the row of stream '{Stream}' is damaged. The stream is reset", Path, stream);
            return new SavedStream(NumberAfterDamage(row), [], "");
        },
        null);

    /// <summary>
    /// Stores the state of a stream after all of its rows so far. Messages that wait in memory go to the file as well, and these with them,
    /// as one transaction. Each of these gets its id.
    /// </summary>
    /// <returns>False if the disk refused: the state, and these messages, are in memory only.</returns>
    internal bool Commit(string stream, long seq, byte[] snapshot, string source, IReadOnlyList<MqttMessage> messages)
    {
        ForceLogFirst();
        bool isCommitted = Guarded(
            () =>
            {
                RequireSpace();
                Reserve(stream, seq);
                WriteToFile(messages, position => SaveStream(stream, seq, snapshot, source, position));
                NoteStored(stream);
                SayWell();
                return true;
            },
            false);
        if (!isCommitted)
        {
            NoteUnstored(stream, seq);
            RevokeIds(messages);
        }

        return isCommitted;
    }

    /// <summary>Messages after an id, oldest first.</summary>
    /// <returns>The messages, and the last id that was read: 0 if there is none.</returns>
    internal (List<MqttMessage> Messages, long LastId) Read(long afterId, int most) => Guarded(() => _outbox.Read(afterId, most), ([], 0));

    /// <summary>
    /// Marks every message up to this id as delivered, so that it can be deleted. It does not wait for a commit: the publisher would get
    /// the gate once in 100 ms where ticks are committed without a break, and fall behind them for good.
    /// </summary>
    /// <remarks>One caller at a time.</remarks>
    internal void Delivered(long id)
    {
        Volatile.Write(ref _deliveredUpTo, Math.Max(_deliveredUpTo, id));
        if (_gate.TryEnter())
        {
            try
            {
                NoteDelivered();
            }
            finally
            {
                _gate.Exit();
            }
        }
    }

    /// <summary>Evicts the oldest messages, readings first, forecasts next, events last, until at most this many bytes are left.</summary>
    internal void Evict(long sizeMaxBytes) => Guarded(
        () =>
        {
            GiveUp(sizeMaxBytes);
            return true;
        },
        false);

    /// <summary>Resets the state of a stream; its numbers continue.</summary>
    /// <returns>False if there is no such stream.</returns>
    internal bool Reset(string stream)
    {
        lock (_gate)
        {
            if (StoredStream.Read(_database, stream) is not { } row)
            {
                return false;
            }

            long seq = Math.Max(row.IsWhole ? WithRows(row).Seq : NumberAfterDamage(row), _lastSeq.GetValueOrDefault(stream));
            StoredStream reset = row with
            {
                Seq = seq,
                Snapshot = [],
                Source = "",
                Stepped = seq,
                Position = _rows.Position,
                IsWhole = true,
            };
            reset.Write(_database);
            _savedAt[stream] = reset.Position;
            return true;
        }
    }

    /// <summary>Stores a short text beside the streams. It is on disk (fsync) before this returns.</summary>
    internal void Remember(string key, string value) => Guarded(
        () =>
        {
            using SqliteCommand command = _database.Prepare(
                "INSERT INTO meta(key, value) VALUES ($key, $value) ON CONFLICT(key) DO UPDATE SET value = $value",
                "$key",
                "$value");
            _database.RunForced(command, key, value);
            return true;
        },
        false);

    /// <summary>The text that <see cref="Remember"/> stored, or null.</summary>
    internal string? Recall(string key) => Guarded(
        () =>
        {
            using SqliteCommand command = _database.Prepare("SELECT value FROM meta WHERE key = $key", "$key");
            command.Parameters[0].Value = key;
            return command.ExecuteScalar() as string;
        },
        null);

    /// <summary>Names of the streams with stored state.</summary>
    internal List<string> Streams()
    {
        lock (_gate)
        {
            using SqliteCommand command = _database.Prepare("SELECT name FROM stream ORDER BY name");
            using SqliteDataReader row = command.ExecuteReader();
            var names = new List<string>();
            while (row.Read())
            {
                names.Add(row.GetString(0));
            }

            return names;
        }
    }

    // Called with the gate held.
    private void NoteDelivered()
    {
        if (Volatile.Read(ref _deliveredUpTo) is var id && id > _outbox.DeliveredUpTo)
        {
            _outbox.Delivered(id);
        }
    }

    private void SaveStream(string stream, long seq, byte[] snapshot, string source, long position)
    {
        _saveStream.Bind(1, stream);
        _saveStream.Bind(2, seq);
        _saveStream.Bind(3, snapshot);
        _saveStream.Bind(4, source);
        _saveStream.Bind(5, StoredStream.SumOf(stream, seq, snapshot, source, seq, position));
        _saveStream.Bind(6, position);
        _saveStream.Run();
        _savedAt[stream] = position;
    }

    private void SayBroken(Exception e)
    {
        if (_saidBroken)
        {
            return;
        }

        _saidBroken = true;

        // A disk with intermittent errors is logged at most once a minute.
        if (_brokenAt == 0 || _clock.GetElapsedTime(_brokenAt) >= TimeSpan.FromMinutes(1))
        {
            _brokenAt = _clock.GetTimestamp();
            _saysWell = true;
            _log.LogError(
                "State '{Path}' cannot be used: {Reason}. The streams continue in memory. "
                    + "Their state is lost if the process ends before the disk works again",
                Path,
                Database.Reason(e));
        }
    }

    private void SayWell()
    {
        if (_saidBroken)
        {
            _saidBroken = false;
            if (!_saysWell)
            {
                return;
            }

            _saysWell = false;
            _log.LogInformation("State '{Path}' is written again", Path);
        }
    }

    // One process at a time: two would use the same numbers.
    private static FileStream Lock(string folder)
    {
        string path = System.IO.Path.Combine(folder, "edge.lock");
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.HResult is WouldBlock or SharingViolation)
        {
            throw new InputException(
                $"State folder '{folder}' is in use by another edge-runtime. Stop that one, or give this one another folder.",
                e);
        }
    }
}
