using System.Collections.Concurrent;
using Edge.Inference;
using Edge.Runtime.Mqtt;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>The log of rows: appended to at each tick, read at a start, deleted once everything in it is stored elsewhere.</summary>
internal sealed partial class StateStore
{
    // Where the file remembers that there is a log.
    private const string LogKey = "rows";

    // A file of the log is closed after this time, however small it is; messages stay in memory for no longer than this.
    private static readonly TimeSpan FileAgeMax = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan HeldAgeMax = TimeSpan.FromMinutes(1);

    // Closed files that wait for a history that cannot be written.
    private const int FilesKeptForHistory = 64;

    // Files in memory at a time while their rows go to the history: a recording at full speed closes many between two rounds of upkeep.
    private const int FilesTogether = 4;

    private readonly RowLog _rows;
    private readonly HistoryFile _history;

    // Names of the channels by stream, as they stand in the file of the log that is being written.
    private readonly Dictionary<string, IReadOnlyList<string>> _columnsInFile = [];

    // By file of the log, where the last record of each stream ends.
    private readonly SortedDictionary<uint, Dictionary<string, long>> _files = [];

    // By stream, where the log was when its state was stored last in the present file.
    private readonly ConcurrentDictionary<string, long> _savedAt = new();

    // By stream, the last number in the log of the processes before.
    private readonly Dictionary<string, long> _lastSeq = [];

    // By stream, the rows in the log of the processes before that are not in its stored state.
    private readonly Dictionary<string, List<(long Position, CommittedRows Rows)>> _left = [];

    // Files of the log that are damaged, and where their last whole record ends.
    private readonly List<(string Path, long Length)> _damaged = [];

    private bool _isLogDamaged;
    private bool _isLogMarked;
    private uint _archivedUpTo;
    private long _fileBegunAt;

    /// <summary>Flushes the log to disk (fsync) before the gate is taken, so that no other thread waits for it.</summary>
    private void ForceLogFirst()
    {
        try
        {
            _rows.Force();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Tried again where it is needed, and said there.
        }
    }

    /// <summary>Whether every record of the log is on disk.</summary>
    internal bool IsLogOnDisk => !_rows.IsDirty;

    /// <summary>Whether the state of a stream is not in the file, or is not what its rows continue.</summary>
    internal bool NeedsSnapshot(string stream) => !_savedAt.ContainsKey(stream);

    /// <summary>Commits rows and messages as one record. Each message gets its id.</summary>
    /// <returns>False if the disk refused: they are in memory only, and <see cref="NeedsSnapshot"/> is true.</returns>
    internal bool Append(string stream, CommittedRows rows, IReadOnlyList<MqttMessage> messages)
    {
        bool isCommitted = Guarded(
            () =>
            {
                RequireSpace();
                if (rows.Count > 0)
                {
                    Reserve(stream, rows.LastSeq);
                }

                if (_rows.IsAtBegin)
                {
                    BeginFile();
                }

                AppendRecord(stream, rows, messages);
                if (_outbox.IsFlushDue(HeldAgeMax))
                {
                    WriteToFile([], null);
                }
                else if (_outbox.IsDeletionDue)
                {
                    Action? deleted = null;
                    _database.Atomically(() => deleted = _outbox.DeleteDelivered());
                    deleted!();
                }

                if (rows.Count > 0)
                {
                    NoteStored(stream);
                }

                SayWell();
                return true;
            },
            false);
        if (!isCommitted)
        {
            _savedAt.TryRemove(stream, out _);
            if (rows.Count > 0)
            {
                NoteUnstored(stream, rows.LastSeq);
            }

            RevokeIds(messages);
        }

        return isCommitted;
    }

    private void AppendRecord(string stream, CommittedRows rows, IReadOnlyList<MqttMessage> messages)
    {
        _outbox.AssignIds(messages);
        var record = new LogRecord(stream, rows, messages, _outbox.Seconds, _outbox.DeliveredUpTo);
        bool withColumns = !(_columnsInFile.GetValueOrDefault(stream) is { } known && known.SequenceEqual(rows.Columns));
        _rows.Append(to => record.Write(to, withColumns), force: _durability == TimeSpan.Zero);
        _columnsInFile[stream] = rows.Columns;
        _outbox.Hold(messages, record.Created);
        _left.Remove(stream);
        _files.TryAdd(_rows.Number, []);
        if (rows.Count > 0 || rows.IsStateChanged)
        {
            NoteInFile(stream, _rows.Position);
        }
    }

