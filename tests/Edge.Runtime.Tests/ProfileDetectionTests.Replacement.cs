using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>What happens while an anomaly is open, or a score is high without one.</summary>
public sealed partial class ProfileDetectionTests
{
    [Fact]
    public void A_channel_that_fails_while_another_one_is_off_has_its_own_anomaly()
    {
        const int Second = Before + 500;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Plant("load", Second + 400, seed + 70);
            List<Event> events = Run(
                manifest,
                live,
                (row, reading) =>
                {
                    reading.Values[1] += 0.8 * manifest.Std[1] * Math.Clamp((row - Before) / 200.0, 0, 1);
                    reading.Values[2] += row >= Second ? 8 * manifest.Std[2] : 0;
                });
            output.WriteLine($"{seed}: {string.Join("; ", events.Select(each => $"{each.Opened} to {each.Closed}, {each.Message}"))}");
            Event first = events.Last(each => each.Opened < Second);
            Event second = events.First(each => each.Opened >= Second);
            Assert.Equal((AnomalyChange.Replaced, 2), (first.Closing, second.Channel));
            Assert.InRange(second.Opened, Second, Second + 10);
            Assert.Equal(first.Closed + 1, second.Opened);
        }
    }

    [Fact]
    public void A_fault_that_goes_on_is_one_anomaly_however_much_it_grows()
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Plant("load", Before + 900, seed + 80);
            List<Event> events = Run(
                manifest, live, (row, reading) => reading.Values[1] += row >= Before ? (row - Before) * 0.01 * manifest.Std[1] : 0);
            Assert.Single(events, each => each.Opened >= Before);
        }
    }

    [Fact]
    public void Restarts_between_two_faults_change_nothing()
    {
        const int Second = Before + 500;
        (ModelManifest manifest, double[][] live) = Plant("load", Second + 400, seed: 71);
        (List<AnomalyChange> changes, byte[] state) = RunWith(restartsEvery: int.MaxValue);
        Assert.Contains(AnomalyChange.Replaced, changes);
        (List<AnomalyChange> sameChanges, byte[] sameState) = RunWith(restartsEvery: 1);
        Assert.Equal(changes, sameChanges);
        Assert.Equal(state, sameState);

        (List<AnomalyChange> Changes, byte[] State) RunWith(int restartsEvery)
        {
            SensorStream stream = Stream(manifest);
            var all = new List<AnomalyChange>();
            for (int row = 0; row < live.Length; row++)
            {
                var reading = new Reading(manifest.Columns.Count) { Time = TimeOf(row) };
                live[row].CopyTo(reading.Values, 0);
                reading.Values[1] += 0.8 * manifest.Std[1] * Math.Clamp((row - Before) / 200.0, 0, 1);
                reading.Values[2] += row >= Second ? 8 * manifest.Std[2] : 0;
                if (stream.Step(reading).Anomaly is { } anomaly)
                {
                    all.Add(anomaly.Change);
                }

                if (row >= Second - 5 && row % restartsEvery == restartsEvery - 1)
                {
                    byte[] saved = stream.Save();
                    stream.Dispose();
                    stream = Stream(manifest);
                    Assert.True(stream.Resume(row + 1, saved));
                }
            }

            byte[] last = stream.Save();
            stream.Dispose();
            return (all, last);
        }
    }

    // A score that was high for hours, while anomalies were silenced, says nothing about a jump of now.
    [Fact]
    public void An_anomaly_did_not_begin_before_what_its_score_looks_back_to()
    {
        const int Jump = Before + 600;
        (ModelManifest manifest, double[][] live) = Plant("load", Jump + 50, seed: 90);
        using SensorStream stream = Stream(manifest);
        var reading = new Reading(manifest.Columns.Count);
        AnomalyEvent? opened = null;
        for (int row = 0; row < live.Length && opened is null; row++)
        {
            if (row == Before)
            {
                stream.Silence(TimeSpan.FromMinutes(Jump - Before));
            }

            live[row].CopyTo(reading.Values, 0);
            reading.Time = TimeOf(row);
            reading.Values[1] += row >= Before ? manifest.Std[1] : 0;
            reading.Values[2] += row >= Jump ? 40 * manifest.Std[2] : 0;
            opened = stream.Step(reading).Anomaly;
        }

        Assert.NotNull(opened);
        Assert.InRange(opened.Started, TimeOf(Jump - 80), TimeOf(Jump + 20));
    }
}
