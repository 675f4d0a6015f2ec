using Edge.Runtime.Delivery;

namespace Edge.Runtime.Tests;

/// <summary>The files of the row log: their space, and what a kill leaves of them.</summary>
public sealed partial class StateStoreTests
{
    // The kernel writes page by page: a kill ends a write behind one of them. There are zeros, or the file ends.
    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(3, false)]
    public void A_kill_in_a_write_skips_no_number_and_a_log_cut_short_elsewhere_does(int cutBefore, bool zerosFollow)
    {
        long last = 1;
        using (StateStore store = Open())
        {
            store.Commit("s", 1, [1], "", []);
            do
            {
                Assert.True(store.Append("s", Row(++last), []));
            }
            while (WrittenBytes(RowLog.Files(_folder.File("state"))[^1].Path) < 3 * Environment.SystemPageSize);

            CopyFiles();
        }

        string log = RowLog.Files(_folder.File("copy"))[^1].Path;
        byte[] bytes = File.ReadAllBytes(log);
        int cut = (2 * Environment.SystemPageSize) - cutBefore;
        bytes.AsSpan(cut).Clear();
        File.WriteAllBytes(log, zerosFollow ? bytes : bytes[..cut]);
        long whole = RowLog.Read(1, File.ReadAllBytes(log), withMessages: false, out _)[^1].Record.Rows.LastSeq;
        Assert.InRange(whole, 2, last - 1);

        // Again, as a start mends what it finds.
        for (int start = 0; start < 2; start++)
        {
            using StateStore again = Open(folder: "copy");
            Assert.Equal(cutBefore == 0 ? whole : 20_001, again.Load("s")!.Seq);
        }
    }

    // To flush a file that has grown writes the file system's journal, too.
    [Fact]
    public void Rows_do_not_change_the_length_of_the_log()
    {
        using StateStore store = Open();
        store.Commit("s", 1, [1], "", []);
        for (long seq = 2; seq <= 100; seq++)
        {
            Assert.True(store.Append("s", Row(seq), []));
            store.Force();
            Assert.Equal(RowLog.FileBytes, new FileInfo(RowLog.Files(_folder.File("state"))[^1].Path).Length);
        }
    }

    // The file has its space before its first bytes are written.
    [Theory]
    [InlineData(null)]
    [InlineData(0)]
    [InlineData(RowLog.FileBytes)]
    public void A_kill_before_the_first_row_is_written_skips_no_number(int? zeros)
    {
        using (StateStore store = Open())
        {
            store.Commit("s", 1, [1], "", []);

            // A folder stands where the file of the log is to be: what is done before there is a file is done.
            string first = Path.Combine(_folder.File("state"), "edge.rows-00000001");
            byte[] numbers = File.ReadAllBytes(_folder.File("state/edge.numbers"));
            Directory.CreateDirectory(first);
            Assert.False(store.Append("s", Row(2), []));
            Directory.Delete(first);
            CopyFiles();

            // A kill there notes no refusal.
            File.WriteAllBytes(_folder.File("copy/edge.numbers"), numbers);
        }

        if (zeros is { } length)
        {
            File.WriteAllBytes(_folder.File("copy/edge.rows-00000001"), new byte[length]);
        }

        using StateStore again = Open(folder: "copy");
        Assert.Equal(1, again.Load("s")!.Seq);
    }

    // Without the zeros behind the records.
    private static int WrittenBytes(string log) => File.ReadAllBytes(log).AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
}
