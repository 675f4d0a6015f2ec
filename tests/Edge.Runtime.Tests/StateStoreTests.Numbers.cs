using Edge.Runtime.Delivery;

namespace Edge.Runtime.Tests;

/// <summary>Files that are gone or older: no number is used twice.</summary>
public sealed partial class StateStoreTests
{
    [Fact]
    public void If_the_reserved_number_is_damaged_too_the_other_file_has_it()
    {
        using (StateStore store = Open())
        {
            store.Commit("s", 7, [7], "source", []);
        }

        Change("UPDATE stream SET seq = 3, reserved = 4");
        using StateStore again = Open();
        Assert.Equal(10_007, again.Load("s")!.Seq);
    }

    [Theory]
    [InlineData("deleted")]
    [InlineData("older")]
    public void A_file_that_was_deleted_or_replaced_by_an_older_copy_uses_no_number_twice(string what)
    {
        using (StateStore store = Open())
        {
            store.Commit("s", 7, [7], "source", []);
        }

        File.Copy(_folder.File("state/edge.db"), _folder.File("older.db"));
        using (StateStore store = Open())
        {
            store.Commit("s", 10_500, [8], "source", []);
        }

        File.Delete(_folder.File("state/edge.db"));
        if (what == "older")
        {
            File.Move(_folder.File("older.db"), _folder.File("state/edge.db"));
        }

        using StateStore again = Open();
        Assert.Equal(20_500, again.Load("s")!.Seq);
    }

    [Fact]
    public void A_write_ahead_log_that_is_gone_after_a_kill_uses_no_number_twice()
    {
        CopyOfRunning(seq: 41, bootId: "boot-1");
        File.Delete(_folder.File("copy/edge.db-wal"));
        File.Copy(_folder.File("state/edge.numbers"), _folder.File("copy/edge.numbers"));
        using StateStore again = Open("boot-1", "copy");
        Assert.True(again.Load("s")!.Seq > 41);
    }

    [Fact]
    public void A_kill_after_the_write_ahead_log_was_copied_to_the_file_skips_no_number()
    {
        using (StateStore store = Open())
        {
            store.Commit("s", 1, [1], "", []);
            using var other = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={store.Path};Pooling=False");
            other.Open();
            using Microsoft.Data.Sqlite.SqliteCommand command = other.CreateCommand();
            command.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
            command.ExecuteNonQuery();
            Assert.Equal(0, new FileInfo(store.Path + "-wal").Length);
            CopyFiles();
        }

        using StateStore again = Open(folder: "copy");
        Assert.Equal(1, again.Load("s")!.Seq);
    }
}
