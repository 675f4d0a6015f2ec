using Edge.Runtime.Mqtt;
using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Takes a state file of an earlier version over to the current one. From version 3 on one checksum covers all of a message and all of a
/// stream's row, and the age of a message counts from the migration on. From version 4 on a stream's row says after which record of the
/// <see cref="RowLog"/> its snapshot was taken. What was damaged before stays recognizable as damaged.
/// </summary>
internal static class StateMigration
{
    private const long Damaged = -1;

    /// <summary>Runs inside a transaction.</summary>
    /// <param name="database">The file.</param>
    /// <param name="version">The version that it has.</param>
    internal static void Run(Database database, long version)
    {
        foreach (string column in new[] { "reserved_sum", "stepped", "position" })
        {
            AddColumn(database, column);
        }

        if (version < 3)
        {
            SumMessages(database);
        }

        foreach (StoredStream stream in StoredStream.ReadAll(database, version))
        {
            stream.Write(database);
        }
    }

    private static void AddColumn(Database database, string column)
    {
        if (database.Scalar($"SELECT COUNT(*) FROM pragma_table_info('stream') WHERE name = '{column}'") is 0L)
        {
            database.Execute($"ALTER TABLE stream ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0");
        }
    }

    private static void SumMessages(Database database)
    {
        database.Execute("UPDATE outbox SET created = 0");
        long last = 0;
        while (SumsOfMessages(database, last) is { Count: > 0 } sums)
        {
            using SqliteCommand update = database.Prepare("UPDATE outbox SET sum = $sum WHERE id = $id", "$sum", "$id");
            foreach ((long id, long sum) in sums)
            {
                Database.Run(update, sum, id);
                last = id;
            }
        }
    }

    private static List<(long Id, long Sum)> SumsOfMessages(Database database, long afterId)
    {
        using SqliteCommand command = database.Prepare(
            "SELECT id, class, topic, payload, qos, retain, content_type, expiry, seq, model, sum FROM outbox WHERE id > $after "
                + "ORDER BY id LIMIT 500",
            "$after");
        command.Parameters[0].Value = afterId;
        using SqliteDataReader row = command.ExecuteReader();
        var sums = new List<(long, long)>();
        while (row.Read())
        {
            MqttMessage? message = StoredOutbox.ReadMessage(row);
            bool isWhole = message is not null && Checksum.Fits(message.Payload.Span, row.GetInt64(10));
            sums.Add((row.GetInt64(0), isWhole ? StoredOutbox.SumOf(message!, created: 0) : Damaged));
        }

        return sums;
    }
}
