using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// A full disk. SQLite needs room even to delete, and a write-ahead log that has taken the last of it can neither be written back nor go on: so some room is
/// held in a file of its own, and given up when the disk is full. From then on no more may wait for the broker than three quarters of what did, until there is room again.
/// </summary>
internal sealed partial class StateStore
{
    // More than the log grows to, 1,000 pages of 4 kB, with a tick on top.
    private const int ReserveBytes = 6 << 20;

    private const int PrimaryFull = 13;

    // What may wait however full the disk is.
    private const long LimitMin = 64 << 10;

    /// <summary>Most bytes that may wait for the broker: no limit but the configured one, as long as the disk has room.</summary>
    internal long SizeLimit { get; private set; } = long.MaxValue;

    /// <summary>Messages given up for want of room, by class.</summary>
    internal long[] GivenUp { get; } = new long[3];

    private string ReservePath => System.IO.Path.ChangeExtension(Path, ".reserve");

    // Called with the gate held, after the disk has refused for want of room.
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
            _log.LogDebug("State '{Path}': no room could be made: {Reason}", Path, e.Message);
            return false;
        }

        SizeLimit = Math.Max(LimitMin, _outbox.Bytes / 4 * 3);
        _log.LogError("State '{Path}': the disk is full. No more than {Size} kB may wait for the broker until there is room; the oldest are given up, readings first", Path, SizeLimit / 1024);
        try
        {
            GiveUp(SizeLimit);
        }
        catch (SqliteException e)
        {
            _log.LogDebug("State '{Path}': nothing could be given up: {Reason}", Path, e.Message);
        }

        return true;
    }

    // Takes room again once there is plenty, and lifts the limit.
    private void HoldReserve()
    {
        string partial = ReservePath + ".partial";
        try
        {
            if (File.Exists(ReservePath) || new DriveInfo(Path).AvailableFreeSpace < 2 * ReserveBytes)
            {
                return;
            }

            // Zeros that are written are there on every file system, which a length alone is not; whole, or not at all.
            File.WriteAllBytes(partial, new byte[ReserveBytes]);
            lock (_gate)
            {
                File.Move(partial, ReservePath);
                if (SizeLimit != long.MaxValue)
                {
                    SizeLimit = long.MaxValue;
                    _log.LogInformation("State '{Path}': the disk has room again", Path);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log.LogDebug("State '{Path}': no room can be held: {Reason}", Path, e.Message);
            TryDelete(partial);
        }
    }

    private void GiveUp(long sizeMaxBytes)
    {
        while (_outbox.Bytes > sizeMaxBytes && _outbox.EvictSome(sizeMaxBytes, GivenUp))
        {
            if (SizeLimit != long.MaxValue && _outbox.Bytes > sizeMaxBytes)
            {
                // More follows, and on a full disk the log must not grow by all of it.
                _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
            }
        }
    }

    // Half of it would be in the way of what it is for.
    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Whoever cannot write there cannot have made it.
        }
    }
}
