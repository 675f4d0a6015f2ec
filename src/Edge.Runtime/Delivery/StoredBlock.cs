using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Delivery;

/// <summary>A block of the history: rows, or what they were thinned to.</summary>
/// <param name="FirstSeq">Number of the first tick in it.</param>
/// <param name="LastSeq">Number of the last one.</param>
/// <param name="Columns">Names of the channels, as one text.</param>
/// <param name="Bytes">The block.</param>
internal sealed record StoredBlock(long FirstSeq, long LastSeq, string Columns, byte[] Bytes)
{
    /// <summary>The begin of a query; conditions and order follow.</summary>
    internal const string Select =
        "SELECT stream, level, first_seq, last_seq, columns, bytes, sum FROM block JOIN layout ON layout.id = block.layout";

    /// <summary>The block of a row; null if it is damaged.</summary>
    internal static StoredBlock? Read(SqliteDataReader row)
    {
        byte[] bytes = row.GetFieldType(5) == typeof(byte[]) ? row.GetFieldValue<byte[]>(5) : [];
        var block = new StoredBlock(row.GetInt64(2), row.GetInt64(3), row.GetString(4), bytes);
        long sum = HistoryTables.SumOfBlock(row.GetString(0), row.GetInt64(1), block.FirstSeq, block.LastSeq, block.Columns, bytes);
        return sum == row.GetInt64(6) ? block : null;
    }
}
