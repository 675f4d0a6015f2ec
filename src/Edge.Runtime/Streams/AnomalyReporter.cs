using System.Globalization;
using Edge.Inference.Models;
using Edge.Runtime.Detection;
using Edge.Runtime.Sensors;

namespace Edge.Runtime.Streams;

/// <summary>Turns what the detector decides into events with an id, a start, a reason and one sentence.</summary>
internal sealed class AnomalyReporter(string stream, ModelManifest manifest, ResidualDetector detector, int minDurationTicks)
{
    private const double CriticalTimesThreshold = 3;

    // Shares below this do not help anyone find the cause.
    private const double ShareMin = 0.05;

    private readonly DateTime[] _recent = new DateTime[minDurationTicks];
    private readonly double[] _expected = new double[manifest.Columns.Count];
    private long _openedAt;
    private DateTime _started;

    internal long Opened { get; private set; }

    internal void Save(BinaryWriter to)
    {
        to.Write(Opened);
        to.Write(_openedAt);
        to.Write(_started.Ticks);
        foreach (DateTime time in _recent)
        {
            to.Write(time.Ticks);
        }

        foreach (double expected in _expected)
        {
            to.Write(expected);
        }
    }

    internal void Load(BinaryReader from)
    {
        Opened = from.ReadInt64();
        _openedAt = from.ReadInt64();
        _started = new DateTime(from.ReadInt64(), DateTimeKind.Utc);
        for (int i = 0; i < _recent.Length; i++)
        {
            _recent[i] = new DateTime(from.ReadInt64(), DateTimeKind.Utc);
        }

        for (int i = 0; i < _expected.Length; i++)
        {
            _expected[i] = from.ReadDouble();
        }
    }

    /// <summary>Notes what is expected next, before the model steps on.</summary>
    internal void Expect(Forecaster forecaster)
    {
        foreach (int output in detector.Outputs)
        {
            _expected[manifest.Outputs[output].Column] = forecaster.Value(output);
        }
    }

    /// <summary>The event of this tick, or null.</summary>
    internal AnomalyEvent? Report(long seq, Reading reading, AnomalyChange change)
    {
        _recent[seq % minDurationTicks] = reading.Time;
        if (change == AnomalyChange.None)
        {
            return null;
        }

        if (change == AnomalyChange.Opened)
        {
            Opened++;
            _openedAt = seq;

            // It began with the first of the abnormal ticks, not with the one that settled it.
            _started = _recent[(seq + 1) % minDurationTicks];
        }

        AnomalyChannel[] channels = Channels(reading);
        double score = change == AnomalyChange.Closed ? detector.PeakScore : detector.Score;
        string severity = score >= CriticalTimesThreshold * detector.Threshold ? "critical" : "warning";
        return new AnomalyEvent($"{stream}-{_openedAt}", change, _started, score, detector.Threshold, severity, Sentence(reading, change, channels), channels);
    }

    // A channel without a value this tick has nothing to show beside what was expected.
    private AnomalyChannel[] Channels(Reading reading)
    {
        var channels = new List<AnomalyChannel>();
        for (int i = 0; i < detector.Outputs.Length; i++)
        {
            int column = manifest.Outputs[detector.Outputs[i]].Column;
            if (reading.Quality[column].IsMeasured())
            {
                channels.Add(new AnomalyChannel(column, _expected[column], detector.Share(i)));
            }
        }

        channels.Sort((a, b) => b.Share.CompareTo(a.Share));
        return [.. channels.Where((channel, at) => at == 0 || channel.Share >= ShareMin)];
    }

    private string Sentence(Reading reading, AnomalyChange change, AnomalyChannel[] channels)
    {
        if (change == AnomalyChange.Closed)
        {
            return string.Create(CultureInfo.InvariantCulture, $"Back to normal after {(reading.Time - _started).TotalSeconds:0.#} s.");
        }

        AnomalyChannel first = channels[0];
        string unit = manifest.Units[first.Column].Length > 0 ? " " + manifest.Units[first.Column] : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{manifest.Columns[first.Column]} is {reading.Values[first.Column]:G4}{unit}, {first.Expected:G4}{unit} was expected.");
    }
}
