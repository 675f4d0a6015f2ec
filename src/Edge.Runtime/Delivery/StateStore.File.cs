using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Edge.Inference;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>The file under the store: opened, used, replaced when it is damaged, closed.</summary>
internal sealed partial class StateStore
{
    /// <summary>Flushes everything to disk (fsync) and closes the file.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _upkeep.Wait();
        Guarded(
            () =>
            {
                WriteToFile([], null);
                SaveAge();
                _rows.Roll();
                Archive();

                // Everything is on disk before the file is marked clean: then the next start skips no numbers. A kill from here on leaves
                // a log that nothing needs.
                _database.Execute("PRAGMA wal_checkpoint(FULL)");
                using SqliteCommand clean = _database.Prepare(
                    $"DELETE FROM meta WHERE key = '{LogKey}'; UPDATE meta SET value = 'clean' WHERE key = 'boot'");
                _database.RunForced(clean);
                DeleteClosed(keepNewest: false);
                return true;
            },
            false);
        CloseFile();
        _rows.Dispose();
        _history.Dispose();
        _lock.Dispose();
        _stop.Dispose();
    }

    // Every use of the file while the service runs. A damaged file is replaced and the action repeated on the new one; a disk error is
    // logged.
    private T Guarded<T>(Func<T> use, T otherwise)
    {
        lock (_gate)
        {
            for (int attempt = 0; ; attempt++)
            {
                try
                {
                    if (_isClosed)
                    {
                        OpenFile(_outbox);
                    }

                    NoteDelivered();
                    return use();
                }
                catch (SqliteException e) when (Database.IsDamage(e) && attempt == 0)
                {
                    BeginAnew(Database.Reason(e));
                }
                catch (Exception e) when (Database.IsDiskFull(e) && attempt == 0 && TryMakeRoom())
                {
                    // Once more.
                }
                catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
                {
                    SayBroken(e);
                    return otherwise;
                }
            }
        }
    }

    // Called with the gate held. Streams continue from memory; messages that waited in the old file stay there.
    private void BeginAnew(string damage)
    {
        long waiting = _outbox.Count;
        CloseFile();
        try
        {
            _log.LogError(
                "State '{Path}' is damaged: {Reason}. It is kept as '{Aside}' with {Messages}. A new file is written",
                Path,
                damage,
                MoveAside(Path, _clock),
                Quantity.Of(waiting, "waiting message"));
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            if (_saidBroken)
            {
                return;
            }

            _saidBroken = true;
            _log.LogError("State '{Path}' is damaged: {Reason}. It cannot be moved aside: {Why}", Path, damage, e.Message);
        }
    }

    [MemberNotNull(nameof(_database), nameof(_outbox), nameof(_saveStream), nameof(_age))]
    private void OpenFile(StoredOutbox? before, bool onlyReads = false)
    {
        _database = new Database(Path, everyTick: _durability == TimeSpan.Zero, onlyReads);
        try
        {
            OpenTables(before);
        }
        catch (Exception)
        {
            // If it stayed open, it would remove the log of the new file when it is collected.
            _database.Dispose();
            throw;
        }

        _isClosed = false;
    }

    [MemberNotNull(nameof(_outbox), nameof(_saveStream), nameof(_age))]
    private void OpenTables(StoredOutbox? before)
    {
        _age = new AgeClock(_clock, _bootId, _database.Scalar($"SELECT value FROM meta WHERE key = '{AgeKey}'") as string);
        _outbox = new StoredOutbox(_database, _age, _clock, _log);
        _saveStream = _database.PrepareHot(
            "INSERT INTO stream(name, seq, snapshot, source, sum, stepped, position) VALUES (?1, ?2, ?3, ?4, ?5, ?2, ?6) "
                + "ON CONFLICT(name) DO UPDATE SET seq = ?2, snapshot = ?3, source = ?4, sum = ?5, stepped = ?2, position = ?6");
        _reserved.Clear();
        _savedAt.Clear();
        if (before is null)
        {
            RecoverLog();
        }
        else
        {
            _outbox.TakeFrom(before);
        }

        SettleNumbers(_bootId, isStart: before is null);
        if (before is not null)
        {
            // The streams have gone on in memory: what is stored of them, if anything, is not what their next rows continue.
            _savedAt.Clear();
        }

        CutDamage();
        _identity = (RegularFile.Identity(Path), RegularFile.Identity(Path + "-wal"));
    }

    // What a flipped bit leaves of a stream's number: the reserved one, which is on disk before any number up to it is used.
    private long NumberAfterDamage(StoredStream row)
    {
        long kept = Math.Max(row.IsReservedWhole ? row.Reserved : 0, _numbers.Read().GetValueOrDefault(row.Name));
        kept = Math.Max(kept, _lastSeq.GetValueOrDefault(row.Name));

        // With no trace left: more than ten ticks per millisecond since 1970 would have used.
        return kept > 0 ? kept : _clock.GetUtcNow().ToUnixTimeMilliseconds();
    }

    private void CloseFile()
    {
        if (!_isClosed)
        {
            _isClosed = true;
            _saveStream.Dispose();
            _outbox.Dispose();
            _database.Dispose();
        }
    }

    internal static string MoveAside(string path, TimeProvider clock, string why = "damaged")
    {
        string aside = $"{path}.{why}-{clock.GetUtcNow().ToString("yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture)}";
        foreach (string suffix in new[] { "", "-wal", "-shm" })
        {
            if (File.Exists(path + suffix))
            {
                File.Move(path + suffix, aside + suffix, overwrite: true);
            }
        }

        return aside;
    }
}
