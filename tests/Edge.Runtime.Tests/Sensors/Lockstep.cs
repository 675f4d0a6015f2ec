using Edge.Sensors.Polling;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>
/// Moves a clock to the next row only when no bus thread has anything left to do at the present instant. Threads and devices are real and
/// take the time they take; what the rows say does not depend on it.
/// </summary>
internal sealed class Lockstep(ManualClock clock, Buses buses, TimeSpan period)
{
    // A row waits that long for devices that do not answer: see ChannelsSensor.
    private static readonly TimeSpan PatienceMax = TimeSpan.FromSeconds(2);

    private readonly TimeSpan _patience = period / 2 < PatienceMax ? period / 2 : PatienceMax;

    /// <summary>Whether a device of the bus of that name hangs now, as the test has it.</summary>
    internal Func<string, bool> Hangs { get; set; } = _ => false;

    /// <summary>Lets time pass until the row is there: to its tick, and where a device hangs, to the end of the row's patience.</summary>
    internal async Task TickAsync(Func<bool> isThere)
    {
        while (true)
        {
            TimeSpan now = clock.Elapsed;
            TimeSpan tick = now - TimeSpan.FromTicks(now.Ticks % period.Ticks) + period;
            TimeSpan late = now + _patience;
            await Eventually.Async(
                () => isThere() || (IsSettled && (clock.IsAwaited(tick) || IsLate(late))),
                "the row comes, or waits for its tick or for a device that hangs");
            if (isThere())
            {
                break;
            }

            clock.Advance((IsLate(late) ? late : tick) - now);
        }

        // A device that fails is not waited for by the row; but its reading belongs to this tick.
        await SettleAsync();
    }

    /// <summary>Waits until every device has been read that is due.</summary>
    internal Task SettleAsync() => Eventually.Async(() => IsSettled, "the bus threads have nothing left to do");

    private bool IsSettled =>
        buses.All.All(bus => Hangs(bus.Name) ? bus.LeftBehind == 0 || bus.Busy == 0 : bus is { Busy: 0, LeftBehind: 0 });

    private bool IsLate(TimeSpan instant) => buses.All.Any(bus => Hangs(bus.Name)) && clock.IsAwaited(instant);
}
