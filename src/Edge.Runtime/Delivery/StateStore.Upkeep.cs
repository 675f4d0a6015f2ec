using System.Buffers.Binary;
using Edge.Inference;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>Maintenance of the file between ticks: fsync, expiry of old messages, reserving numbers, checking for damage.</summary>
internal sealed partial class StateStore
{
    // How often the whole file is checked for damage; how many unused pages are returned at a time, and how many are kept.
    private static readonly TimeSpan CheckEvery = TimeSpan.FromDays(1);
    private static readonly TimeSpan UpkeepMax = TimeSpan.FromMinutes(1);
    private const int ReclaimedPages = 256;
    private const int KeptPages = 1024;

    // How often the age of the waiting messages is stored: what a kill makes them younger by, at most.
    private static readonly TimeSpan SaveAgeEvery = TimeSpan.FromMinutes(1);
    private const string AgeKey = "age";

    // Offsets in the header of the file: the SQLite file format, section 1.3.
    private const int HeaderBytes = 100;
    private const int PageSizeAt = 16;
    private const int PageCountAt = 28;

    private (object? File, object? Log) _identity;
    private long _ageSavedAt;

    // How the file was last found to be shorter than its header says while the write-ahead log held the rest.
    private string? _heldByLog;

    private async Task KeepUpAsync()
    {
        TimeSpan every = _durability == TimeSpan.Zero || _durability > UpkeepMax ? UpkeepMax : _durability;
        bool saidUnforced = false;
        long checkedAt = _clock.GetTimestamp();
        long forcedAt = checkedAt;
        while (true)
        {
            try
            {
                LookForSpace();
                HoldReserve();
                await Task.Delay(every, _clock, _stop.Token).ConfigureAwait(false);
                LookForFile();
                KeepAge();
                Expire();
                Reclaim();
                Retire();
                if (_clock.GetElapsedTime(forcedAt) >= _durability)
                {
                    forcedAt = _clock.GetTimestamp();
                    Force();
                }

                saidUnforced = false;
                if (_clock.GetElapsedTime(checkedAt) >= CheckEvery)
                {
                    checkedAt = _clock.GetTimestamp();
                    Check();
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
            {
                if (!saidUnforced)
                {
                    saidUnforced = true;
                    _log.LogError("State '{Path}': fsync failed: {Reason}. Retrying", Path, Database.Reason(e));
                }
            }
        }
    }

    /// <summary>
    /// Creates a new file if the old one was deleted, moved, replaced or cut short: what is written to a deleted file is lost with the
    /// process. A file that was put in its place is kept aside.
    /// </summary>
    internal void LookForFile()
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            LookForLog();
            bool isThere = File.Exists(Path);

            // On a full disk the pages behind the header may still be in the write-ahead log alone: then nothing is missing.
            // Read through once, not at each round, as ticks wait meanwhile.
            if (isThere && !_database.OnlyReads && CutShort() is { } damage && damage != _heldByLog)
            {
                if (Database.FindDamage(Path) is not null)
                {
                    BeginAnew(damage);
                    return;
                }

                _heldByLog = damage;
            }

            if (isThere && _identity.Equals(((object?)RegularFile.Identity(Path), (object?)RegularFile.Identity(Path + "-wal"))))
            {
                return;
            }

            long waiting = _outbox.Count;
            CloseFile();
            string aside = "";
            if (File.Exists(Path))
            {
                aside = $" What is there now is kept as '{MoveAside(Path, _clock, "replaced")}'.";
            }

            _log.LogError(
                "State '{Path}' was deleted, moved or replaced, with {Messages}.{Aside} "
                    + "The streams continue, and a new file is written",
                Path,
                Quantity.Of(waiting, "waiting message"),
                aside);
        }
    }

    // Called with the gate held, so that no commit changes the file meanwhile.
    private string? CutShort()
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        using FileStream file = RegularFile.OpenRead(Path);
        long length = file.Length;
        if (file.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes)
        {
            return $"the file has {length} bytes";
        }

