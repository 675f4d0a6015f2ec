using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>The profile in a model file and the state of a detector: small, read in every version, and never a crash.</summary>
public sealed partial class ProfileDetectionTests
{
    [Fact]
    public void The_state_for_eight_channels_is_at_most_4_kB_while_nothing_is_wrong()
    {
        double[][] second = CalmPlant.Rows("load", CalmRows + Before, seed: 9);
        double[][] rows = [.. CalmPlant.Rows("load", CalmRows + Before, seed: 8).Select((row, at) => row.Concat(second[at]).ToArray())];
        var detector = new AnomalyDetector(Manifest(rows[..CalmRows]), new AnomalyOptions(), TimeSpan.FromMinutes(1));
        var reading = new Reading(8);
        Assert.InRange(BytesAfter(1000, shift: 0), 1000, 4096);
        Assert.InRange(BytesAfter(100, shift: 100), 4097, 5120);
        Assert.True(detector.IsOpen);

        long BytesAfter(int count, double shift)
        {
            foreach (double[] row in rows[CalmRows..(CalmRows + count)])
            {
                row.CopyTo(reading.Values, 0);
                reading.Values[2] += shift;
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

    [Fact]
    public void A_stream_goes_on_from_a_state_of_any_length_and_what_does_not_fit_leaves_it_as_it_is()
    {
        (ModelManifest manifest, double[][] live) = Plant("load", Before, seed: 8);
        using var stream = Stream(manifest);
        byte[] early = StateAfter(30, shift: 0);
        byte[] calm = StateAfter(1000, shift: 0);
        byte[] open = StateAfter(100, shift: 100);
        Assert.Equal(3, new[] { early, calm, open }.DistinctBy(state => state.Length).Count());
        foreach (byte[] from in new[] { early, calm, open })
        {
            foreach (byte[] to in new[] { early, calm, open })
            {
                Assert.True(stream.Resume(7, from));
                Assert.False(stream.Resume(7, to.AsSpan(0, to.Length - 1)));
                Assert.True(from.AsSpan().SequenceEqual(stream.Save()));
            }
        }

        byte[] StateAfter(int count, double shift)
        {
            var reading = new Reading(manifest.Columns.Count);
            foreach (double[] row in live[..count])
            {
                row.CopyTo(reading.Values, 0);
                reading.Values[2] += shift;
                stream.Step(reading);
            }

            return stream.Save();
        }
    }

    [Fact]
    public void Restarts_amid_faults_change_nothing()
    {
        (ModelManifest manifest, double[][] live) = Plant("load", 6000, seed: 8);
        var random = new Random(10);
        double[] noise = [.. live.Select(_ => 10 * random.NextDouble())];
        int events = AssertRestartsChangeNothing(manifest, live, [37, 101], (row, reading) =>
        {
            reading.Values[0] += row is >= 1200 and < 1300 ? 30 : 0;
            reading.Values[1] = row is >= 2000 and < 2200 ? live[2000][1] : reading.Values[1];
            reading.Values[2] += row is >= 3000 and < 3200 ? noise[row] : row is >= 4000 and < 4600 ? (row - 4000) / 50.0 : 0;
            reading.Quality[3] = row is >= 5000 and < 5100 ? Quality.Missing : Quality.Good;
        });
        Assert.True(events >= 8);
    }

    // Returns the number of events.
    private static int AssertRestartsChangeNothing(
        ModelManifest manifest, double[][] rows, int[] restartsEvery, Action<int, Reading> edit)
    {
        (List<string> events, byte[] state) = RunWith(every: int.MaxValue);
        foreach (int every in restartsEvery)
        {
            (List<string> sameEvents, byte[] sameState) = RunWith(every);
            Assert.Equal(events, sameEvents);
            Assert.Equal(state, sameState);
        }

        return events.Count;

        (List<string> Events, byte[] State) RunWith(int every)
        {
            SensorStream stream = Stream(manifest);
            var reading = new Reading(manifest.Columns.Count);
            var all = new List<string>();
            for (int row = 0; row < rows.Length; row++)
            {
                rows[row].CopyTo(reading.Values, 0);
                reading.Time = TimeOf(row);
                edit(row, reading);
                if (stream.Step(reading).Anomaly is { } anomaly)
                {
                    all.Add($"{row} {anomaly.Change} {anomaly.Cause} {anomaly.Score:R} {anomaly.Message}");
                }

                if (row % every == every - 1)
                {
                    byte[] saved = stream.Save();
                    stream.Dispose();
                    stream = Stream(manifest);
                    Assert.True(stream.Resume(row + 1, saved));
                }
            }

            using (stream)
            {
                return (all, stream.Save());
            }
        }
    }

    // Versions 11 and 12 had no noise, and did not say for how many rows channels have been back; version 10 not for how long small
    // anomalies are held back; version 9 not how many ticks were missed, and which patterns are new.
    [Fact]
    public void A_state_of_the_versions_before_is_read()
    {
        (ModelManifest manifest, double[][] live) = Plant("load", 400, seed: 8);
        using SensorStream stream = Stream(manifest);
        var reading = new Reading(manifest.Columns.Count);
        for (int row = 0; row < 160; row++)
        {
            Step(row, row < 150 ? 0 : 100);
        }

        byte[] now = stream.Save();
        byte[][] before = [stream.SaveAs(11), stream.SaveAs(10), stream.SaveAs(9)];
        Assert.Equal(now, stream.Save());
        foreach (byte[] state in before)
        {
            Assert.True(stream.Resume(160, state));
            Assert.Equal(state[1..], stream.SaveAs(state[0])[1..]);
            Assert.False(stream.Resume(160, [8, .. state[1..]]));
            Assert.False(stream.Resume(160, [now[0], .. state[1..]]));
        }

        AnomalyEvent? last = null;
        for (int row = 160; row < live.Length && last?.Change != AnomalyChange.Closed; row++)
        {
            last = Step(row, 0) ?? last;
        }

        Assert.Equal(AnomalyChange.Closed, last?.Change);

        AnomalyEvent? Step(int row, double shift)
        {
            live[row].CopyTo(reading.Values, 0);
            reading.Values[2] += shift;
            return stream.Step(reading).Anomaly;
        }
    }

    [Fact]
    public void A_stream_that_replaces_another_says_that_its_open_anomaly_has_ended()
    {
        (ModelManifest manifest, double[][] live) = Plant("load", 300, seed: 8);
        (ModelManifest other, _) = Plant("load", 300, seed: 9);
        var reading = new Reading(manifest.Columns.Count);
        SensorStream stream = Stream(manifest);
        AnomalyEvent? opened = null;
        for (int row = 0; row < 200 || opened is null; row++)
        {
            live[row].CopyTo(reading.Values, 0);
            reading.Values[1] += row >= 150 ? 100 * manifest.Std[1] : 0;
            opened ??= stream.Step(reading).Anomaly;
        }

        using SensorStream next = stream.WithEngine(new PersistenceEngine(other));
        AnomalyEvent closed = next.Step(reading).Anomaly!;
        Assert.Equal((opened.Id, AnomalyChange.Closed), (closed.Id, closed.Change));
        Assert.Equal("Ended unfinished: the stream was reset, or has another model, and its detector begins again.", closed.Message);
        Assert.Null(next.Step(reading).Anomaly);
    }

    [Theory]
    [InlineData("load")]
    [InlineData("states")]
    public void A_damaged_profile_is_a_sentence_and_never_a_crash(string kind)
    {
        (ModelManifest manifest, double[][] live) = Plant(kind, 300, seed: 3);
        byte[] profile = manifest.NormalProfile.ToArray();
        var random = new Random(1);
        for (int round = 0; round < 500; round++)
        {
            byte[] damaged = [.. profile[..(round % 5 == 0 ? random.Next(1, profile.Length) : profile.Length)]];
            for (int flip = 0; flip < random.Next(1, 20); flip++)
            {
                damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            }

            try
            {
                Run(manifest.WithNormalProfile(damaged), live);
            }
            catch (ModelFormatException e)
            {
                Assert.Contains("normal_profile", e.Message, StringComparison.Ordinal);
            }
        }
    }

    // The sixth version did not know how often channels switch; the fifth had no states and no operating levels, of which there are none
    // here. The third had no end of each chart. The first had three more numbers instead, no byte that says what of the time it follows,
    // and no jumps before the patterns.
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void A_profile_of_a_version_before_still_counts(byte version)
    {
        const int Calendar = 11;
        const int Header = Calendar + 1 + (4 * sizeof(float));
        const int Charts = 6;
        const int ChartBytes = 5 * sizeof(float);
        const int Levels = Header + sizeof(float) + sizeof(int);
        const int ChartsBegin = Levels + 2;
        const int ChartsEnd = ChartsBegin + (Charts * ChartBytes);
        const int NoiseEnd = ChartsEnd + (2 * sizeof(float)) + ChartBytes;
        (ModelManifest manifest, double[][] live) = Plant("daily", Before + 500, seed: 21, hasTimes: false);
        byte[] profile = manifest.NormalProfile.ToArray();
        byte[][] charts = [.. profile[ChartsBegin..ChartsEnd].Chunk(ChartBytes)];
        byte[] before = version == 1
            ? [1, .. profile[1..Calendar], .. profile[(Calendar + 1)..Header],
                .. charts.SelectMany(chart => (byte[])[.. chart[..8], .. new byte[12], .. chart[12..16]]),
                .. profile[(NoiseEnd + (TailHistogram.Bins * sizeof(ushort)))..]]
            : version == 6 ? [6, .. profile[1..]]
            : version == 5 ? [5, .. profile[1..Levels], .. profile[ChartsBegin..]]
            : [version, .. profile[1..Header], .. charts.SelectMany(chart => version == 3 ? chart[..16] : chart), .. profile[NoiseEnd..]];
        List<Event> events = Run(
            manifest.WithNormalProfile(before),
            live,
            (row, reading) => reading.Values[0] += row >= Before ? 4 * manifest.Std[0] : 0);
        Event only = Assert.Single(events);
        Assert.InRange(only.Opened, Before, Before + 10);

        // The pattern is known before long; the level stays wrong.
        Assert.Equal(int.MaxValue, only.Closed);
    }

    [Fact]
    public void Too_few_rows_make_no_profile()
    {
        Assert.Empty(NormalProfileLearner.Learn(new float[NormalProfileLearner.RowsMin - 1], 1));
        Assert.Empty(NormalProfileLearner.Learn(new float[NormalProfileLearner.RowsMin * 300], 300));
    }
}
