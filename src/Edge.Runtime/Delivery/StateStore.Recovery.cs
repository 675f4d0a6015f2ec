using Edge.Inference;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>The log of the processes before, read at a start.</summary>
internal sealed partial class StateStore
{
    private bool IsRowLogLost() =>
        _isLogDamaged || (_files.Count == 0 && _database.Scalar($"SELECT value FROM meta WHERE key = '{LogKey}'") is "used");

    // Reads the log of the processes before.
    private void RecoverLog()
    {
        Dictionary<string, StoredStream> stored = StoredStream.ReadAll(_database).ToDictionary(each => each.Name);
        var all = new List<LogRecord>();

        // What was written after the last fsync may have holes after a power cut: what follows the first one did not happen. Otherwise
        // damage costs the record that it is in.
        bool isPowerCut = _database.Scalar("SELECT value FROM meta WHERE key = 'boot'") is string boot
            && boot != "clean"
            && boot != _bootId;
        foreach ((uint number, string path) in RowLog.Files(Folder))
        {
            _files[number] = [];
            if (isPowerCut && _isLogDamaged)
            {
                _damaged.Add((path, 0));
                continue;
            }

            foreach ((long position, LogRecord record) in ReadFile(number, path, withMessages: true, endsAtDamage: isPowerCut))
            {
                all.Add(record);
                if (record.Rows.Count == 0 && !record.Rows.IsStateChanged)
                {
                    continue;
                }

                NoteInFile(record.Stream, position);
                _lastSeq[record.Stream] = Math.Max(_lastSeq.GetValueOrDefault(record.Stream), record.Rows.LastSeq);
                if (stored.TryGetValue(record.Stream, out StoredStream? stream) && position > stream.Position)
                {
                    if (!_left.TryGetValue(record.Stream, out List<(long, CommittedRows)>? left))
                    {
                        _left[record.Stream] = left = [];
                    }

                    left.Add((position, record.Rows));
                }
            }
        }

        _outbox.Recover(all);
        long newest = stored.Values.Select(each => each.Position).Append(_history.Archived()).Max();
        _rows.SkipTo(RowLog.FileOf(newest));
    }

    // What follows the last whole record has cost its numbers, and is not to cost some at each start.
    private void CutDamage()
    {
        foreach ((string path, long length) in _damaged)
        {
            try
            {
                using FileStream file = File.OpenWrite(path);
                file.Write(RowLog.Magic);
                file.SetLength(Math.Max(RowLog.Magic.Length, Math.Min(file.Length, length)));
            }
            catch (Exception e) when (FileFault.Is(e))
            {
                _log.LogDebug("'{Path}' cannot be cut: {Reason}", path, e.Message);
            }
        }

        _damaged.Clear();
    }

    private List<(long Position, LogRecord Record)> ReadFile(
        uint number, string path, bool withMessages = false, bool endsAtDamage = false)
    {
        try
        {
            using FileContent file = FileContent.Read(path);
            List<(long, LogRecord)> records = RowLog.Read(number, file.Span, withMessages, out LogDamage damage);
            if (damage.Kind == LogDamageKind.None)
            {
                return records;
            }

            if (endsAtDamage)
            {
                records.RemoveRange(damage.RecordsBefore, records.Count - damage.RecordsBefore);
            }

            _damaged.Add((path, records.Count > 0 ? (uint)records[^1].Item1 : 0));
            if (damage.Kind != LogDamageKind.CutByKill || number != _rows.Number || endsAtDamage)
            {
                _isLogDamaged = true;
                _log.LogWarning("'{Path}' ends in, or has, bytes that are no whole record. They are skipped", path);
            }

            return records;
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            _isLogDamaged = true;
            _log.LogError("'{Path}' cannot be read: {Reason} Its rows are not used", path, e.Message);
            return [];
        }
    }

    // The stored state of a stream with the rows that follow it: those of the log, up to the first that does not.
    private SavedStream WithRows(StoredStream stream)
    {
        List<(long Position, CommittedRows Rows)> left = _left.GetValueOrDefault(stream.Name) ?? ReadAfter(stream.Name, stream.Position);
        var rows = new List<HistoryRow>();
        long next = stream.Stepped + 1;
        long last = 0;
        bool isBroken = false;
        foreach ((_, CommittedRows committed) in left.Where(each => each.Position > stream.Position))
        {
            last = Math.Max(last, committed.LastSeq);
            isBroken |= committed.IsStateChanged || (committed.Count > 0 && committed.FirstSeq != next);
            if (isBroken || committed.Count == 0)
            {
                continue;
            }

            try
            {
                var from = new PackedReader(committed.Rows);
                TickRows.Read(ref from, committed.Count, committed.FirstSeq, committed.Columns.Count, rows);
                next = committed.LastSeq + 1;
            }
            catch (InvalidDataException)
            {
                isBroken = true;
                rows.RemoveAll(row => row.Seq >= committed.FirstSeq);
            }
        }

        if (next <= last)
        {
            _log.LogWarning(
                "{Stream}: its state continues from tick {Seq}: the rows after it do not follow one another",
                stream.Name,
                next - 1);
        }

        return new SavedStream(Math.Max(stream.Seq, last), stream.Snapshot, stream.Source)
        {
            Stepped = stream.Stepped,
            Rows = rows,
        };
    }

    private List<(long Position, CommittedRows Rows)> ReadAfter(string stream, long position)
    {
        var rows = new List<(long, CommittedRows)>();
        foreach ((uint number, string path) in RowLog.Files(Folder).Where(file => file.Number >= RowLog.FileOf(position)))
        {
            rows.AddRange(
                ReadFile(number, path)
                    .Where(each => each.Position > position && each.Record.Stream == stream)
                    .Where(each => each.Record.Rows.Count > 0 || each.Record.Rows.IsStateChanged)
                    .Select(each => (each.Position, each.Record.Rows)));
        }

        return rows;
    }
}
