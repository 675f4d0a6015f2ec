using System.Globalization;
using Edge.Inference;
using Microsoft.Win32.SafeHandles;

namespace Edge.Runtime.Delivery;

/// <summary>
/// The commits of all streams in files to which records are appended, <c>edge.rows-NUMBER</c>. A commit is one write of a few hundred
/// bytes, where a database writes whole pages. A file that has grown enough is closed; its owner deletes it once everything in it is
/// stored elsewhere.
/// </summary>
/// <remarks>
/// A file begins with 8 bytes of <see cref="Magic"/>. A record: two bytes E5 D6, its length, its checksum (CRC-32C over the number of the
/// file, the place of the record, and the record), each of four bytes, and the record. What does not match is skipped: a record that a
/// power cut left incomplete, or one that is damaged. After a flush the next record begins a sector: a sector that is written while the
/// power fails may lose all of its bytes, also those that were on disk. A file has all of its space from the start, and zeros behind the
/// last record: a flush writes a block of it, where that of a file which has grown writes the file system's journal, too.
/// Threads: <see cref="Append"/> and <see cref="Roll"/> are serialized by the owner; <see cref="Force"/> may be called beside them.
/// </remarks>
internal sealed class RowLog : IDisposable
{
    /// <summary>Size from which on a file is closed.</summary>
    internal const int FileBytes = 1 << 20;

    private const string Prefix = "edge.rows-";
    private const int HeaderBytes = 10;
    private const int SectorBytes = 512;
    private const byte Mark1 = 0xE5;
    private const byte Mark2 = 0xD6;

    // No commit is larger: 64 rows and their messages.
    private const int RecordMaxBytes = 256 << 20;

    /// <summary>The first bytes of a file.</summary>
    internal static ReadOnlySpan<byte> Magic => "edgerow1"u8;

    private readonly string _folder;
    private readonly Lock _gate = new();
    private readonly Lock _forceGate = new();
    private readonly List<SafeFileHandle> _unforced = [];
    private readonly PackedWriter _out = new();
    private SafeFileHandle? _file;
    private string _path = "";
    private object? _identity;
    private uint _number;
    private int _length;
    private bool _isDirty;
    private bool _beginsSector;
    private bool _isFolderDirty;

    /// <param name="folder">The state folder. Records are appended to a new file after those that are there.</param>
    internal RowLog(string folder)
    {
        _folder = folder;
        _number = Files(folder).Select(file => file.Number).DefaultIfEmpty().Max();
    }

    /// <summary>
    /// Where the last record ends: the number of its file in the upper 32 bits, the offset in the lower. Later records have larger
    /// positions.
    /// </summary>
    internal long Position => _file is null ? ((long)_number + 1) << 32 : ((long)_number << 32) | (uint)_length;

    /// <summary>Number of the file of a position.</summary>
    internal static uint FileOf(long position) => (uint)(position >> 32);

    /// <summary>Whether the next record begins a file.</summary>
    internal bool IsAtBegin => _file is null || _length >= FileBytes;

    /// <summary>Number of the newest file.</summary>
    internal uint Number => _number;

    /// <summary>Whether that file is open.</summary>
    internal bool IsOpen => _file is not null;

    /// <summary>Whether there is something that <see cref="Force"/> would flush.</summary>
    internal bool IsDirty => _isDirty || _unforced.Count > 0;

    /// <summary>Path of a file.</summary>
    internal string PathOf(uint number) => Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{number:00000000}"));

