using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Delivery;

/// <summary>A stream's row in the state file, with what its checksums say.</summary>
/// <param name="Name">Name of the stream.</param>
/// <param name="Seq">Its last number.</param>
/// <param name="Snapshot">Its state; empty for none.</param>
/// <param name="Source">Description of its source.</param>
/// <param name="Reserved">Numbers up to this one may have been used.</param>
/// <param name="IsWhole">Whether number, state and source are as they were written.</param>
/// <param name="IsReservedWhole">Whether the reserved number is.</param>
internal sealed record StoredStream(
    string Name, long Seq, byte[] Snapshot, string Source, long Reserved, bool IsWhole, bool IsReservedWhole)
{
    /// <summary>Reads the rows of all streams.</summary>
    /// <param name="database">The file.</param>
    /// <param name="fitsBefore">Whether a checksum of an earlier version matches a snapshot; null for the current version.</param>
    internal static List<StoredStream> ReadAll(Database database, Func<byte[], long, bool>? fitsBefore = null)
    {
        using SqliteCommand command = database.Prepare(
            "SELECT name, seq, snapshot, source, sum, reserved, reserved_sum FROM stream ORDER BY name");
        using SqliteDataReader row = command.ExecuteReader();
        var streams = new List<StoredStream>();
        while (row.Read())
        {
            streams.Add(Read(row, fitsBefore));
        }

        return streams;
    }

    /// <summary>Reads the row of one stream, or null.</summary>
    internal static StoredStream? Read(Database database, string name)
    {
        using SqliteCommand command = database.Prepare(
            "SELECT name, seq, snapshot, source, sum, reserved, reserved_sum FROM stream WHERE name = $name",
            "$name");
        command.Parameters[0].Value = name;
        using SqliteDataReader row = command.ExecuteReader();
        return row.Read() ? Read(row, null) : null;
    }

    /// <summary>One sum over name, number, state and source.</summary>
    internal static long SumOf(string name, long seq, ReadOnlySpan<byte> snapshot, string source)
    {
        var sum = new Checksum();
        sum.Add(name);
        sum.Add(seq);
        sum.Add(snapshot);
        sum.Add(source);
        return sum.Sum;
    }

    /// <summary>Writes the row with both checksums. A row that is not whole stays recognizable as damaged.</summary>
    internal void Write(Database database)
    {
        using SqliteCommand command = database.Prepare(
            "INSERT INTO stream(name, seq, snapshot, source, sum, reserved, reserved_sum) "
                + "VALUES ($name, $seq, $snapshot, $source, $sum, $reserved, $reserved_sum) ON CONFLICT(name) DO UPDATE "
                + "SET seq = $seq, snapshot = $snapshot, source = $source, sum = $sum, reserved = $reserved, "
                + "reserved_sum = $reserved_sum",
            "$name",
            "$seq",
            "$snapshot",
            "$source",
            "$sum",
            "$reserved",
            "$reserved_sum");
        Database.Run(
            command,
            Name,
            Seq,
            Snapshot,
            Source,
            IsWhole ? SumOf(Name, Seq, Snapshot, Source) : -1L,
            Reserved,
            IsReservedWhole ? SumOfReserved(Name, Reserved) : -1L);
    }

    /// <summary>The sum over name and reserved number.</summary>
    internal static long SumOfReserved(string name, long reserved)
    {
        var sum = new Checksum();
        sum.Add(name);
        sum.Add(reserved);
        return sum.Sum;
    }

    private static StoredStream Read(SqliteDataReader row, Func<byte[], long, bool>? fitsBefore)
    {
        string name = row.GetString(0);
        long seq = row.GetInt64(1);
        byte[] snapshot = row.GetFieldType(2) == typeof(byte[]) ? row.GetFieldValue<byte[]>(2) : [];
        string source = row.GetString(3);
        long reserved = row.GetInt64(5);
        bool isWhole = seq >= 0 && (fitsBefore is null
            ? row.GetInt64(4) == SumOf(name, seq, snapshot, source)
            : snapshot.Length == 0 || fitsBefore(snapshot, row.GetInt64(4)));
        bool isReservedWhole = reserved >= 0 && (fitsBefore is not null || row.GetInt64(6) == SumOfReserved(name, reserved));
        return new StoredStream(name, seq, snapshot, source, reserved, isWhole, isReservedWhole);
    }
}
