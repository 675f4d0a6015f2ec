using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
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
        Assert.Null(fresh.Load("s"));
        Assert.True(fresh.Commit("s", 1, [1], "", []));
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
