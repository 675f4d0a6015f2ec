using Edge.Inference;
using Edge.Runtime.Delivery;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>A stream that faults is opened again alone, and who has something to do to it finds it between two ticks.</summary>
public sealed class StreamHostTests
{
    [Fact]
    public async Task A_live_stream_that_faults_goes_on_from_its_last_tick()
    {
        var clock = new FakeTimeProvider();
        using var rig = new HostRig(clock, isLive: true, failAt: [40, 90]);
        await rig.RunAsync(clock, until: () => rig.Host.Stream.Seq >= 150);
        Assert.Equal(2, rig.Host.Restarts);
        Assert.Equal(0, rig.Resets);

        // Every number once, no tick lost but that of the fault.
        Assert.Equal(Enumerable.Range(1, rig.Seqs.Count).Select(seq => (long)seq), rig.Seqs);
    }

    [Fact]
    public async Task After_three_faults_without_a_tick_it_is_reset()
    {
        var clock = new FakeTimeProvider();
        using var rig = new HostRig(clock, isLive: true, failAt: [40, 40, 40, 40]);
        await rig.RunAsync(clock, until: () => rig.Host.Stream.Seq >= 60);
        Assert.Equal(4, rig.Host.Restarts);
        Assert.Equal(1, rig.Resets);
        Assert.Equal(Enumerable.Range(1, rig.Seqs.Count).Select(seq => (long)seq), rig.Seqs);
    }

    // The tick has a number by then, but it was not completed.
    [Fact]
    public async Task After_three_faults_in_the_same_tick_it_is_reset()
    {
        var clock = new FakeTimeProvider();
        using var rig = new HostRig(clock, isLive: true, failAt: [], 40, 40, 40, 40);
        await rig.RunAsync(clock, until: () => rig.Host.Stream.Seq >= 60);
        Assert.Equal(4, rig.Host.Restarts);
        Assert.Equal(1, rig.Resets);
        Assert.Equal(Enumerable.Range(1, rig.Seqs.Count).Select(seq => (long)seq), rig.Seqs);
    }

    [Fact]
    public async Task A_bug_in_a_recorded_stream_is_not_tried_again()
    {
        using var rig = new HostRig(new FakeTimeProvider(), isLive: false, failAt: [40]);
        await Assert.ThrowsAsync<InvalidOperationException>(() => rig.Host.RunAsync(CancellationToken.None));
        Assert.Equal(0, rig.Host.Restarts);
    }

    [Fact]
    public async Task An_event_that_comes_from_no_tick_is_stored_with_the_next_one()
    {
        var clock = new FakeTimeProvider();
        using var rig = new HostRig(clock, isLive: true, failAt: []);
        var shown = new List<HistoryEvent>();
        rig.Host.Noted += shown.Add;
        var noted = new HistoryEvent(0, new DateTime(2026, 1, 1), "m", HistoryEventKind.Model, "learning", double.NaN, "Learns.")
        {
            Channel = "",
            Severity = "note",
        };
        rig.Host.Note(noted);
        await rig.RunAsync(clock, until: () => rig.Host.Stream.Seq >= 3);
        Assert.Equal(noted with { Time = DateTime.SpecifyKind(noted.Time, DateTimeKind.Utc) }, Assert.Single(rig.Events));
        Assert.Equal([noted], shown);
    }

    [Fact]
    public async Task What_is_done_between_ticks_costs_none()
    {
        var clock = new FakeTimeProvider();
        using var rig = new HostRig(clock, isLive: true, failAt: []);
        Task<bool> running = Task.Run(() => rig.Host.RunAsync(rig.Stop.Token));
        for (int i = 0; i < 50; i++)
        {
            long seq = await rig.Host.Control.BetweenTicksAsync(stream => stream.Seq).WaitAsync(Eventually.Bound);
            Assert.InRange(seq, 0, long.MaxValue);
        }

        long before = await rig.Host.Control.ResetAsync().WaitAsync(Eventually.Bound);
        await Eventually.Async(() => rig.Host.Stream.Seq > before + 20);
        await rig.Stop.CancelAsync();
        Assert.True(await running);
        Assert.Equal(Enumerable.Range(1, rig.Seqs.Count).Select(seq => (long)seq), rig.Seqs);
        Assert.Throws<InputException>(() => { _ = rig.Host.Control.BetweenTicksAsync(stream => stream.Seq); });
    }
}
