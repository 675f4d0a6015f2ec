using Edge.Inference;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Handles a full disk. SQLite needs space even to delete, so some space is reserved in a separate file and freed when the disk is
/// full. From then on the outbox may hold three quarters of what it held, until there is space again.
/// </summary>
internal sealed partial class StateStore
{
    // More than the write-ahead log grows to: 1,000 pages of 4 kB, plus one tick.
    private const int ReserveBytes = 6 << 20;

    // Free space from which on a file that was only read is written: the index of the write-ahead log, and a file of the row log.
    private const int SpaceMin = 2 * RowLog.FileBytes;
    private const int SqliteFull = 13;

    // The outbox may always hold this much, however full the disk is.
    private const long LimitMin = 64 << 10;

    /// <summary>Most bytes in the outbox: the configured limit as long as the disk has space.</summary>
    internal long SizeLimit { get; private set; } = long.MaxValue;

    /// <summary>Messages evicted because the outbox was full, by class.</summary>
    internal long[] Evicted { get; } = new long[3];

    private string ReservePath => ReserveOf(Path);

    private static string ReserveOf(string path) => System.IO.Path.ChangeExtension(path, ".reserve");

    // The disk was full at the start: SQLite gets the space of the reserve. If that is gone, too, what is stored is only read.
    private static StateStore OpenFull(string reserve, Exception e, Func<bool, StateStore> create)
    {
        if (File.Exists(reserve))
        {
            File.Delete(reserve);
            try
            {
                StateStore store = create(false);
                store.LimitOutbox();
                return store;
            }
            catch (Exception still) when (Database.IsDiskFull(still))
            {
                // It was too little.
            }
        }

        StateStore reading = create(true);
        lock (reading._gate)
        {
            reading.SayBroken(e);
        }

        return reading;
    }

    // Once there is space, the next use opens the file to be written.
    private void LookForSpace()
    {
        if (_database.OnlyReads && new DriveInfo(Path).AvailableFreeSpace >= SpaceMin)
        {
            lock (_gate)
            {
                CloseFile();
            }
        }
    }

    // A file that is only read is not written, even if there is space for some bytes.
    private void RequireSpace()
    {
        if (_database.OnlyReads)
        {
            throw new SqliteException("There was no space at the start.", SqliteFull);
        }
    }

    // This start cannot be marked in the database. So the numbers of the streams continue behind the reserved ones, and the numbers file
    // tells the next start which ones were used.
    private void ReserveInPlace(Dictionary<string, long> withoutState)
    {
        foreach ((string stream, long reserved) in withoutState)
        {
            _reserved[stream] = reserved;
        }

        foreach ((string stream, long reserved) in _reserved.ToArray())
        {
            _lastSeq[stream] = reserved;
            _reserved[stream] = reserved + ReservedAhead;
        }

        _numbers.Overwrite(_reserved);
    }

    // Ticks that the disk refuses are sent all the same. The numbers file is overwritten in its place, which needs no space on most disks,
    // so that a start before they are stored continues behind them.
    private void NoteUnstored(string stream, long seq)
    {
        lock (_gate)
        {
            long reserved = _reserved.GetValueOrDefault(stream);
            if (seq <= Math.Max(_unstored.GetValueOrDefault(stream), _database.OnlyReads ? reserved : 0))
            {
                return;
            }

            _unstored[stream] = Math.Max(seq, reserved) + ReservedAhead;
            try
            {
                _numbers.Overwrite(Numbers());
            }
            catch (Exception e) when (FileFault.Is(e))
            {
                _unstored.Remove(stream);
                _log.LogDebug("State '{Path}': the numbers of '{Stream}' cannot be written: {Reason}", Path, stream, e.Message);
            }
        }
    }

    // Called with the gate held.
    private void NoteStored(string stream)
    {
        if (_unstored.Remove(stream))
        {
            _numbers.Write(Numbers());
        }
    }

    // Of each stream, the number up to which some may have been used.
    private Dictionary<string, long> Numbers() => _reserved.Concat(_unstored)
        .GroupBy(each => each.Key, each => each.Value)
        .ToDictionary(each => each.Key, each => each.Max());

    // Called with the gate held, after the disk reported that it is full.
    private bool TryMakeRoom()
    {
        if (!File.Exists(ReservePath))
        {
            return false;
        }

        try
        {
            File.Delete(ReservePath);
            _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            _log.LogDebug("State '{Path}': no space could be freed: {Reason}", Path, e.Message);
            return false;
        }

        LimitOutbox();
        return true;
    }

    // After the reserve was freed.
    private void LimitOutbox()
    {
        lock (_gate)
        {
            SizeLimit = Math.Max(LimitMin, _outbox.Bytes / 4 * 3);
            _log.LogError(
                "State '{Path}': the disk is full. The outbox is limited to {Size} kB until there is space. "
                    + "The oldest readings are evicted first",
                Path,
                SizeLimit / 1024);
            try
            {
                GiveUp(SizeLimit);
            }
            catch (Exception e) when (e is SqliteException or IOException)
            {
                _log.LogDebug("State '{Path}': no message could be evicted: {Reason}", Path, e.Message);
            }
        }
    }

    // Reserves space again once there is enough, and removes the limit.
    private void HoldReserve()
    {
        string partial = ReservePath + ".partial";
        try
        {
            if (File.Exists(ReservePath) || new DriveInfo(Path).AvailableFreeSpace < 2 * ReserveBytes)
            {
                return;
            }

            // Written zeros take space on every file system; a length alone does not. The whole reserve, or none.
            File.WriteAllBytes(partial, new byte[ReserveBytes]);
            lock (_gate)
            {
                File.Move(partial, ReservePath);
                if (SizeLimit != long.MaxValue)
                {
                    SizeLimit = long.MaxValue;
                    _log.LogInformation("State '{Path}': the disk has space again", Path);
                }
            }
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            _log.LogDebug("State '{Path}': no space can be reserved: {Reason}", Path, e.Message);
            TryDelete(partial);
        }
    }

    private void GiveUp(long sizeMaxBytes)
    {
        while (_outbox.Bytes > sizeMaxBytes)
        {
            if (!_outbox.EvictSome(sizeMaxBytes, Evicted))
            {
                if (!_outbox.IsHolding)
                {
                    return;
                }

                // The next to go are in memory: only messages in the file can be evicted.
                WriteToFile([], null);
                continue;
            }

            if (SizeLimit != long.MaxValue && _outbox.Bytes > sizeMaxBytes)
            {
                // More follows, and on a full disk the write-ahead log must not grow by all of it.
                _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
            }
        }
    }

    // A partial reserve would only take space.
    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            // A process that cannot write there cannot have created it.
        }
    }
}
