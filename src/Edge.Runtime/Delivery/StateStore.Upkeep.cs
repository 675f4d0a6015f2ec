using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>What is done to the file beside the ticks: forcing it to the card, giving up what is too old, reserving numbers, looking for damage.</summary>
internal sealed partial class StateStore
{
    // How often the whole file is read for damage, and how much of what nothing uses any more is given back at a time and kept.
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
                    _log.LogError("State '{Path}' could not be forced to the card: {Reason} It is tried on", Path, e.Message);
                }
            }
        }
    }

    /// <summary>Begins a fresh file if somebody has deleted or moved it: what goes into one without a name ends with the process.</summary>
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
            _log.LogError("State '{Path}' was deleted or moved, with {Count} messages that waited; the streams go on, and what follows goes into a fresh one", Path, waiting);
        }
    }

    /// <summary>Gives up what is too old for anyone.</summary>
    internal void Expire()
    {
        long count = Guarded(() => _outbox.Expire(_clock.GetUtcNow() - _ageMax), 0);
        if (count > 0)
        {
            _log.LogWarning("State '{Path}': {Count} readings and forecasts waited longer than {Age} for the broker and are given up", Path, count, _ageMax);
        }
    }

    /// <summary>Gives a little of what an outage has left of the file back to the disk.</summary>
    internal void Reclaim() => Guarded(
        () =>
        {
            _database.Reclaim(ReclaimedPages, KeptPages);
            return true;
        },
        false);

    /// <summary>Reads the whole file, ticks going on, and begins a fresh one if it is damaged.</summary>
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

    /// <summary>Has on the card what has been committed until now; ticks go on meanwhile.</summary>
    internal void Force() => Database.Checkpoint(Path);

    // Before a number beyond the reserved ones is used, the next block is on the card.
    private void Reserve(string stream, long seq)
    {
        if (_reserved.TryGetValue(stream, out long reserved) && seq <= reserved)
        {
            return;
        }

        long next = seq + ReservedAhead;
        using SqliteCommand command = _database.Prepare(
            "INSERT INTO stream(name, seq, snapshot, source, reserved) VALUES ($name, $before, x'', '', $next) ON CONFLICT(name) DO UPDATE SET reserved = $next", "$name", "$before", "$next");
        _database.RunForced(command, stream, Math.Max(0, seq - 1), next);
        _reserved[stream] = next;
    }

    // Within one boot the file is what the process left. After another boot without a clean end, ticks may have been lost whose numbers went out.
    private void SettleNumbers(string bootId)
    {
        string? boot = _database.Scalar("SELECT value FROM meta WHERE key = 'boot'") as string;
        if (boot is not null && boot != bootId && boot != "clean")
        {
            _database.Execute("UPDATE stream SET seq = MAX(seq, reserved)");
            _log.LogWarning("The machine went down without a clean end: the streams' numbers continue behind those that may have gone out");
        }

        using (SqliteCommand command = _database.Prepare("INSERT INTO meta(key, value) VALUES ('boot', $boot) ON CONFLICT(key) DO UPDATE SET value = $boot", "$boot"))
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