    private void NoteInFile(string stream, long position)
    {
        uint number = RowLog.FileOf(position);
        if (!_files.TryGetValue(number, out Dictionary<string, long>? streams))
        {
            _files[number] = streams = [];
        }

        streams[stream] = position;
    }

    // Messages in memory go to the file, and what else is to be in the same transaction. The log is on disk before: what the file says
    // after a power cut has no tick that the log lacks.
    private void WriteToFile(IReadOnlyList<MqttMessage> messages, Action<long>? also)
    {
        if (_rows.IsDirty)
        {
            _rows.Force();
        }

        Action? committed = null;
        _database.Atomically(() =>
        {
            also?.Invoke(_rows.Position);
            committed = _outbox.Write(messages);
        });
        committed!();
    }

    // What failed revoked the assigned ids.
    private static void RevokeIds(IReadOnlyList<MqttMessage> messages)
    {
        foreach (MqttMessage message in messages)
        {
            message.Id = 0;
        }
    }

    // The mark is on disk before the first record: a log that is gone is noticed at the next start. The file is there before the mark: a
    // kill between the two is not taken for a log that is gone.
    private void BeginFile()
    {
        _rows.BeginFile();
        _columnsInFile.Clear();
        _fileBegunAt = _clock.GetTimestamp();
        if (!_isLogMarked)
        {
            Remember(LogKey, "used");
            _isLogMarked = true;
        }
    }

    // Called with the gate held. Rows in a deleted file are lost with the process: each stream stores its state at its next tick.
    private void LookForLog()
    {
        if (_rows.IsLost())
        {
            _rows.Roll();
            _savedAt.Clear();
            _log.LogError("State '{Path}': the row log was deleted, moved or replaced. The streams continue, and a new one is begun", Path);
        }
    }

    /// <summary>Closes the log's file if it is old, and deletes the closed ones whose rows and messages are stored elsewhere.</summary>
    internal void Retire()
    {
        lock (_gate)
        {
            if (_rows.IsOpen && (_rows.IsAtBegin || _clock.GetElapsedTime(_fileBegunAt) >= FileAgeMax))
            {
                _rows.Roll();
            }

            if (!Closed().Exists(number => number > _archivedUpTo || CanGo(number, keepNewest: true)))
            {
                return;
            }
        }

        ForceLogFirst();
        bool isWritten = Guarded(
            () =>
            {
                if (_outbox.IsHolding)
                {
                    WriteToFile([], null);
                }

                return true;
            },
            false);
        if (isWritten)
        {
            if (Archive())
            {
                TrimHistory();
            }

            Force();
            DeleteClosed(keepNewest: true);
        }
    }

    // Rows of closed files go to the history. If it refuses for long, they are lost to it, not to the streams.
    private bool Archive()
    {
        List<uint> closed;
        lock (_gate)
        {
            closed = [.. Closed().Where(number => number > _archivedUpTo)];
        }

        if (closed.Count == 0)
        {
            return false;
        }

        foreach (uint[] files in closed.Chunk(FilesTogether))
        {
            List<(long, LogRecord)> records = [.. files.SelectMany(number => ReadFile(number, _rows.PathOf(number)))];
            if (!_history.Add(records) && closed.Count <= FilesKeptForHistory)
            {
                break;
            }

            _archivedUpTo = files[^1];
        }

        return true;
    }

    // The history gives way first where the disk gets full.
    private void TrimHistory()
    {
        long missing = (2 * ReserveBytes) - new DriveInfo(Path).AvailableFreeSpace;
        _history.Trim(missing > 0 ? Math.Max(0, _history.SizeBytes() - missing) : long.MaxValue);
    }

    private List<uint> Closed() => [.. _files.Keys.Where(number => number < _rows.Number || !_rows.IsOpen)];

    // A file is needed as long as a stream's stored state is older than a row in it. The newest stays, so that a log without a file is one
    // that was lost.
    private bool CanGo(uint number, bool keepNewest) => number <= _archivedUpTo
        && !(keepNewest && number == _rows.Number)
        && !_files[number].Any(last => _savedAt.TryGetValue(last.Key, out long saved) && last.Value > saved);

    private void DeleteClosed(bool keepNewest)
    {
        lock (_gate)
        {
            foreach (uint number in Closed().Where(number => CanGo(number, keepNewest)))
            {
                try
                {
                    File.Delete(_rows.PathOf(number));
                    _files.Remove(number);
                }
                catch (Exception e) when (FileFault.Is(e))
                {
                    _log.LogDebug("A file of the row log cannot be deleted yet: {Reason}", e.Message);
                }
            }
        }
    }
}
