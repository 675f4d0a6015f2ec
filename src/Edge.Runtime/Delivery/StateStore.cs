using System.Globalization;
using Edge.Inference;
using Edge.Runtime.Mqtt;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>What a stream was at its last committed tick.</summary>
/// <param name="Seq">Its last number; the next one is at least this plus 1.</param>
/// <param name="Snapshot">Its whole state, or empty if there is none that can be used.</param>
/// <param name="Source">What it read, in words.</param>
internal sealed record SavedStream(long Seq, byte[] Snapshot, string Source);

/// <summary>
/// State and outbox in one SQLite file (WAL). A tick's snapshot and its messages are one transaction; every commit reaches the
/// operating system, so that a killed process loses nothing, and the card every <c>durability</c>, which is what a power cut may cost.
/// docs/operations.md.
/// </summary>
internal sealed partial class StateStore : IDisposable
{
    // Numbers reserved ahead, on the card: after a power cut none of them is used again.
    private const long ReservedAhead = 10_000;

    private readonly Lock _gate = new();
    private readonly FileStream _lock;
    private readonly string _bootId;
    private Database _database;
    private StoredOutbox _outbox;
    private Statement _saveStream;
    private bool _isClosed;
    private readonly TimeSpan _durability;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Dictionary<string, long> _reserved = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly TimeSpan _ageMax;
    private readonly Task _upkeep;
    private bool _saidBroken;
    private bool _saysWell;
    private long _brokenAt;

    private StateStore(string path, FileStream lockFile, TimeSpan durability, TimeSpan ageMax, TimeProvider clock, string bootId, ILogger log)
    {
        _ageMax = ageMax;
        Path = path;
        _lock = lockFile;
        _durability = durability;
        _clock = clock;
        _log = log;
        _bootId = bootId;
        OpenFile(afterId: 0);
        _upkeep = Task.Run(KeepUpAsync);
    }

    /// <summary>The database file.</summary>
    internal string Path { get; }

    /// <summary>Bytes of payload that wait for the broker.</summary>
    internal long OutboxBytes => _outbox.Bytes;

    /// <summary>Messages that wait for the broker.</summary>
    internal long OutboxCount => _outbox.Count;

    /// <summary>Whether the disk refused the last tick.</summary>
    internal bool IsBroken => _saidBroken;

    /// <summary>Age of the oldest message that waits; zero if none does.</summary>
    internal TimeSpan OutboxAge() => Guarded(() => _outbox.Oldest() is { } oldest && oldest < _clock.GetUtcNow() ? _clock.GetUtcNow() - oldest : TimeSpan.Zero, TimeSpan.Zero);

    /// <summary>Opens the store of a folder. A damaged file is moved aside, said, and replaced by a fresh one.</summary>
    /// <param name="folder">Where; made if it is not there.</param>
    /// <param name="durability">How often what is committed is forced to the card; zero for every tick.</param>
    /// <param name="ageMax">Age at which readings and forecasts are given up.</param>
    /// <param name="clock">Time.</param>
    /// <param name="bootId">Changes when the machine has been down.</param>
    /// <param name="log">What happens.</param>
    /// <exception cref="InputException">The folder cannot be written, or another process uses it.</exception>
    internal static StateStore Open(string folder, TimeSpan durability, TimeSpan ageMax, TimeProvider clock, string bootId, ILogger log)
    {
        string path = System.IO.Path.Combine(folder, "edge.db");
        FileStream? lockFile = null;
        try
        {
            Directory.CreateDirectory(folder);
            lockFile = Lock(folder);
            try
            {
                return new StateStore(path, lockFile, durability, ageMax, clock, bootId, log);
            }
            catch (SqliteException e) when (Database.IsDamage(e))
            {
                log.LogError("State '{Path}' is damaged ({Reason}); it is kept as '{Aside}', and the streams begin anew", path, e.Message, MoveAside(path, clock));
                return new StateStore(path, lockFile, durability, ageMax, clock, bootId, log);
            }
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            lockFile?.Dispose();
            throw new InputException($"State folder '{folder}' cannot be used: {e.Message} Create it, or give the service the right to write there.", e);
        }
    }

    /// <summary>What a stream was, or null.</summary>
    internal SavedStream? Load(string stream) => Guarded(
        () =>
        {
            using SqliteCommand command = _database.Prepare("SELECT seq, snapshot, source, sum FROM stream WHERE name = $name", "$name");
            command.Parameters[0].Value = stream;
            using SqliteDataReader row = command.ExecuteReader();
            if (!row.Read())
            {
                return null;
            }

            byte[] snapshot = (byte[])row.GetValue(1);
            if (snapshot.Length > 0 && !Checksum.Fits(snapshot, row.GetInt64(3)))
            {
                _log.LogError("State '{Path}': what it holds of stream '{Stream}' is damaged; the stream begins anew", Path, stream);
                snapshot = [];
            }

            return new SavedStream(row.GetInt64(0), snapshot, row.GetString(2));
        },
        null);

