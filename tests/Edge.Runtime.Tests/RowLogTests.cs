using Edge.Runtime.Delivery;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>The files of the log: the space that is reserved behind the records, and what a reader makes of it.</summary>
public sealed class RowLogTests : IDisposable
{
    private const int Sector = 512;
    private const int Rows = 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // A file that grows costs the journal of the file system at each fsync.
    [Fact]
    public void A_tick_that_is_flushed_to_disk_does_not_make_the_file_grow()
    {
        using StateStore store = Open();
        Assert.True(store.Append("s", Row(1), []));
        (uint number, string path) = Assert.Single(RowLog.Files(_folder.Path));
        long length = new FileInfo(path).Length;
        for (int seq = 2; seq <= Rows; seq++)
        {
            Assert.True(store.Append("s", Row(seq), []));
        }

        Assert.Equal(length, new FileInfo(path).Length);
        Assert.Equal(Rows, RowLog.Read(number, File.ReadAllBytes(path), withMessages: false, out int? damagedAt).Count);
        Assert.Null(damagedAt);
    }

    // A power cut may leave a later sector and not an earlier one.
    [Fact]
    public void Zeros_behind_the_last_record_are_its_end_and_zeros_before_a_record_are_damage()
    {
        string path;
        using (StateStore store = Open())
        {
            for (int seq = 1; seq <= Rows; seq++)
            {
                Assert.True(store.Append("s", Row(seq), []));
            }

            path = Assert.Single(RowLog.Files(_folder.Path)).Path;
            byte[] whole = File.ReadAllBytes(path);

            // Each record begins a sector, the first one behind the first bytes of the file.
            Assert.Equal(Rows, (Array.FindLastIndex(whole, each => each != 0) / Sector) + 1);
            byte[] hole = [.. whole];
            hole.AsSpan(5 * Sector, Sector).Clear();
            Assert.Equal((Rows - 1, 5), Read(hole));
            byte[] shorter = [.. whole];
            shorter.AsSpan(5 * Sector).Clear();
            Assert.Equal((5, null), Read(shorter));
            Assert.Equal((5, null), Read(shorter[..(5 * Sector)]));
            shorter[^1] = 1;
            Assert.Equal((5, 5), Read(shorter));
        }

        static (int Count, int? DamagedAt) Read(byte[] bytes)
        {
            int count = RowLog.Read(1, bytes, withMessages: false, out int? damagedAt).Count;
            return (count, damagedAt);
        }
    }

    private static CommittedRows Row(long seq)
    {
        var rows = new TickRows(["x"]);
        var reading = new Reading(1) { Time = DateTime.UnixEpoch.AddSeconds(seq) };
        reading.Values[0] = seq;
        rows.Add(reading);
        rows.Complete(seq, 0);
        return rows.ToCommitted();
    }

    private StateStore Open() => StateStore.Open(
        _folder.Path, TimeSpan.Zero, TimeSpan.FromDays(7), TimeProvider.System, "boot", NullLogger.Instance);
}
