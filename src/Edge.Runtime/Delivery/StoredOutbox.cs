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
    private readonly AgeClock _age;
    private readonly ILogger _log;
    private readonly LogLimit _damagedLimit;
    private readonly Statement _add;
    private readonly SqliteCommand _forget;
    // By class, the id up to which no message waits, so that a search for the oldest need not read the others.
    private readonly long[] _noneUpTo = new long[3];
    private long _committedUpTo;
    private long _deliveredUpTo;
    private long _deletedUpTo;

    /// <param name="database">The file.</param>
    /// <param name="afterId">Ids continue after this one.</param>
    /// <param name="age">Time for which messages wait.</param>
    /// <param name="clock">Time between two lines of the log.</param>
    /// <param name="log">Damaged messages.</param>
    internal StoredOutbox(Database database, long afterId, AgeClock age, TimeProvider clock, ILogger log)
    {
        _database = database;
        _age = age;
        _log = log;
        _damagedLimit = new LogLimit(clock, burst: 3);
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
        long now = _age.Seconds;
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
            "SELECT id, class, topic, payload, qos, retain, content_type, expiry, seq, model, created, sum FROM outbox WHERE id > $after "
                + "ORDER BY id LIMIT $most",
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
            if (ReadMessage(row) is { } message && SumOf(message, row.GetInt64(10)) == row.GetInt64(11))
            {
                messages.Add(message);
            }
            else if (_damagedLimit.Allows(out string more))
            {
                _log.LogError("State: message {Id} is damaged and is dropped{More}", last, more);
            }
        }

        return (messages, last);
    }

    /// <summary>For how long the oldest message has waited; zero if there is none.</summary>
    internal TimeSpan Age()
    {
        using SqliteCommand command = _database.Prepare("SELECT created FROM outbox WHERE id > $after ORDER BY id LIMIT 1", "$after");
        command.Parameters[0].Value = _deliveredUpTo;
        return command.ExecuteScalar() is long created && created < _age.Seconds
            ? TimeSpan.FromSeconds(_age.Seconds - created)
            : TimeSpan.Zero;
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
            long count = GiveUpOldest(messageClass, Bytes - sizeMaxBytes, long.MaxValue);
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
                _noneUpTo[messageClass] = _committedUpTo;
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
        _add.Bind(11, SumOf(message, created));
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
