using Edge.Runtime.Delivery;
using Edge.Testing;
using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Tests;

/// <summary><c>history.db</c> as others see it while the service makes it.</summary>
public sealed class HistoryFileTests : IDisposable
{
    private static readonly DateTime Start = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // The page asks for rows when the service is up again, and this is when the rows of before go into a new file.
    [Fact]
    public async Task A_reader_finds_no_file_or_a_whole_one()
    {
        for (int round = 0; round < 20; round++)
        {
            string folder = Directory.CreateDirectory(_folder.File($"state{round}")).FullName;
            var history = new History(folder);
            using var done = new CancellationTokenSource();
            Task<int> reading = Task.Run(() =>
            {
                int reads = 0;
                for (; !done.IsCancellationRequested || reads == 0; reads++)
                {
                    Assert.Empty(history.Streams());
                    Assert.Empty(history.Events("s", Start, Start.AddDays(1)));
                    Assert.Empty(history.Labels("s", Start, Start.AddDays(1)));
                }

                return reads;
            });
            HistoryTables.Open(HistoryFile.PathIn(folder)).Dispose();
            await done.CancelAsync();
            Assert.InRange(await reading, 1, int.MaxValue);
        }
    }

    [Fact]
    public void What_a_power_cut_left_of_a_new_file_is_not_in_the_way()
    {
        string path = HistoryFile.PathIn(_folder.Path);
        foreach (string left in new[] { ".partial", ".partial-journal", "-wal", "-shm" })
        {
            _folder.Write("history.db" + left, "what is this");
        }

        using (SqliteConnection file = HistoryTables.Open(path))
        {
            Assert.Equal("ok", Assert.Single(HistoryTables.Texts(file, "PRAGMA integrity_check")));
            Assert.Equal("wal", Assert.Single(HistoryTables.Texts(file, "PRAGMA journal_mode")));
            Assert.Equal(2, HistoryTables.Number(file, "PRAGMA auto_vacuum"));
        }

        Assert.Equal([path], Directory.GetFiles(_folder.Path));
    }
}