        int size = BinaryPrimitives.ReadUInt16BigEndian(header[PageSizeAt..]);
        long expected = (size == 1 ? 65_536L : size) * BinaryPrimitives.ReadUInt32BigEndian(header[PageCountAt..]);
        return length < expected ? $"the file has {length} of {expected} bytes" : null;
    }

    private void KeepAge()
    {
        if (_outbox.Count > 0 && _clock.GetElapsedTime(_ageSavedAt) >= SaveAgeEvery)
        {
            _ageSavedAt = _clock.GetTimestamp();
            Guarded(
                () =>
                {
                    SaveAge();
                    return true;
                },
                false);
        }
    }

    private void SaveAge()
    {
        using SqliteCommand command = _database.Prepare(
            $"INSERT INTO meta(key, value) VALUES ('{AgeKey}', $age) ON CONFLICT(key) DO UPDATE SET value = $age",
            "$age");
        Database.Run(command, _age.Save());
    }

    /// <summary>Removes expired messages.</summary>
    internal void Expire()
    {
        long count = Guarded(() => _outbox.Expire(_ageMax), 0);
        if (count > 0)
        {
            _log.LogWarning(
                "State '{Path}': {Messages} older than {Age} expired before the broker took them",
                Path,
                Quantity.Of(count, "reading or forecast", "readings and forecasts"),
                _ageMax);
        }
    }

    /// <summary>Returns some of the space that an outage has left unused to the disk.</summary>
    internal void Reclaim() => Guarded(
        () =>
        {
            _database.Reclaim(ReclaimedPages, KeptPages);
            return true;
        },
        false);

    /// <summary>Checks the whole file while ticks continue, and creates a new one if it is damaged.</summary>
    internal void Check()
    {
        if (!_database.OnlyReads && Database.FindDamage(Path) is { } damage)
        {
            lock (_gate)
            {
                BeginAnew(damage);
            }
        }
    }

    /// <summary>Flushes all commits so far to disk (fsync); ticks continue meanwhile.</summary>
    /// <exception cref="SqliteException">The database cannot be flushed.</exception>
    /// <exception cref="IOException">The log cannot be flushed.</exception>
    internal void Force()
    {
        _rows.Force();
        if (!_database.OnlyReads)
        {
            Database.Checkpoint(Path);
        }
    }

    // Before a number beyond the reserved ones is used, the next block is on disk.
    private void Reserve(string stream, long seq)
    {
        if (_reserved.TryGetValue(stream, out long reserved) && seq <= reserved)
        {
            return;
        }

        long next = seq + ReservedAhead;
        using SqliteCommand command = _database.Prepare(
            "INSERT INTO stream(name, seq, snapshot, source, sum, reserved, reserved_sum) "
                + "VALUES ($name, $before, x'', '', $sum, $next, $next_sum) "
                + "ON CONFLICT(name) DO UPDATE SET reserved = $next, reserved_sum = $next_sum",
            "$name",
            "$before",
            "$sum",
            "$next",
            "$next_sum");
        long before = Math.Max(0, seq - 1);
        long sum = StoredStream.SumOf(stream, before, [], "", stepped: 0, position: 0);
        _database.RunForced(command, stream, before, sum, next, StoredStream.SumOfReserved(stream, next));
        _reserved[stream] = next;
        _numbers.Write(Numbers());
    }

    // Within one boot the file is as the process left it, with its write-ahead log. After an unclean reboot, or without that log, ticks
    // whose numbers were sent may be lost. So they may if the file is an older copy, or a new one: the numbers file tells.
    private void SettleNumbers(string bootId, bool isStart)
    {
        string? boot = _database.Scalar("SELECT value FROM meta WHERE key = 'boot'") as string;
        bool isUnclean = isStart && boot is not null && boot != "clean";
        bool isLogLost = isUnclean && boot == bootId && (_database.IsLogMissing || IsRowLogLost());
        if (isUnclean && boot != bootId)
        {
            _log.LogWarning(
                "The machine stopped without a clean shutdown. The numbers of the streams continue after those that may have been sent");
        }
        else if (isLogLost)
        {
            _log.LogWarning(
                "State '{Path}': the write-ahead log or the row log is gone, or damaged. The numbers of the streams continue after those "
                    + "that may have been sent",
                Path);
        }

        bool isBehind = isLogLost || (isUnclean && boot != bootId);
        Dictionary<string, long> kept = _numbers.Read();
        foreach (StoredStream row in StoredStream.ReadAll(_database))
        {
            long other = kept.GetValueOrDefault(row.Name);
            kept.Remove(row.Name);
            long reserved = row.IsReservedWhole ? row.Reserved : 0;
            long seq = Math.Max(row.IsWhole ? row.Seq : NumberAfterDamage(row), _lastSeq.GetValueOrDefault(row.Name));
            if (row.IsWhole && row.Snapshot.Length > 0)
            {
                _savedAt[row.Name] = row.Position;
            }

            long settled = Math.Max(seq, Math.Max(other > reserved ? other : 0, isBehind ? reserved : 0));
            settled += isLogLost ? ReservedAhead : 0;
            _reserved[row.Name] = Math.Max(reserved, other);
            if (_database.OnlyReads)
            {
                _reserved[row.Name] = Math.Max(settled, _reserved[row.Name]);
            }
            else if (settled != row.Seq && row.IsWhole)
            {
                (row with { Seq = settled, Reserved = _reserved[row.Name], IsReservedWhole = true }).Write(_database);
            }
        }

        if (_database.OnlyReads)
        {
            ReserveInPlace(kept);
            return;
        }

        foreach ((string stream, long reserved) in kept)
        {
            new StoredStream(stream, reserved, [], "", reserved, 0, reserved, IsWhole: true, IsReservedWhole: true).Write(_database);
            _reserved[stream] = reserved;
        }

        using SqliteCommand command = _database.Prepare(
            "INSERT INTO meta(key, value) VALUES ('boot', $boot) ON CONFLICT(key) DO UPDATE SET value = $boot",
            "$boot");
        _database.RunForced(command, bootId);
    }
}
