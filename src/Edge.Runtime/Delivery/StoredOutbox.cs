using System.Diagnostics;
using System.Globalization;
using Edge.Runtime.Mqtt;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// The waiting messages: those that a recent tick appended to the <see cref="RowLog"/> in memory, the others in the state's file. Most are
/// acknowledged before they need to go to the file. Not thread-safe: its owner serializes the calls.
/// </summary>
internal sealed class StoredOutbox : IDisposable
{
    private const int EvictedTogether = 500;

    // Messages that may be in memory alone, and their payloads; beyond it they go to the file.
    private const int HeldMax = 512;
    private const int HeldMaxBytes = 512 << 10;

    private readonly Database _database;
    private readonly AgeClock _age;
    private readonly ILogger _log;
    private readonly LogLimit _damagedLimit;
    private readonly Statement _add;
    private readonly SqliteCommand _forget;
    private readonly Queue<(MqttMessage Message, long Created)> _held = new();
    private long _heldBytes;
    private long _storedCount;
    private long _storedBytes;

    // By class, the id up to which no message waits, so that a search for the oldest need not read the others.
    private readonly long[] _noneUpTo = new long[3];
    private long _storedUpTo;
    private long _deletedUpTo;

    /// <param name="database">The file.</param>
    /// <param name="age">Time for which messages wait.</param>
    /// <param name="clock">Time between two lines of the log.</param>
    /// <param name="log">Damaged messages.</param>
    internal StoredOutbox(Database database, AgeClock age, TimeProvider clock, ILogger log)
    {
        _database = database;
        _age = age;
        _log = log;
        _damagedLimit = new LogLimit(clock, burst: 3);
        _add = database.PrepareHot(
            "INSERT INTO outbox(class, topic, payload, qos, retain, content_type, expiry, seq, model, created, sum, id) VALUES (?1, ?2, "
                + "?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
        _forget = database.Prepare("DELETE FROM outbox WHERE id <= $id RETURNING length(payload)", "$id");
        using SqliteCommand count = database.Prepare(
            "SELECT COUNT(*), COALESCE(SUM(length(payload)), 0), (SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'outbox') "
                + "FROM outbox");
        using SqliteDataReader row = count.ExecuteReader();
        row.Read();
        (_storedCount, _storedBytes, _storedUpTo) = (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2));
        LastId = _storedUpTo;
    }

    /// <summary>Number of waiting messages.</summary>
    internal long Count => _storedCount + _held.Count;

    /// <summary>Bytes of their payloads.</summary>
    internal long Bytes => _storedBytes + _heldBytes;

    /// <summary>The last assigned id, by this process or an earlier one.</summary>
    internal long LastId { get; private set; }

    /// <summary>The last id that went to the file.</summary>
    internal long StoredUpTo => _storedUpTo;

    /// <summary>Every message up to this id was acknowledged.</summary>
    internal long DeliveredUpTo { get; private set; }

    /// <summary>Now, as the messages' times count.</summary>
    internal long Seconds => _age.Seconds;

    /// <summary>Whether there are messages that are in memory and in the log alone.</summary>
    internal bool IsHolding => _held.Count > 0;

    /// <summary>Whether messages should go from memory to the file: there are many, or the first has waited this long.</summary>
    internal bool IsFlushDue(TimeSpan age) =>
        _held.Count > HeldMax || _heldBytes > HeldMaxBytes
            || (_held.TryPeek(out (MqttMessage, long Created) first) && _age.Seconds - first.Created >= (long)age.TotalSeconds);

    /// <summary>Whether the file has messages that were acknowledged.</summary>
    internal bool IsDeletionDue => _storedCount > 0 && DeliveredUpTo > _deletedUpTo;

    /// <summary>Assigns the ids of messages that go to the log next.</summary>
    internal void AssignIds(IReadOnlyList<MqttMessage> messages)
    {
        for (int i = 0; i < messages.Count; i++)
        {
            messages[i].Id = LastId + 1 + i;
        }
    }

    /// <summary>Takes messages that are in the log now.</summary>
    /// <param name="messages">The messages with their ids, which ascend.</param>
    /// <param name="created">When they were stored.</param>
    internal void Hold(IReadOnlyList<MqttMessage> messages, long created)
    {
        foreach (MqttMessage message in messages)
        {
            Debug.Assert(message.Id > LastId, $"Message {message.Id} is stored after message {LastId}.");
            LastId = message.Id;
            _held.Enqueue((message, created));
            _heldBytes += message.Payload.Length;
        }
    }

