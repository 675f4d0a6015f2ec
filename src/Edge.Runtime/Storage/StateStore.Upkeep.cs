using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Storage;

/// <summary>What is done to the file beside the ticks: forcing it to the card, giving up what is too old, reserving numbers, closing.</summary>
internal sealed partial class StateStore
{
    /// <summary>Forces all to the card and closes.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _upkeep.Wait();
        lock (_gate)
        {
            try
            {
                _outbox.Write([])();

                // All is on the card before the file says so: from then on no number need be skipped.
                _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
                using SqliteCommand clean = _database.Prepare("UPDATE meta SET value = 'clean' WHERE key = 'boot'");
                _database.RunForced(clean);
            }
            catch (SqliteException e)
            {
                SayBroken(e);
            }

            _saveStream.Dispose();
            _outbox.Dispose();
            _database.Dispose();
        }

        _lock.Dispose();
        _stop.Dispose();
    }

    private async Task KeepUpAsync()
    {
        TimeSpan every = _durability == TimeSpan.Zero ? TimeSpan.FromMinutes(1) : _durability;
        while (true)
        {
            try
            {
                await Task.Delay(every, _clock, _stop.Token).ConfigureAwait(false);
                Expire();
                Force();
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SqliteException e)
            {
                _log.LogError("State '{Path}' could not be forced to the card: {Reason}", Path, e.Message);
            }
        }
    }

    /// <summary>Gives up what is too old for anyone.</summary>
    internal void Expire()
    {
        lock (_gate)
        {
            long count = _outbox.Expire(_clock.GetUtcNow() - _ageMax);
            if (count > 0)
            {
                _log.LogWarning("State '{Path}': {Count} readings and forecasts waited longer than {Age} for the broker and are given up", Path, count, _ageMax);
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