    /// <summary>One tick: the stream's snapshot and its messages, whole or not at all. Each message gets its id.</summary>
    /// <returns>False if the disk refused: the tick lives on in memory only.</returns>
    internal bool Commit(string stream, long seq, byte[] snapshot, string source, IReadOnlyList<MqttMessage> messages)
    {
        bool isCommitted = Guarded(
            () =>
            {
                Reserve(stream, seq);
                Action? committed = null;
                _database.Atomically(() =>
                {
                    SaveStream(stream, seq, snapshot, source);
                    committed = _outbox.Write(messages);
                });
                committed!();
                SayWell();
                return true;
            },
            false);
        if (!isCommitted)
        {
            // Ids that were handed out went back with the transaction.
            foreach (MqttMessage message in messages)
            {
                message.Id = 0;
            }
        }

        return isCommitted;
    }

    /// <summary>Messages after an id, oldest first.</summary>
    /// <returns>The messages, and the last id that was looked at: 0 if there is none.</returns>
    internal (List<MqttMessage> Messages, long LastId) Read(long afterId, int most) => Guarded(() => _outbox.Read(afterId, most), ([], 0));

    /// <summary>Says that every message up to this id needs no keeping any more.</summary>
    internal void Delivered(long id)
    {
        lock (_gate)
        {
            _outbox.Delivered(id);
        }
    }

    /// <summary>Gives up the oldest messages, readings first, forecasts next, events last, until so many bytes are left.</summary>
    internal void Evict(long sizeMaxBytes) => Guarded(
        () =>
        {
            GiveUp(sizeMaxBytes);
            return true;
        },
        false);

    /// <summary>Forgets a stream's state but not its numbers.</summary>
    /// <returns>False if there is no such stream.</returns>
    internal bool Reset(string stream)
    {
        lock (_gate)
        {
            using SqliteCommand command = _database.Prepare("UPDATE stream SET snapshot = x'', source = '' WHERE name = $name", "$name");
            return Database.Run(command, stream) > 0;
        }
    }

    /// <summary>Keeps a short text beside the streams, on the card before it returns.</summary>
    internal void Remember(string key, string value) => Guarded(
        () =>
        {
            using SqliteCommand command = _database.Prepare("INSERT INTO meta(key, value) VALUES ($key, $value) ON CONFLICT(key) DO UPDATE SET value = $value", "$key", "$value");
            _database.RunForced(command, key, value);
            return true;
        },
        false);

    /// <summary>What <see cref="Remember"/> kept, or null.</summary>
    internal string? Recall(string key) => Guarded(
        () =>
        {
            using SqliteCommand command = _database.Prepare("SELECT value FROM meta WHERE key = $key", "$key");
            command.Parameters[0].Value = key;
            return command.ExecuteScalar() as string;
        },
        null);

    /// <summary>Names of the streams that are remembered.</summary>
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

    private void SaveStream(string stream, long seq, byte[] snapshot, string source)
    {
        _saveStream.Bind(1, stream);
        _saveStream.Bind(2, seq);
        _saveStream.Bind(3, snapshot);
        _saveStream.Bind(4, source);
        _saveStream.Bind(5, Checksum.Of(snapshot));
        _saveStream.Run();
    }

    private void SayBroken(SqliteException e)
    {
        if (_saidBroken)
        {
            return;
        }

        _saidBroken = true;

        // A disk that comes and goes is said once a minute.
        if (_brokenAt == 0 || _clock.GetElapsedTime(_brokenAt) >= TimeSpan.FromMinutes(1))
        {
            _brokenAt = _clock.GetTimestamp();
            _saysWell = true;
            _log.LogError("State '{Path}' cannot be used: {Reason} The streams go on; what happens until it can is lost if the process ends", Path, e.Message);
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
            _log.LogInformation("State '{Path}' takes ticks again", Path);
        }
    }

    // One process at a time: two would give out the same numbers.
    private static FileStream Lock(string folder)
    {
        string path = System.IO.Path.Combine(folder, "edge.lock");
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new InputException($"State folder '{folder}' is in use by another edge-runtime. Stop it first, or give this one a folder of its own.", e);
        }
    }
}
