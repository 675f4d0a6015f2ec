using Edge.Runtime.Delivery;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>
/// A stream killed at random places and started again from its snapshot and the rows after it, beside one that was never killed.
/// EDGE_TEST_CASES=1000 is the long run.
/// </summary>
public sealed partial class RowReplayTests : IDisposable
{
    private static readonly int Cases = int.TryParse(Environment.GetEnvironmentVariable("EDGE_TEST_CASES"), out int cases) ? cases : 3;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Sensor faults, gaps, clock jumps, commands, another model, deliveries and kills, some of them in the middle of a write.
    [Fact]
    public async Task Killed_anywhere_the_state_is_that_of_an_unbroken_run_and_no_message_is_lost_or_comes_twice()
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            using var run = new Run(_folder.File($"case-{seed}"), seed);
            await run.ToEndAsync(actions: 250);
        }
    }

    [Fact]
    public async Task A_start_steps_a_row_again_only_if_it_came_after_the_snapshot()
    {
        using var run = new Run(_folder.File("long"), seed: 1);
        for (int i = 0; i < SnapshotSchedule.RowsMax + 7; i++)
        {
            await run.TickAsync();
        }

        SavedStream saved = run.Kill();
        Assert.InRange(saved.Rows.Count, 1, SnapshotSchedule.RowsMax);
        Assert.Equal(SnapshotSchedule.RowsMax + 7, saved.Stepped + saved.Rows.Count);
    }

    [Fact]
    public async Task Rows_after_a_refused_one_are_not_stepped_again_and_the_next_tick_stores_the_state()
    {
        using var run = new Run(_folder.File("refused"), seed: 2);
        await run.TickAsync();
        await run.TickRefusedAsync();
        Assert.True(run.NeedsSnapshot);
        await run.TickAsync();
        Assert.False(run.NeedsSnapshot);
        SavedStream saved = run.Kill();
        Assert.Equal((4, 4, 0), (saved.Seq, saved.Stepped, saved.Rows.Count));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    public async Task A_flipped_bit_in_a_row_ends_the_rows_that_are_stepped_and_uses_no_number_twice(int from)
    {
        using var run = new Run(_folder.File("flipped"), seed: 3);
        for (int i = 0; i < 20; i++)
        {
            await run.TickAsync();
        }

        SavedStream saved = run.Kill(log => log[(log.Length / 2) + from] ^= 0x10);
        Assert.InRange(saved.Stepped + saved.Rows.Count, 1, 19);
        Assert.True(saved.Seq > 10_000);
    }

    [Fact]
    public async Task A_log_that_is_gone_after_a_kill_uses_no_number_twice()
    {
        using var run = new Run(_folder.File("gone"), seed: 3);
        for (int i = 0; i < 20; i++)
        {
            await run.TickAsync();
        }

        SavedStream saved = run.Kill(isLogGone: true);
        Assert.Empty(saved.Rows);
        Assert.True(saved.Seq > 10_000);
    }

    [Fact]
    public async Task After_a_clean_end_there_is_no_log_and_nothing_to_step_again()
    {
        using var run = new Run(_folder.File("clean"), seed: 4);
        for (int i = 0; i < 20; i++)
        {
            await run.TickAsync();
        }

        SavedStream saved = await run.StopAsync();
        Assert.Equal((20, 20, 0), (saved.Seq, saved.Stepped, saved.Rows.Count));
        Assert.Empty(RowLog.Files(run.Folder));
    }
}