    /// <summary>The files of a folder, oldest first.</summary>
    internal static List<(uint Number, string Path)> Files(string folder)
    {
        var files = new List<(uint Number, string Path)>();
        if (Directory.Exists(folder))
        {
            foreach (string path in Directory.EnumerateFiles(folder, Prefix + "*"))
            {
                if (uint.TryParse(Path.GetFileName(path.AsSpan())[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture,
                        out uint number))
                {
                    files.Add((number, path));
                }
            }
        }

        files.Sort((a, b) => a.Number.CompareTo(b.Number));
        return files;
    }

    /// <summary>Lets the next file have a larger number than this, as positions after those that are stored must be larger.</summary>
    internal void SkipTo(uint number) => _number = _file is null ? Math.Max(_number, number) : _number;

    /// <summary>Appends a record. It has reached the operating system when this returns.</summary>
    /// <param name="record">Writes the record.</param>
    /// <param name="force">Whether it has reached the disk when this returns.</param>
    /// <exception cref="IOException">The disk refuses; nothing was appended.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder cannot be written.</exception>
    internal void Append(Action<PackedWriter> record, bool force)
    {
        if (IsAtBegin)
        {
            BeginFile();
        }

        lock (_gate)
        {
            _length = _beginsSector ? ToSector(_length) : _length;
            _beginsSector = false;
        }

        _out.Clear();
        _out.Byte(Mark1);
        _out.Byte(Mark2);
        _out.UInt32(0);
        _out.UInt32(0);
        record(_out);
        _out.SetUInt32(2, (uint)(_out.Length - HeaderBytes));
        _out.SetUInt32(6, SumOf(_number, _length, _out.Span[HeaderBytes..]));
        try
        {
            RandomAccess.Write(_file!, _out.Span, _length);
            _isDirty = true;
            if (force)
            {
                Force();
            }
        }
        catch (Exception)
        {
            Undo();
            throw;
        }

        _length += _out.Length;
    }

    /// <summary>Begins the file that the next record is for.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder cannot be written.</exception>
    internal void BeginFile()
    {
        Roll();
        string path = PathOf(_number + 1);
        SafeFileHandle file = Create(path);
        try
        {
            RandomAccess.Write(file, Magic, 0);
            RandomAccess.SetLength(file, FileBytes);
        }
        catch (Exception)
        {
            file.Dispose();
            File.Delete(path);
            throw;
        }

        lock (_gate)
        {
            (_file, _path, _number, _length, _isFolderDirty) = (file, path, _number + 1, Magic.Length, true);
            _beginsSector = false;
        }

        _identity = RegularFile.Identity(path);
    }

    /// <summary>Closes the file, so that the next record begins another.</summary>
    internal void Roll()
    {
        if (_file is null)
        {
            return;
        }

        lock (_gate)
        {
            // A flush of this file may be under way: the next one closes it.
            _unforced.Add(_file);
            (_file, _isDirty) = (null, false);
        }
    }

    /// <summary>Whether the file that is being written was deleted, moved or replaced.</summary>
    internal bool IsLost() => _file is not null && (!File.Exists(_path) || !Equals(_identity, RegularFile.Identity(_path)));

    /// <summary>Flushes everything that was appended before the call to disk (fdatasync).</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    internal void Force()
    {
        // One at a time: the first closes files that the next would flush.
        lock (_forceGate)
        {
            ForceAll();
        }
    }

    /// <summary>Reads a file.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="withMessages">Whether messages are read, too.</param>
    /// <param name="damage">What the bytes are that belong to no record.</param>
    /// <returns>The records, each with the position at which it ends.</returns>
    internal static List<(long Position, LogRecord Record)> Read(
        uint number, ReadOnlySpan<byte> bytes, bool withMessages, out LogDamage damage)
    {
        var records = new List<(long, LogRecord)>();
        var columns = new Dictionary<string, IReadOnlyList<string>>();
        int end = bytes.LastIndexOfAnyExcept((byte)0) + 1;
        damage = bytes.StartsWith(Magic) ? default : new LogDamage(end == 0 ? LogDamageKind.CutByKill : LogDamageKind.Damaged, 0);
        for (int at = Magic.Length; at < end;)
        {
            if (TryRead(number, bytes, at, columns, withMessages, out LogRecord? record, out int length))
            {
                at += HeaderBytes + length;
                records.Add((((long)number << 32) | (uint)at, record!));
                continue;
            }

            int sector = Math.Min(ToSector(at), end);
            if (sector > at && !bytes[at..sector].ContainsAnyExcept((byte)0))
            {
                at = sector;
                continue;
            }

            if (damage.Kind == LogDamageKind.None)
            {
                damage = new LogDamage(IsCutByKill(bytes, at, end) ? LogDamageKind.CutByKill : LogDamageKind.Damaged, records.Count);
            }

            int next = bytes[(at + 1)..].IndexOf([Mark1, Mark2]);
            at = next < 0 ? bytes.Length : at + 1 + next;
        }

        return records;
    }

    public void Dispose()
    {
        _file?.Dispose();
        _unforced.ForEach(file => file.Dispose());
    }

    // The kernel writes page by page, and a killed process's write ends behind one of them: what is there of the record is the beginning
    // of one that continues behind that page, where there are only zeros or nothing.
    private static bool IsCutByKill(ReadOnlySpan<byte> bytes, int at, int end)
    {
        int pages = (end + Environment.SystemPageSize - 1) / Environment.SystemPageSize * Environment.SystemPageSize;
        if (pages > bytes.Length)
        {
            return false;
        }

        ReadOnlySpan<byte> rest = bytes[at..pages];
        if (rest[0] != Mark1 || (rest.Length > 1 && rest[1] != Mark2))
        {
            return false;
        }

        return rest.Length < HeaderBytes || new PackedReader(rest[2..HeaderBytes]).UInt32() is var size
            && size <= RecordMaxBytes && size > rest.Length - HeaderBytes;
    }

    private static bool TryRead(
        uint number,
        ReadOnlySpan<byte> bytes,
        int at,
        Dictionary<string, IReadOnlyList<string>> columns,
        bool withMessages,
        out LogRecord? record,
        out int length)
    {
        (record, length) = (null, 0);
        ReadOnlySpan<byte> rest = bytes[at..];
        if (rest.Length < HeaderBytes || rest[0] != Mark1 || rest[1] != Mark2)
        {
            return false;
        }

        var header = new PackedReader(rest[2..HeaderBytes]);
        uint size = header.UInt32();
        uint sum = header.UInt32();
        if (size > RecordMaxBytes || size > rest.Length - HeaderBytes || SumOf(number, at, rest.Slice(HeaderBytes, (int)size)) != sum)
        {
            return false;
        }

        try
        {
            record = LogRecord.Read(rest.Slice(HeaderBytes, (int)size), columns, withMessages);
            length = (int)size;
            return true;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    private static uint SumOf(uint number, int at, ReadOnlySpan<byte> record)
    {
        var sum = new Checksum();
        sum.Add(((long)number << 32) | (uint)at);
        sum.Add(record);
        return (uint)sum.Sum;
    }

    private void ForceAll()
    {
        SafeFileHandle[] closed;
        SafeFileHandle? open;
        bool isFolderDirty;
        lock (_gate)
        {
            closed = [.. _unforced];
            open = _isDirty ? _file : null;
            isFolderDirty = _isFolderDirty;
            (_isDirty, _isFolderDirty) = (false, false);
            _beginsSector |= open is not null;
        }

        bool isDone = false;
        try
        {
            if (isFolderDirty)
            {
                DurableFile.ForceFolder(_folder);
            }

            Array.ForEach(closed, DurableFile.ForceData);
            if (open is not null)
            {
                DurableFile.ForceData(open);
            }

            isDone = true;
        }
        finally
        {
            lock (_gate)
            {
                _isFolderDirty |= !isDone && isFolderDirty;
                _isDirty |= !isDone && open is not null && ReferenceEquals(open, _file);
                if (isDone)
                {
                    foreach (SafeFileHandle each in closed)
                    {
                        _unforced.Remove(each);
                        each.Dispose();
                    }
                }
            }
        }
    }

    // On a disk that is nearly full, records get the space that is left.
    private static SafeFileHandle Create(string path)
    {
        const FileShare Share = FileShare.ReadWrite | FileShare.Delete;
        try
        {
            return File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, Share, preallocationSize: FileBytes);
        }
        catch (IOException)
        {
            return File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, Share);
        }
    }

    private static int ToSector(int at) => (at + SectorBytes - 1) & -SectorBytes;

    // What a full disk took of a record is removed. If that fails as well, the next record begins a file: a reader skips the rest of this.
    private void Undo()
    {
        try
        {
            RandomAccess.SetLength(_file!, _length);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            Roll();
        }
    }
}
