using System.Diagnostics;
using System.Globalization;
using Edge.Runtime.Mqtt;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>The waiting messages in the state's file. Not thread-safe: its owner serializes the calls.</summary>
internal sealed class StoredOutbox : IDisposable
{
    private const int EvictedTogether = 500;

    private readonly Database _database;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Statement _add;
    private readonly SqliteCommand _forget;
    // By class, the id up to which no message waits, so that a search for the oldest need not read the others.
    private readonly long[] _noneUpTo = new long[3];
    private long _committedUpTo;
    private long _deliveredUpTo;
    private long _deletedUpTo;

    /// <param name="database">The file.</param>
    /// <param name="afterId">Ids continue after this one.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Damaged messages.</param>
    internal StoredOutbox(Database database, long afterId, TimeProvider clock, ILogger log)
    {
        _database = database;
        _clock = clock;
        _log = log;
        _add = database.PrepareHot(
            "INSERT INTO outbox(class, topic, payload, qos, retain, content_type, expiry, seq, model, created, sum) VALUES (?1, ?2, ?3, "
                + "?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
        _forget = database.Prepare("DELETE FROM outbox WHERE id <= $id RETURNING length(payload)", "$id");
        using SqliteCommand count = database.Prepare(
            "SELECT COUNT(*), COALESCE(SUM(length(payload)), 0), (SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'outbox') "
                + "FROM outbox");
        using SqliteDataReader row = count.ExecuteReader();
        row.Read();
        (Count, Bytes, LastId) = (row.GetInt64(0), row.GetInt64(1), Math.Max(afterId, row.GetInt64(2)));
        _committedUpTo = LastId;
        if (LastId > row.GetInt64(2))
        {
            database.Execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'");
            using SqliteCommand ids = database.Prepare("INSERT INTO sqlite_sequence(name, seq) VALUES ('outbox', $id)", "$id");
            Database.Run(ids, LastId);
        }
    }

    /// <summary>Number of waiting messages.</summary>
    internal long Count { get; private set; }

    /// <summary>Bytes of their payloads.</summary>
    internal long Bytes { get; private set; }

    /// <summary>The last assigned id, by this process or an earlier one.</summary>
    internal long LastId { get; private set; }

    /// <summary>Adds the messages of a tick, assigns their ids, and deletes delivered ones.</summary>
    /// <returns>What to run after the commit: the counts change only then.</returns>
    internal Action Write(IReadOnlyList<MqttMessage> messages)
    {
        long bytes = 0;
        long now = _clock.GetUtcNow().ToUnixTimeSeconds();
        for (int i = 0; i < messages.Count; i++)
        {
            long before = LastId;
            Add(messages[i], now);
            Debug.Assert(LastId > before, $"Message {LastId} is stored after message {before}.");
            bytes += messages[i].Payload.Length;
        }

        long upTo = _deliveredUpTo;
        (long count, long deleted) = upTo == _deletedUpTo ? (0, 0) : Delete(_forget, upTo);
        return () =>
        {
            Count += messages.Count - count;
            Bytes += bytes - deleted;
            _deletedUpTo = upTo;
            _committedUpTo = LastId;
        };
    }

    /// <summary>Messages after an id that have not been delivered, oldest first.</summary>
    /// <returns>The messages, and the last id that was read: 0 if there is none.</returns>
    internal (List<MqttMessage> Messages, long LastId) Read(long afterId, int most)
    {
        using SqliteCommand command = _database.Prepare(
            "SELECT id, class, topic, payload, qos, retain, content_type, expiry, seq, model, sum FROM outbox WHERE id > $after ORDER BY "
                + "id LIMIT $most",
            "$after",
            "$most");
        command.Parameters[0].Value = Math.Max(afterId, _deliveredUpTo);
        command.Parameters[1].Value = most;
        using SqliteDataReader row = command.ExecuteReader();
        var messages = new List<MqttMessage>();
        long last = 0;
        while (row.Read())
        {
            last = row.GetInt64(0);
            MqttMessage message = ReadMessage(row);
            if (Checksum.Fits(message.Payload.Span, row.GetInt64(10)))
            {
                messages.Add(message);
            }
            else
            {
                _log.LogError("State: message {Id} on '{Topic}' is damaged and is dropped", message.Id, message.Topic);
            }
        }

        return (messages, last);
    }

    /// <summary>When the oldest waiting message was committed, or null.</summary>
    internal DateTimeOffset? Oldest()
    {
        using SqliteCommand command = _database.Prepare("SELECT created FROM outbox WHERE id > $after ORDER BY id LIMIT 1", "$after");
        command.Parameters[0].Value = _deliveredUpTo;
        return command.ExecuteScalar() is long seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;
    }

    /// <summary>Marks every message up to this id as delivered, so that it can be deleted.</summary>
    internal void Delivered(long id)
    {
        Debug.Assert(id <= LastId, $"Message {id} is acknowledged, but the last stored one is {LastId}.");
        _deliveredUpTo = Math.Max(_deliveredUpTo, id);
    }

    /// <summary>
    /// Evicts some of the oldest messages of the first class that has any, while more than this many bytes wait. It evicts a few at a
    /// time, so that the change itself needs little space.
    /// </summary>
    /// <param name="sizeMaxBytes">Bytes that may wait.</param>
    /// <param name="dropped">Counters of evicted messages, by class.</param>
    /// <returns>Whether a message was evicted.</returns>
    internal bool EvictSome(long sizeMaxBytes, Span<long> dropped)
    {
        for (int messageClass = 0; messageClass < dropped.Length && Bytes > sizeMaxBytes; messageClass++)
        {
            long count = GiveUpOldest(messageClass, Bytes - sizeMaxBytes, DateTimeOffset.MaxValue);
            if (count > 0)
            {
                dropped[messageClass] += count;
                return true;
            }
        }

        return false;
    }

    /// <summary>Removes readings and forecasts that were committed before <paramref name="time"/>: they have expired.</summary>
    /// <returns>How many.</returns>
    internal long Expire(DateTimeOffset time)
    {
        long all = 0;
        for (int messageClass = 0; messageClass < (int)MessageClass.Event; messageClass++)
        {
            long some;
            do
            {
                some = GiveUpOldest(messageClass, long.MaxValue, time);
                all += some;
            }
            while (some == EvictedTogether);
        }

        return all;
    }

    public void Dispose()
    {
        _add.Dispose();
        _forget.Dispose();
    }

    // Removes the oldest messages of a class that together have this many bytes and were committed before a time, at most a few at once.
    private long GiveUpOldest(int messageClass, long excess, DateTimeOffset before)
    {
        (long upTo, long count, long bytes) = (0, 0, 0);
        using (SqliteCommand oldest = _database.Prepare("SELECT id, length(payload), created FROM outbox WHERE id > $after AND class = "
            + "$class ORDER BY id LIMIT $most", "$after", "$class", "$most"))
        {
            oldest.Parameters[0].Value = _noneUpTo[messageClass];
            oldest.Parameters[1].Value = messageClass;
            oldest.Parameters[2].Value = EvictedTogether;
            using SqliteDataReader row = oldest.ExecuteReader();
            bool isThere = row.Read();
            if (!isThere)
            {
                _noneUpTo[messageClass] = _committedUpTo;
            }

            while (isThere && bytes < excess && row.GetInt64(2) < before.ToUnixTimeSeconds())
            {
                upTo = row.GetInt64(0);
                count++;
                bytes += row.GetInt64(1);
                isThere = row.Read();
            }
        }

        if (count > 0)
        {
            using SqliteCommand delete = _database.Prepare(
                "DELETE FROM outbox WHERE id > $after AND id <= $id AND class = $class",
                "$after",
                "$id",
                "$class");
            Database.Run(delete, _noneUpTo[messageClass], upTo, messageClass);
            _noneUpTo[messageClass] = upTo;
            Count -= count;
            Bytes -= bytes;
        }

        return count;
    }

    private void Add(MqttMessage message, long created)
    {
        _add.Bind(1, (int)message.Class);
        _add.Bind(2, message.Topic);
        _add.Bind(3, message.Payload.Span);
        _add.Bind(4, message.QualityOfService);
        _add.Bind(5, message.Retain ? 1 : 0);
        _add.Bind(6, message.ContentType);
        _add.Bind(7, message.ExpirySeconds);
        _add.Bind(8, message.Seq > 0 ? message.Seq.ToString(CultureInfo.InvariantCulture) : null);
        _add.Bind(9, message.Model);
        _add.Bind(10, created);
        _add.Bind(11, Checksum.Of(message.Payload.Span));
        _add.Run();
        message.Id = LastId = _database.LastId;
    }

    private static (long Count, long Bytes) Delete(SqliteCommand command, params ReadOnlySpan<long> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i];
        }

        using SqliteDataReader row = command.ExecuteReader();
        long count = 0;
        long bytes = 0;
        while (row.Read())
        {
            count++;
            bytes += row.GetInt64(0);
        }

        return (count, bytes);
    }

    private static MqttMessage ReadMessage(SqliteDataReader row) => new MqttMessage
    {
        Id = row.GetInt64(0),
        Class = (MessageClass)row.GetInt32(1),
        Topic = row.GetString(2),
        Payload = (byte[])row.GetValue(3),
        QualityOfService = row.GetInt32(4),
        Retain = row.GetInt32(5) != 0,
        ContentType = row.IsDBNull(6) ? null : row.GetString(6),
        ExpirySeconds = row.IsDBNull(7) ? null : (uint)row.GetInt64(7),
        Seq = !row.IsDBNull(8) && long.TryParse(row.GetString(8), NumberStyles.None, CultureInfo.InvariantCulture, out long seq) ? seq : 0,
        Model = row.IsDBNull(9) ? null : row.GetString(9),
    };
}
