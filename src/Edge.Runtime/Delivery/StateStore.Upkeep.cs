using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>Maintenance of the file between ticks: fsync, expiry of old messages, reserving numbers, checking for damage.</summary>
internal sealed partial class StateStore
{
    // How often the whole file is checked for damage; how many unused pages are returned at a time, and how many are kept.
    private static readonly TimeSpan CheckEvery = TimeSpan.FromDays(1);
    private const int ReclaimedPages = 256;
    private const int KeptPages = 1024;

    private async Task KeepUpAsync()
    {
        TimeSpan every = _durability == TimeSpan.Zero ? TimeSpan.FromMinutes(1) : _durability;
        bool saidUnforced = false;
        long checkedAt = _clock.GetTimestamp();
        while (true)
        {
            try
            {
                HoldReserve();
                await Task.Delay(every, _clock, _stop.Token).ConfigureAwait(false);
                LookForFile();
                Expire();
                Reclaim();
                Force();
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
            catch (SqliteException e)
            {
                if (!saidUnforced)
                {
                    saidUnforced = true;
                    _log.LogError("State '{Path}': fsync failed: {Reason} Retrying", Path, e.Message);
                }
            }
        }
    }

    /// <summary>
    /// Creates a new file if the old one was deleted or moved: what is written to a deleted file is lost with the process.
    /// </summary>
    internal void LookForFile()
    {
        lock (_gate)
        {
            if (_isClosed || File.Exists(Path))
            {
                return;
            }

            long waiting = _outbox.Count;
            CloseFile();
            _log.LogError(
                "State '{Path}' was deleted or moved, with {Count} waiting messages. The streams continue, and a new file is written",
                Path,
                waiting);
        }
    }

    /// <summary>Removes expired messages.</summary>
    internal void Expire()
    {
        long count = Guarded(() => _outbox.Expire(_clock.GetUtcNow() - _ageMax), 0);
        if (count > 0)
        {
            _log.LogWarning(
                "State '{Path}': {Count} readings and forecasts older than {Age} expired before the broker took them",
                Path,
                count,
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
        if (Database.FindDamage(Path) is { } damage)
        {
            lock (_gate)
            {
                BeginAnew(damage);
            }
        }
    }

    /// <summary>Flushes all commits so far to disk (fsync); ticks continue meanwhile.</summary>
    internal void Force() => Database.Checkpoint(Path);

    // Before a number beyond the reserved ones is used, the next block is on disk.
    private void Reserve(string stream, long seq)
    {
        if (_reserved.TryGetValue(stream, out long reserved) && seq <= reserved)
        {
            return;
        }

        long next = seq + ReservedAhead;
        using SqliteCommand command = _database.Prepare(
            "INSERT INTO stream(name, seq, snapshot, source, reserved) VALUES ($name, $before, x'', '', $next) ON CONFLICT(name) DO UPDATE "
                + "SET reserved = $next",
            "$name",
            "$before",
            "$next");
        _database.RunForced(command, stream, Math.Max(0, seq - 1), next);
        _reserved[stream] = next;
    }

    // Within one boot the file is as the process left it. After an unclean reboot, ticks whose numbers were sent may be lost.
    private void SettleNumbers(string bootId)
    {
        string? boot = _database.Scalar("SELECT value FROM meta WHERE key = 'boot'") as string;
        if (boot is not null && boot != bootId && boot != "clean")
        {
            _database.Execute("UPDATE stream SET seq = MAX(seq, reserved)");
            _log.LogWarning(
                "The machine stopped without a clean shutdown. The numbers of the streams continue after those that may have been sent");
        }

        using (SqliteCommand command = _database.Prepare("INSERT INTO meta(key, value) VALUES ('boot', $boot) ON CONFLICT(key) DO UPDATE "
            + "SET value = $boot", "$boot"))
        {
            _database.RunForced(command, bootId);
        }

        using SqliteCommand reserved = _database.Prepare("SELECT name, reserved FROM stream");
        using SqliteDataReader row = reserved.ExecuteReader();
        while (row.Read())
        {
            _reserved[row.GetString(0)] = row.GetInt64(1);
        }
    }
}
