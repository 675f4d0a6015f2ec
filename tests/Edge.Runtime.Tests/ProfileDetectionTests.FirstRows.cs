using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>Models of several recordings that differ in their levels: what is normal for the next one, its own first rows say.</summary>
public sealed partial class ProfileDetectionTests
{
    private const int RecordingRows = 1000;

    [Fact]
    public void Where_recordings_differ_in_level_a_stream_learns_its_own_relations()
    {
        const int Fault = 1500;
        (ModelManifest manifest, double[][] live) = OfRecordings(3000);
        Assert.Empty(Run(manifest, live[..Fault]));

        // Well within the range of the channel: only beside the others it is wrong.
        List<Event> events = Run(manifest, live, (row, reading) => reading.Values[2] += row >= Fault ? 0.5 : 0);
        Assert.InRange(events[0].Opened, Fault, Fault + 100);
        Assert.Equal(AnomalyCause.Correlation, events[0].Cause);
        Assert.Contains("c2", events[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Restarts_before_and_after_the_first_rows_change_nothing()
    {
        (ModelManifest manifest, double[][] live) = OfRecordings(1000);
        int events = AssertRestartsChangeNothing(
            manifest, live, [1, 37, 400, 401], (row, reading) => reading.Values[1] += row is >= 600 and < 700 ? 20 : 0);
        Assert.InRange(events, 2, 10);
    }

    [Fact]
    public void A_state_of_another_time_of_the_first_rows_is_taken_over_whole_or_not_at_all()
    {
        (ModelManifest manifest, double[][] live) = OfRecordings(1000);
        using SensorStream stream = Stream(manifest);
        byte[] early = StateAfter(live[..200]);
        byte[] late = StateAfter(live[200..]);
        Assert.NotEqual(early.Length, late.Length);
        foreach ((byte[] from, byte[] to) in new[] { (early, late), (late, early) })
        {
            Assert.True(stream.Resume(7, from));
            Assert.False(stream.Resume(7, to.AsSpan(0, to.Length - 1)));
            Assert.True(from.AsSpan().SequenceEqual(stream.Save()));
            Assert.True(stream.Resume(7, to));
            Assert.True(to.AsSpan().SequenceEqual(stream.Save()));
        }

        byte[] StateAfter(double[][] rows)
        {
            var reading = new Reading(manifest.Columns.Count);
            foreach (double[] row in rows)
            {
                row.CopyTo(reading.Values, 0);
                stream.Step(reading);
            }

            return stream.Save();
        }
    }

    [Fact]
    public void The_state_for_eight_channels_is_larger_only_until_the_first_rows_are_learned()
    {
        (ModelManifest manifest, double[][] live) = OfRecordings(1000, channels: 8);
        var detector = new AnomalyDetector(manifest, new AnomalyOptions(), TimeSpan.FromMinutes(1));
        long before = BytesAfter(live[..300]);
        long after = BytesAfter(live[300..]);
        output.WriteLine($"{before} bytes, then {after}");
        Assert.InRange(before, 1000, 4 * 4096);
        Assert.InRange(after, 1000, 5632);

        long BytesAfter(double[][] rows)
        {
            var reading = new Reading(8);
            foreach (double[] row in rows)
            {
                row.CopyTo(reading.Values, 0);
                detector.Observe(new float[8], reading, isUsable: true);
            }

            using var bytes = new MemoryStream();
            var to = StreamSnapshot.Write(bytes);
            detector.Archive(to);
            detector.ArchiveEnds(to);
            detector.ArchiveLater(to);
            return bytes.Length;
        }
    }

    // Before version 21, the first rows of such a stream said what its levels are, and nothing else.
    [Fact]
    public void A_stream_that_has_measured_its_levels_before_keeps_them()
    {
        (ModelManifest manifest, double[][] live) = OfRecordings(1000);
        var detector = new AnomalyDetector(manifest, new AnomalyOptions(), TimeSpan.FromMinutes(1));
        detector.SetParts(DetectorParts.WarmUp);
        var reading = new Reading(manifest.Columns.Count);
        for (int row = 0; row < live.Length; row++)
        {
            live[row].CopyTo(reading.Values, 0);
            reading.Values[0] += row >= 900 ? 40 : 0;
            detector.Observe(new float[manifest.Outputs.Count], reading, isUsable: true);
        }

        Assert.Equal(DetectorParts.WarmUp | DetectorParts.OwnLevels | DetectorParts.Anomaly, detector.Parts);
    }

    // Channels that follow a load alike in each recording, each at other levels.
    private static (ModelManifest Manifest, double[][] Live) OfRecordings(int live, int channels = 4)
    {
        double[][] levels = [[0, 0, 0, 0], [60, -20, 90, 50], [20, 70, -40, 10], [40, 30, 30, -60], [-30, 40, 50, 20]];
        double[] gains = [1, 2, -1, 1.5];
        var random = new Random(12);
        double load = 0;
        double[][] rows = [.. Enumerable.Range(0, (4 * RecordingRows) + live).Select(Row)];
        double[][] calm = rows[..(4 * RecordingRows)];
        DateTime[] times = [.. calm.Select((_, row) => Begin.AddDays(-40 + (9 * (row / RecordingRows))).AddMinutes(row))];
        return (Manifest(calm, times, periodSeconds: 60), rows[calm.Length..]);

        double[] Row(int row)
        {
            load = (0.9 * load) + random.NextDouble() - 0.5;
            double[] ofRecording = levels[Math.Min(4, row / RecordingRows)];
            return
            [
                .. Enumerable.Range(0, channels).Select(channel =>
                    ofRecording[channel % 4] + (gains[channel % 4] * load) + (0.2 * random.NextDouble())),
            ];
        }
    }
}
