using System.Globalization;
using Edge.Inference.Models;
using Edge.Streams.Forecasting;

namespace Edge.Streams.Detection;

/// <summary>Turns the detector's decisions into events with an id, a start time, a cause and one sentence.</summary>
internal sealed class AnomalyReporter(string stream, ModelManifest manifest, AnomalyDetector detector)
{
    private const double CriticalScore = 3;

    // An anomaly began when the score last rose past this, but not before what its largest score looks back to.
    private const double OnsetScore = 0.7;

    // Smaller shares do not help to find the cause.
    private const double ShareMin = 0.05;

    private readonly double[] _expected = new double[manifest.Columns.Count];
    private long _openedAt;
    private DateTime _onset;
    private DateTime _started;
    private AnomalyCause _cause;

    // The open anomaly of the stream that this one has replaced, until its end is said.
    private AnomalyEvent? _left;

    /// <summary>Anomalies so far.</summary>
    internal long Opened { get; set; }

    internal void Archive(StreamSnapshot snapshot)
    {
        Opened = snapshot.Field(Opened);
        _openedAt = snapshot.Field(_openedAt);
        _onset = snapshot.Field(_onset);
        _started = snapshot.Field(_started);
        _cause = (AnomalyCause)snapshot.Field((byte)_cause);
        snapshot.Fields<double>(_expected);
    }

    /// <summary>Says at the next tick that the open anomaly of another stream has ended, as its detector has.</summary>
    internal void TakeOver(AnomalyReporter before) => _left = before.Left();

    /// <summary>Copies the forecasts of this tick before the model steps.</summary>
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
        bool isRaised = detector.Score >= OnsetScore;
        _onset = !isRaised ? default : _onset == default ? reading.Time : _onset;
        if (change == AnomalyChange.None)
        {
            AnomalyEvent? left = _left;
            _left = null;
            return left;
        }

        if (change == AnomalyChange.Opened)
        {
            Opened++;
            _openedAt = seq;
            DateTime onset = reading.Time - _onset > detector.LooksBack ? reading.Time - detector.LooksBack : _onset;
            _started = detector.SensorFailedAt is { } failed && failed < onset ? failed : onset;
            _cause = detector.Cause;
        }

