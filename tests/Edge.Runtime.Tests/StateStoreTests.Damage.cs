using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>The file damaged, cut short, deleted.</summary>
public sealed partial class StateStoreTests
{
    [Fact]
    public void A_file_that_is_no_database_is_kept_aside_and_a_fresh_one_begun()
    {
        byte[] bytes = Written();
        bytes.AsSpan(0, 3000).Fill(0xA5);
        File.WriteAllBytes(_folder.File("state/edge.db"), bytes);
        using StateStore fresh = Open();

        // The state is lost; the numbers go on behind those that may have been used.
        Assert.Equal((200 + 9_801L, 0), (fresh.Load("s")!.Seq, fresh.Load("s")!.Snapshot.Length));
        Assert.True(fresh.Commit("s", 10_002, [1], "", []));
        Assert.Single(
            Directory.GetFiles(_folder.File("state"), "edge.db.damaged-*"),
            path => !path.EndsWith("-wal", StringComparison.Ordinal) && !path.EndsWith("-shm", StringComparison.Ordinal));
    }

    [Fact]
    public void Whatever_is_damaged_nothing_wrong_is_believed_and_ticks_go_on()
    {
        byte[] bytes = Written();
        var random = new Random(11);
        for (int i = 0; i < 60; i++)
        {
            byte[] damaged = [.. bytes];
            for (int times = random.Next(1, 40); times > 0; times--)
            {
                damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            }

            File.WriteAllBytes(_folder.File("state/edge.db"), damaged);
            using StateStore store = Open();
            if (store.Load("s") is { Snapshot.Length: > 0 } saved)
            {
                Assert.Equal(Snapshot, saved.Snapshot);
            }

            Assert.All(store.Read(0, 1000).Messages, message => Assert.Matches("^[0-9]{1,3} x{300}$", Text(message)));
            store.Commit("s", 1000, [1], "", [Message(MessageClass.Event, "new")]);
        }
    }

    [Fact]
    public void A_truncated_file_is_kept_aside_and_a_fresh_one_begun()
    {
        byte[] bytes = Written();
        foreach (int length in new[] { 1, 99, 4096, 9000, bytes.Length - 4096 })
        {
            File.WriteAllBytes(_folder.File("state/edge.db"), bytes[..length]);
            using StateStore fresh = Open();
            Assert.True(fresh.Commit("s", 1, [1], "", []));
        }
    }

    [Fact]
    public void Damage_that_a_check_finds_while_ticks_go_on_begins_a_fresh_file_and_loses_no_tick_after_it()
    {
        using (StateStore before = Open())
        {
            for (int i = 0; i < 2000; i++)
            {
                before.Commit("s", i + 1, new byte[100], "source", [Message(MessageClass.Event, $"{i:0000}")]);
            }
        }

        // This process has handed out no id of its own yet.
        using (StateStore store = Open())
        {
            store.Check();
            Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(store.Path)!, "*.damaged-*"));
            long lastId = store.Read(0, 5000).LastId;
            using (FileStream file = File.Open(store.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            {
                file.Position = 3 * 4096;
                file.Write(Enumerable.Repeat((byte)0xa5, 20 * 4096).ToArray());
            }

            store.Check();
            Assert.NotEmpty(Directory.GetFiles(Path.GetDirectoryName(store.Path)!, "*.damaged-*"));
            MqttMessage after = Message(MessageClass.Event, "after");
            Assert.True(store.Commit("s", 2001, [7], "source", [after]));

            // What is in memory tells messages apart by their ids: none may come twice.
            Assert.Equal(lastId + 1, after.Id);
            Assert.False(store.IsBroken);
        }

        using StateStore again = Open();
        Assert.Equal(2001, again.Load("s")!.Seq);
        Assert.Equal([7], again.Load("s")!.Snapshot);
        Assert.Equal(["after"], again.Read(0, 10).Messages.Select(Text));
    }

