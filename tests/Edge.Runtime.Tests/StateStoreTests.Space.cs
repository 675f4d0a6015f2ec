using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>A disk that is full when the service starts.</summary>
public sealed partial class StateStoreTests
{
    private readonly ListLog _log = new();

    [SmallDiskFact]
    public async Task On_a_full_disk_a_start_takes_the_space_of_the_reserve()
    {
        using var disk = new SmallDisk(24);
        string reserve = await RunAsync(disk);
        disk.Fill();
        using (StateStore store = OpenFull(disk))
        {
            Assert.False(File.Exists(reserve));
            Assert.Contains("the disk is full. The outbox is limited to 64 kB", Logged, StringComparison.Ordinal);
            Assert.Equal(41, store.Load("s")!.Seq);
            Assert.True(store.Append("s", Row(42), [Message(MessageClass.Event, "m42")]));
        }

        using StateStore again = OpenFull(disk);
        Assert.Equal(42, again.Load("s")!.Seq);
        Assert.Equal(["m41", "m42"], again.Read(0, 10).Messages.Select(Text));
    }

    // Others took that space, too. Not even the index of the write-ahead log has room.
    [SmallDiskFact]
    public async Task On_a_disk_without_any_space_a_start_continues_from_what_is_stored_and_uses_no_number_twice()
    {
        using var disk = new SmallDisk(24);
        File.Delete(await RunAsync(disk));
        string filler = disk.Fill();
        using (StateStore store = OpenFull(disk, "boot-2"))
        {
            Assert.Contains("cannot be used: the disk is full. The streams continue in memory", Logged, StringComparison.Ordinal);
            SavedStream saved = store.Load("s")!;
            Assert.Equal([41], saved.Snapshot);
            Assert.Equal(41, saved.Stepped);
            Assert.InRange(saved.Seq, 10_000, 20_000);
            Assert.Equal(["m41"], store.Read(0, 10).Messages.Select(Text));
            Assert.False(store.Append("s", Row(saved.Seq + 1), [Message(MessageClass.Event, "lost")]));
            Assert.True(store.IsBroken);
        }

        // A power cut before there was space: the numbers of that start are not used again.
        using (StateStore store = OpenFull(disk, "boot-3"))
        {
            Assert.InRange(store.Load("s")!.Seq, 20_000, 30_000);
        }

        File.Delete(filler);
        using (StateStore store = OpenFull(disk, "boot-4"))
        {
            Assert.False(store.IsBroken);
            Assert.InRange(store.Load("s")!.Seq, 30_000, 40_000);
            Assert.Equal([41], store.Load("s")!.Snapshot);
        }
    }

    [SmallDiskFact]
    public async Task A_store_that_began_on_a_full_disk_is_written_once_there_is_space()
    {
        using var disk = new SmallDisk(24);
        File.Delete(await RunAsync(disk));
        string filler = disk.Fill();
        long seq;
        using (StateStore store = OpenFull(disk))
        {
            seq = store.Load("s")!.Seq;
            Assert.False(store.Append("s", Row(seq + 1), []));
            store.Delivered(store.Read(0, 10).LastId);
            File.Delete(filler);
            File.WriteAllBytes(filler, new byte[20 << 20]);
            await UpkeepAsync(() => store.Append("s", Row(seq + 2), [Message(MessageClass.Event, "m")]));
            Assert.Contains("is written again", Logged, StringComparison.Ordinal);

            // Its rows in memory are missing in the log: what is stored does not lead to the next one.
            Assert.True(store.NeedsSnapshot("s"));
            Assert.True(store.Commit("s", seq + 2, [43], "source", []));
            File.Delete(filler);
            await UpkeepAsync(() => File.Exists(Path.Combine(disk.Path, "edge.reserve")));
            Assert.DoesNotContain("fsync failed", Logged, StringComparison.Ordinal);
            Assert.DoesNotContain("is gone", Logged, StringComparison.Ordinal);
        }

        using StateStore again = OpenFull(disk);
        Assert.Equal((seq + 2, 43), (again.Load("s")!.Seq, Assert.Single(again.Load("s")!.Snapshot)));
        Assert.Equal(["m"], again.Read(0, 10).Messages.Select(Text));
    }

    // A stream that is new at a start without any space, and one whose disk fills while it runs.
    [SmallDiskFact]
    public async Task Numbers_of_ticks_that_a_full_disk_refused_are_not_used_again()
    {
        using var disk = new SmallDisk(24);
        File.Delete(await RunAsync(disk));
        string filler = disk.Fill();
        using (StateStore store = OpenFull(disk))
        {
            Assert.Null(store.Load("new"));
            Assert.False(store.Append("new", Row(1), []));
            Assert.False(store.Append("new", Row(2), []));
        }

        File.Delete(filler);
        using (StateStore store = OpenFull(disk))
        {
            Assert.InRange(store.Load("new")!.Seq, 2, 20_002);
            Assert.True(store.Commit("late", 1, [1], "source", []));
            filler = disk.Fill();
            long seq = 2;
            while (store.Append("late", Row(seq), [Message(MessageClass.Event, new string('m', 50_000))]))
            {
                seq++;
            }
        }

        File.Delete(filler);
        using (StateStore store = OpenFull(disk))
        {
            Assert.InRange(store.Load("late")!.Seq, 10_000, 20_001);
            Assert.True(store.Commit("late", 20_002, [2], "source", []));
        }
    }

    [SmallDiskFact]
    public void Without_any_state_a_full_disk_is_one_sentence()
    {
        using var disk = new SmallDisk(24);
        disk.Fill();
        Assert.Equal(
            $"State folder '{disk.Path}' cannot be used: the disk is full. Make room there.",
            Assert.Throws<Edge.Inference.InputException>(() => OpenFull(disk)).Message);
    }

    private string Logged => string.Join('\n', _log.Lines.Select(line => line.Text));

    // A stream, stopped after tick 41 with one message that waits. The reserve is there.
    private async Task<string> RunAsync(SmallDisk disk)
    {
        string reserve = Path.Combine(disk.Path, "edge.reserve");
        using (StateStore store = OpenFull(disk))
        {
            Assert.True(store.Append("s", Row(41), []));
            Assert.True(store.Commit("s", 41, [41], "source", [Message(MessageClass.Event, "m41")]));
            await UpkeepAsync(() => File.Exists(reserve));
        }

        return reserve;
    }

    private Task UpkeepAsync(Func<bool> isDone) => Eventually.Async(() =>
    {
        _clock.Advance(Every5Seconds);
        return isDone();
    });

    private StateStore OpenFull(SmallDisk disk, string bootId = "boot") => StateStore.Open(
        disk.Path, Every5Seconds, TimeSpan.FromDays(7), _clock, bootId, _log, startsIfFull: true);
}
