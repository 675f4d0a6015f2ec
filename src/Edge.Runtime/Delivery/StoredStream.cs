using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Delivery;

/// <summary>A stream's row in the state file, with what its checksums say.</summary>
/// <param name="Name">Name of the stream.</param>
/// <param name="Seq">A number that may have been used; the next one is larger.</param>
/// <param name="Snapshot">Its state; empty for none.</param>
/// <param name="Source">Description of its source.</param>
/// <param name="Stepped">Number of the last tick that is in the snapshot.</param>
/// <param name="Position">Where the <see cref="RowLog"/> was when the snapshot was taken.</param>
/// <param name="Reserved">Numbers up to this one may have been used.</param>
/// <param name="IsWhole">Whether everything but the reserved number is as it was written.</param>
/// <param name="IsReservedWhole">Whether the reserved number is.</param>
internal sealed record StoredStream(
    string Name,
    long Seq,
    byte[] Snapshot,
    string Source,
    long Stepped,
    long Position,
    long Reserved,
    bool IsWhole,
    bool IsReservedWhole)
{
    private const int CurrentVersion = 4;
    private const string Columns = "name, seq, snapshot, source, sum, reserved, reserved_sum, stepped, position";

    /// <summary>Reads the rows of all streams.</summary>
    /// <param name="database">The file.</param>
    /// <param name="version">The version of the checksums in it.</param>
    internal static List<StoredStream> ReadAll(Database database, long version = CurrentVersion)
    {
        using SqliteCommand command = database.Prepare($"SELECT {Columns} FROM stream ORDER BY name");
        using SqliteDataReader row = command.ExecuteReader();
        var streams = new List<StoredStream>();
        while (row.Read())
        {
            streams.Add(Read(row, version));
        }

        return streams;
    }

    /// <summary>Reads the row of one stream, or null.</summary>
    internal static StoredStream? Read(Database database, string name)
    {
        using SqliteCommand command = database.Prepare($"SELECT {Columns} FROM stream WHERE name = $name", "$name");
        command.Parameters[0].Value = name;
        using SqliteDataReader row = command.ExecuteReader();
        return row.Read() ? Read(row, CurrentVersion) : null;
    }

    /// <summary>One sum over everything but the reserved number.</summary>
    internal static long SumOf(string name, long seq, ReadOnlySpan<byte> snapshot, string source, long stepped, long position)
    {
        var sum = new Checksum();
        sum.Add(name);
        sum.Add(seq);
        sum.Add(snapshot);
        sum.Add(source);
        sum.Add(stepped);
        sum.Add(position);
        return sum.Sum;
    }

    /// <summary>Writes the row with both checksums. A row that is not whole stays recognizable as damaged.</summary>
    internal void Write(Database database)
    {
        using SqliteCommand command = database.Prepare(
            $"INSERT INTO stream({Columns}) VALUES ($name, $seq, $snapshot, $source, $sum, $reserved, $reserved_sum, $stepped, $position) "
                + "ON CONFLICT(name) DO UPDATE SET seq = $seq, snapshot = $snapshot, source = $source, sum = $sum, "
                + "reserved = $reserved, reserved_sum = $reserved_sum, stepped = $stepped, position = $position",
            "$name",
            "$seq",
            "$snapshot",
            "$source",
            "$sum",
            "$reserved",
            "$reserved_sum",
            "$stepped",
            "$position");
        Database.Run(
            command,
            Name,
            Seq,
            Snapshot,
            Source,
            IsWhole ? SumOf(Name, Seq, Snapshot, Source, Stepped, Position) : -1L,
            Reserved,
            IsReservedWhole ? SumOfReserved(Name, Reserved) : -1L,
            Stepped,
            Position);
    }

    /// <summary>The sum over name and reserved number.</summary>
    internal static long SumOfReserved(string name, long reserved)
    {
        var sum = new Checksum();
        sum.Add(name);
        sum.Add(reserved);
        return sum.Sum;
    }

    private static StoredStream Read(SqliteDataReader row, long version)
    {
        string name = row.GetString(0);
        long seq = row.GetInt64(1);
        byte[] snapshot = row.GetFieldType(2) == typeof(byte[]) ? row.GetFieldValue<byte[]>(2) : [];
        string source = row.GetString(3);
        long sum = row.GetInt64(4);
        long reserved = row.GetInt64(5);

        // Before version 4 each tick was in a snapshot.
        long stepped = version >= 4 ? row.GetInt64(7) : seq;
        long position = version >= 4 ? row.GetInt64(8) : 0;
        bool isWhole = seq >= 0 && version switch
        {
            1 or 2 => snapshot.Length == 0 || Checksum.Fits(snapshot, sum),
            3 => sum == SumOfVersion3(name, seq, snapshot, source),
            _ => sum == SumOf(name, seq, snapshot, source, stepped, position),
        };
        bool isReservedWhole = reserved >= 0 && (version < 3 || row.GetInt64(6) == SumOfReserved(name, reserved));
        return new StoredStream(name, seq, snapshot, source, stepped, position, reserved, isWhole, isReservedWhole);
    }

    private static long SumOfVersion3(string name, long seq, ReadOnlySpan<byte> snapshot, string source)
    {
        var sum = new Checksum();
        sum.Add(name);
        sum.Add(seq);
        sum.Add(snapshot);
        sum.Add(source);
        return sum.Sum;
    }
}