    /// <summary>Takes the messages of the log that neither went to the file nor were acknowledged, and how far delivery is.</summary>
    /// <param name="log">The records, oldest first.</param>
    internal void Recover(IEnumerable<LogRecord> log)
    {
        foreach (LogRecord record in log)
        {
            DeliveredUpTo = Math.Max(DeliveredUpTo, record.DeliveredUpTo);
            Hold([.. record.Messages.Where(message => message.Id > LastId)], record.Created);
        }

        LastId = Math.Max(LastId, DeliveredUpTo);
        Delivered(DeliveredUpTo);
    }

    /// <summary>Takes the messages in memory, and how far delivery is, from an outbox over a file that is gone.</summary>
    internal void TakeFrom(StoredOutbox gone)
    {
        DeliveredUpTo = gone.DeliveredUpTo;
        LastId = Math.Max(LastId, gone.LastId);
        foreach ((MqttMessage message, long created) in gone._held)
        {
            _held.Enqueue((message, created));
            _heldBytes += message.Payload.Length;
        }
    }

    /// <summary>
    /// Writes the messages in memory to the file, then these, which get their ids, and deletes delivered ones. Runs inside a transaction.
    /// </summary>
    /// <returns>What to run after the commit: the counts change only then.</returns>
    internal Action Write(IReadOnlyList<MqttMessage> messages)
    {
        (long count, long bytes) = (0, 0);
        foreach ((MqttMessage message, long created) in _held)
        {
            Insert(message, created);
            count++;
            bytes += message.Payload.Length;
        }

        AssignIds(messages);
        long now = _age.Seconds;
        foreach (MqttMessage message in messages)
        {
            Insert(message, now);
            count++;
            bytes += message.Payload.Length;
        }

        long lastId = LastId + messages.Count;
        Action deleted = DeleteDelivered();
        return () =>
        {
            _storedCount += count;
            _storedBytes += bytes;
            _storedUpTo = count > 0 ? lastId : _storedUpTo;
            LastId = lastId;
            _held.Clear();
            _heldBytes = 0;
            deleted();
        };
    }

    /// <summary>Deletes delivered messages from the file.</summary>
    /// <returns>What to run after the commit: the counts change only then.</returns>
    internal Action DeleteDelivered()
    {
        long upTo = DeliveredUpTo;
        (long count, long bytes) = upTo == _deletedUpTo ? (0, 0) : Delete(_forget, upTo);
        return () =>
        {
            _storedCount -= count;
            _storedBytes -= bytes;
            _deletedUpTo = upTo;
        };
    }

    /// <summary>Messages after an id that have not been delivered, oldest first.</summary>
    /// <returns>The messages, and the last id that was read: 0 if there is none.</returns>
    internal (List<MqttMessage> Messages, long LastId) Read(long afterId, int most)
    {
        using SqliteCommand command = _database.Prepare(
            "SELECT id, class, topic, payload, qos, retain, content_type, expiry, seq, model, created, sum FROM outbox WHERE id > $after "
                + "ORDER BY id LIMIT $most",
            "$after",
            "$most");
        command.Parameters[0].Value = Math.Max(afterId, DeliveredUpTo);
        command.Parameters[1].Value = most;
        using SqliteDataReader row = command.ExecuteReader();
        var messages = new List<MqttMessage>();
        long last = 0;
        while (row.Read())
        {
            last = row.GetInt64(0);
            if (ReadMessage(row) is { } message && SumOf(message, row.GetInt64(10)) == row.GetInt64(11))
            {
                messages.Add(message);
            }
            else if (_damagedLimit.Allows(out string more))
            {
                _log.LogError("State: message {Id} is damaged and is dropped{More}", last, more);
            }
        }

        foreach ((MqttMessage message, _) in _held)
        {
            if (messages.Count < most && message.Id > afterId && message.Id > last)
            {
                messages.Add(message);
                last = message.Id;
            }
        }

        return (messages, last);
    }

    /// <summary>For how long the oldest message has waited; zero if there is none.</summary>
    internal TimeSpan Age()
    {
        using SqliteCommand command = _database.Prepare("SELECT created FROM outbox WHERE id > $after ORDER BY id LIMIT 1", "$after");
        command.Parameters[0].Value = DeliveredUpTo;
        long? oldest = command.ExecuteScalar() as long? ?? (_held.TryPeek(out (MqttMessage, long Created) first) ? first.Created : null);
        return oldest is { } created && created < _age.Seconds
            ? TimeSpan.FromSeconds(_age.Seconds - created)
            : TimeSpan.Zero;
    }