        bool isOver = change is AnomalyChange.Closed or AnomalyChange.Accepted or AnomalyChange.Silenced or AnomalyChange.Replaced;
        _onset = isOver ? default : _onset;
        AnomalyChannel[] channels = Channels(reading, isOver ? detector.SharesSinceOpened() : detector.Shares());
        double score = isOver ? detector.PeakScore : detector.Score;
        return new AnomalyEvent(
            $"{stream}-{_openedAt}",
            change,
            isOver ? _cause : detector.Cause,
            _started,
            score,
            score >= CriticalScore ? "critical" : "warning",
            Sentence(reading, change, channels),
            channels);
    }

    private AnomalyEvent? Left() => !detector.IsOpen ? _left : new AnomalyEvent(
        $"{stream}-{_openedAt}",
        AnomalyChange.Closed,
        _cause,
        _started,
        detector.PeakScore,
        detector.PeakScore >= CriticalScore ? "critical" : "warning",
        "Ended unfinished: the stream was reset, or has another model, and its detector begins again.",
        []);

    private AnomalyChannel[] Channels(Reading reading, double[] shares)
    {
        var channels = new List<AnomalyChannel>();
        for (int column = 0; column < manifest.Columns.Count; column++)
        {
            double actual = reading.Quality[column].IsMeasured() ? reading.Values[column] : double.NaN;
            double expected = detector.Expected(column);
            channels.Add(new AnomalyChannel(column, actual, double.IsNaN(expected) ? _expected[column] : expected, shares[column]));
        }

        channels.Sort((a, b) => b.Share.CompareTo(a.Share));
        return [.. channels.Where((channel, at) => at == 0 || channel.Share >= ShareMin)];
    }

    private string Sentence(Reading reading, AnomalyChange change, AnomalyChannel[] channels)
    {
        // A clock that was set back does not tell how long it was.
        TimeSpan time = reading.Time - _started;
        string? lasted = time >= TimeSpan.Zero ? TimeInWords.Of(time) : null;
        switch (change)
        {
            case AnomalyChange.Closed:
                return lasted is null ? "Back to normal." : $"Back to normal after {lasted}.";
            case AnomalyChange.Silenced:
                return lasted is null ? "Silenced on request." : $"Silenced on request after {lasted}.";
            case AnomalyChange.Replaced:
                return $"{manifest.Columns[detector.LargestChannel]} fails, too, and is farther off: its own anomaly follows.";
            case AnomalyChange.Accepted:
                return lasted is null
                    ? "What it shows is taken for normal from now on."
                    : $"What began {lasted} ago is taken for normal from now on.";
        }

        AnomalyChannel first = channels[0];
        string name = manifest.Columns[first.Column];
        string unit = manifest.Units[first.Column].Length > 0 ? " " + manifest.Units[first.Column] : "";
        string isNow = string.Create(CultureInfo.InvariantCulture, $"{name} is {first.Actual:G4}{unit}");
        string expected = string.Create(CultureInfo.InvariantCulture, $"{first.Expected:G4}{unit}");
        string side = first.Actual > first.Expected ? "higher" : "lower";
        if (AverageSentence(first, unit, isNow) is { } sentence)
        {
            return sentence;
        }

        return detector.Cause switch
        {
            AnomalyCause.Sensor when detector.Sensors.IsStuck(first.Column) =>
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name} has been {first.Actual:G4}{unit} for {detector.Sensors.Ticks(first.Column)} readings: "
                        + $"the sensor may be stuck."),
            AnomalyCause.Sensor =>
                string.Create(CultureInfo.InvariantCulture, $"{name} has given no value for {detector.Sensors.Ticks(first.Column)} ticks."),
            AnomalyCause.Level => $"{isNow}, {side} {Usual}: about {expected} was expected.",
            AnomalyCause.Correlation => $"{isNow}, {side} {Usual}: {expected} was expected.",
            AnomalyCause.Noise => NoiseSentence(first.Column, isNow),
            AnomalyCause.Pattern => $"{isNow}, and has not behaved like this before.",
            _ => $"{isNow}, {side} than forecast: {expected} was expected.",
        };
    }

    private string NoiseSentence(int column, string isNow)
    {
        (double switched, int over) = detector.SwitchesOf(column);
        if (over > 0)
        {
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{manifest.Columns[column]} switches about {switched:0.0} times as often as usual, over the last {over} readings.");
        }

        (double times, int rows) = detector.NoiseOf(column);
        return string.Create(
            CultureInfo.InvariantCulture, $"{isNow}, and is about {times:0.0} times as noisy as usual, over the last {rows} readings.");
    }

    private string Usual => detector.Cause == AnomalyCause.Level ? "than usual"
        : detector.FollowsTimeAlone ? "than usual at this time"
        : "than the other channels suggest";

    // For what this reading alone does not show: null if it does.
    private string? AverageSentence(AnomalyChannel channel, string unit, string isNow)
    {
        bool isSurprise = detector.Cause == AnomalyCause.Residual;
        (double off, int ticks) = detector.Average(channel.Column);
        double now = channel.Actual - channel.Expected;
        bool isAlike = isSurprise || now > 0 == off > 0;
        if (ticks == 0 || double.IsNaN(now) || (isAlike && Math.Abs(now) >= Math.Abs(off) / 2))
        {
            return null;
        }

        string side = off > 0 ? "higher" : "lower";
        return isSurprise
            ? $"{isNow}, and was far from its forecast within the last readings."
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{isNow}, and has been {Math.Abs(off):G3}{unit} {side} {Usual}, on average over {ticks} readings.");
    }
}