    [Fact]
    public void A_file_cut_short_under_a_running_service_is_replaced_at_the_latest_when_it_is_read()
    {
        using StateStore store = Open();
        for (int i = 0; i < 2000; i++)
        {
            store.Commit("s", i + 1, new byte[100], "source", [Message(MessageClass.Event, new string('x', 1000))]);
        }

        store.Force();
        using (FileStream file = File.Open(store.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(8192);
        }

        store.Check();
        Assert.True(store.Commit("s", 2001, [7], "source", [Message(MessageClass.Event, "after")]));
        Assert.Equal(["after"], store.Read(0, 10).Messages.Select(Text));
    }

    [Fact]
    public void A_file_deleted_under_a_running_service_is_created_again()
    {
        using (StateStore store = Open())
        {
            store.Commit("s", 1, [1], "", [Message(MessageClass.Event, "lost")]);
            long lastId = store.Read(0, 10).LastId;
            foreach (string file in Directory.GetFiles(Path.GetDirectoryName(store.Path)!, "edge.db*"))
            {
                File.Delete(file);
            }

            store.LookForFile();
            MqttMessage after = Message(MessageClass.Event, "after");
            Assert.True(store.Commit("s", 2, [2], "", [after]));
            Assert.Equal(lastId + 1, after.Id);
            store.LookForFile();
            store.Force();
        }

        using StateStore again = Open();
        Assert.Equal((2L, (byte)2), (again.Load("s")!.Seq, Assert.Single(again.Load("s")!.Snapshot)));
        Assert.Equal(["after"], again.Read(0, 10).Messages.Select(Text));
    }

    [Fact]
    public void A_file_that_is_gone_is_not_made_by_who_only_looks_after_it()
    {
        using StateStore store = Open();
        store.Commit("s", 1, [1], "", []);
        Directory.Move(Path.GetDirectoryName(store.Path)!, _folder.File("elsewhere"));
        Assert.Throws<Microsoft.Data.Sqlite.SqliteException>(store.Force);
        Assert.False(Directory.Exists(_folder.File("state")));
    }

    // One bit of each field of a waiting message: c becomes #, a number another one.
    [Theory]
    [InlineData("topic = 'edge/d/s/fore#ast'")]
    [InlineData("class = 0")]
    [InlineData("class = 77")]
    [InlineData("qos = 3")]
    [InlineData("retain = 0")]
    [InlineData("seq = '9'")]
    [InlineData("model = 'abd'")]
    [InlineData("expiry = -1")]
    [InlineData("payload = x'31'")]
    [InlineData("payload = 'text'")]
    [InlineData("created = created + 1")]
    public void A_flipped_bit_in_a_message_costs_that_message_and_no_other(string change)
    {
        using (StateStore store = Open())
        {
            MqttMessage[] tick = [Message(MessageClass.Event, "a"), Message(MessageClass.Event, "b"), Message(MessageClass.Event, "c")];
            store.Commit("s", 1, [1], "", tick);
        }

        Change($"UPDATE outbox SET {change} WHERE id = 2");
        using StateStore again = Open();
        Assert.Equal(["a", "c"], again.Read(0, 10).Messages.Select(Text));
        Assert.Equal(1, again.Load("s")!.Seq);
    }

    [Theory]
    [InlineData("seq = seq | (1 << 63)")]
    [InlineData("seq = 3")]
    [InlineData("source = 'other'")]
    [InlineData("snapshot = x'08'")]
    [InlineData("sum = 0")]
    public void A_flipped_bit_in_the_row_of_a_stream_costs_its_state_and_no_number_is_used_twice(string change)
    {
        using (StateStore store = Open())
        {
            store.Commit("s", 7, [7], "source", []);
        }

        Change($"UPDATE stream SET {change} WHERE name = 's'");
        using StateStore again = Open();
        SavedStream saved = again.Load("s")!;
        Assert.Equal((10_007, 0), (saved.Seq, saved.Snapshot.Length));
        Assert.True(again.Commit("s", saved.Seq + 1, [8], "source", []));
        Assert.Equal([8], again.Load("s")!.Snapshot);
    }

    // What a full disk leaves of pages on their way from the write-ahead log to the file: its header knows of more than there are.
    [Fact]
    public void A_file_whose_pages_are_still_in_the_write_ahead_log_is_not_cut_short()
    {
        using StateStore store = Open();
        store.Commit("s", 1, [1], "", [Message(MessageClass.Event, "kept")]);
        using (FileStream file = File.Open(store.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.Position = 28;
            file.Write([0, 0, 1, 0]);
        }

        store.LookForFile();
        Assert.Empty(Directory.GetFiles(_folder.File("state"), "*.damaged-*"));
        Assert.Equal(["kept"], store.Read(0, 10).Messages.Select(Text));
    }

    [Theory]
    [InlineData("swapped")]
    [InlineData("log deleted")]
    [InlineData("cut short")]
    public void A_file_that_is_changed_under_a_running_service_is_noticed_and_ticks_go_on(string what)
    {
        using (StateStore store = Open(folder: "other"))
        {
            store.Commit("s", 3, [3], "", [Message(MessageClass.Event, "of another time")]);
        }

        using (StateStore store = Open())
        {
            for (int i = 1; i < 200; i++)
            {
                store.Commit("s", i, Snapshot, "", [Message(MessageClass.Event, $"{i}")]);
            }

            store.Force();
            store.LookForFile();
            Assert.Empty(Directory.GetFiles(_folder.File("state"), "*-2*"));
            long lastId = store.Read(0, 1000).LastId;
            switch (what)
            {
                case "swapped":
                    File.Move(_folder.File("other/edge.db"), store.Path, overwrite: true);
                    break;
                case "log deleted":
                    File.Delete(store.Path + "-wal");
                    break;
                default:
                    using (FileStream file = File.Open(store.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
                    {
                        file.SetLength(8192);
                    }

                    break;
            }

            store.LookForFile();
            MqttMessage after = Message(MessageClass.Event, "after");
            Assert.True(store.Commit("s", 200, [2], "", [after]));
            Assert.Equal(lastId + 1, after.Id);
            Assert.NotEmpty(Directory.GetFiles(_folder.File("state"), "edge.db.*-2*"));
        }

        using StateStore again = Open();
        Assert.Equal(200, again.Load("s")!.Seq);
        Assert.Equal(["after"], again.Read(0, 10).Messages.Select(Text));
    }

    // The clock of a board without a battery begins in 1970 and is then set; or it is set forward by mistake.
    [Fact]
    public void A_clock_that_is_set_expires_nothing_and_time_that_has_passed_does()
    {
        var clock = new SetClock(_clock);
        StateStore OpenSet() => StateStore.Open(
            _folder.File("state"), Every5Seconds, TimeSpan.FromDays(7), clock, "boot", NullLogger.Instance);

        using (StateStore store = OpenSet())
        {
            store.Commit("s", 1, [], "", [Message(MessageClass.Reading, "r")]);
            clock.Off = TimeSpan.FromDays(20_000);
            store.Expire();
            Assert.Equal(1, store.OutboxCount);
            Assert.Equal(TimeSpan.Zero, store.OutboxAge());
            _clock.Advance(TimeSpan.FromDays(4));
        }

        // Between two processes of one boot time goes on.
        clock.Off = TimeSpan.FromDays(-3);
        _clock.Advance(TimeSpan.FromDays(2));
        using StateStore again = OpenSet();
        Assert.Equal(TimeSpan.FromDays(6), again.OutboxAge());
        again.Expire();
        Assert.Equal(1, again.OutboxCount);
        _clock.Advance(TimeSpan.FromDays(2));
        again.Expire();
        Assert.Equal(0, again.OutboxCount);
    }

    // What a kill leaves: the files as they are. The reserve gets its name in the background and may have it meanwhile.
    private void CopyFiles()
    {
        Directory.CreateDirectory(_folder.File("copy"));
        foreach (string name in Directory.GetFiles(_folder.File("state")).Select(path => Path.GetFileName(path)))
        {
            if (name is not ("edge.lock" or "edge.db-shm" or "edge.reserve.partial"))
            {
                File.Copy(_folder.File($"state/{name}"), _folder.File($"copy/{name}"));
            }
        }
    }

    private static CommittedRows Row(long seq)
    {
        var rows = new TickRows(["x"]);
        rows.Add(new Reading(1) { Time = DateTime.UnixEpoch.AddSeconds(seq) });
        rows.Complete(seq, 0);
        return rows.ToCommitted();
    }

    private void Change(string sql)
    {
        using var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={_folder.File("state/edge.db")};Pooling=False");
        connection.Open();
        using Microsoft.Data.Sqlite.SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        Assert.Equal(1, command.ExecuteNonQuery());
    }

    /// <summary>A clock whose wall time is off.</summary>
    private sealed class SetClock(TimeProvider inner) : TimeProvider
    {
        internal TimeSpan Off { get; set; }

        public override long TimestampFrequency => inner.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => inner.GetUtcNow() + Off;

        public override long GetTimestamp() => inner.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            inner.CreateTimer(callback, state, dueTime, period);
    }

    // The file of a store that was closed well.
    private byte[] Written()
    {
        using (StateStore store = Open())
        {
            for (int i = 0; i < 200; i++)
            {
                store.Commit("s", i + 1, Snapshot, "", [Message(MessageClass.Event, $"{i} {new string('x', 300)}")]);
            }
        }

        return File.ReadAllBytes(_folder.File("state/edge.db"));
    }
}