    /// <summary>Marks every message up to this id as delivered, so that it can be deleted.</summary>
    internal void Delivered(long id)
    {
        Debug.Assert(id <= LastId, $"Message {id} is acknowledged, but the last stored one is {LastId}.");
        DeliveredUpTo = Math.Max(DeliveredUpTo, id);
        while (_held.TryPeek(out (MqttMessage Message, long) first) && first.Message.Id <= DeliveredUpTo)
        {
            _heldBytes -= _held.Dequeue().Message.Payload.Length;
        }
    }

    /// <summary>
    /// Evicts some of the oldest messages in the file, of the first class that has any, while more than this many bytes wait. It evicts a
    /// few at a time, so that the change itself needs little space.
    /// </summary>
    /// <param name="sizeMaxBytes">Bytes that may wait.</param>
    /// <param name="dropped">Counters of evicted messages, by class.</param>
    /// <returns>Whether a message was evicted. If none was, those of a class that is next may be in memory.</returns>
    internal bool EvictSome(long sizeMaxBytes, Span<long> dropped)
    {
        for (int messageClass = 0; messageClass < dropped.Length && Bytes > sizeMaxBytes; messageClass++)
        {
            long count = GiveUpOldest(messageClass, Bytes - sizeMaxBytes, long.MaxValue);
            if (count == 0 && _held.Any(each => (int)each.Message.Class == messageClass))
            {
                return false;
            }

            if (count > 0)
            {
                dropped[messageClass] += count;
                return true;
            }
        }

        return false;
    }

    /// <summary>Removes readings and forecasts older than <paramref name="ageMax"/>.</summary>
    /// <returns>How many.</returns>
    internal long Expire(TimeSpan ageMax)
    {
        long time = _age.Seconds - (long)ageMax.TotalSeconds;
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
    private long GiveUpOldest(int messageClass, long excess, long before)
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
                _noneUpTo[messageClass] = _storedUpTo;
            }

            while (isThere && bytes < excess && row.GetInt64(2) < before)
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
            _storedCount -= count;
            _storedBytes -= bytes;
        }

        return count;
    }

    private void Insert(MqttMessage message, long created)
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
        _add.Bind(11, SumOf(message, created));
        _add.Bind(12, message.Id);
        _add.Run();
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

    /// <summary>One sum over all of a stored message but its id.</summary>
    /// <param name="message">The message.</param>
    /// <param name="created">When it was stored, as the <see cref="AgeClock"/> counts.</param>
    internal static long SumOf(MqttMessage message, long created)
    {
        var sum = new Checksum();
        sum.Add((long)message.Class);
        sum.Add(message.Topic);
        sum.Add(message.Payload.Span);
        sum.Add(((long)message.QualityOfService << 1) | (message.Retain ? 1L : 0));
        sum.Add(message.ContentType);
        sum.Add(message.ExpirySeconds is { } expiry ? expiry : -1L);
        sum.Add(message.Seq);
        sum.Add(message.Model);
        sum.Add(created);
        return sum.Sum;
    }

    /// <summary>The message of a row; null if a value is of the wrong type or range, which only damage does.</summary>
    internal static MqttMessage? ReadMessage(SqliteDataReader row)
    {
        try
        {
            return new MqttMessage
            {
                Id = row.GetInt64(0),
                Class = row.GetInt64(1) is >= 0 and <= (long)MessageClass.Event and var kind ? (MessageClass)kind : (MessageClass)(-1),
                Topic = row.GetString(2),
                Payload = row.GetFieldValue<byte[]>(3),
                QualityOfService = (int)row.GetInt64(4),
                Retain = row.GetInt64(5) != 0,
                ContentType = row.IsDBNull(6) ? null : row.GetString(6),
                ExpirySeconds = row.IsDBNull(7) ? null : checked((uint)row.GetInt64(7)),
                Seq = row.IsDBNull(8) ? 0 : long.Parse(row.GetString(8), NumberStyles.None, CultureInfo.InvariantCulture),
                Model = row.IsDBNull(9) ? null : row.GetString(9),
            };
        }
        catch (Exception e) when (e is InvalidCastException or InvalidOperationException or FormatException or OverflowException)
        {
            return null;
        }
    }
}
