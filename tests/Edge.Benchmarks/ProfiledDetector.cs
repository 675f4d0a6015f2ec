using Edge.Inference.Models;
using Edge.Runtime.Tests;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Benchmarks;

/// <summary>
/// The detector with a profile of calm rows. The forecast is that nothing changes, so that the profile is what counts.
/// </summary>
internal sealed class ProfiledDetector
{
    private const double SecondsADay = 86400;

    private readonly ModelManifest _manifest;

    /// <param name="columns">Names of the channels.</param>
    /// <param name="periodSeconds">Time from row to row.</param>
    /// <param name="calm">Rows without a fault: [rows][columns].</param>
    /// <param name="hasTimes">Whether the times of the calm rows are known.</param>
    internal ProfiledDetector(string[] columns, double periodSeconds, double[][] calm, bool hasTimes = true)
    {
        double[] mean = [.. columns.Select((_, channel) => calm.Average(row => row[channel]))];
        var manifest = new ModelManifest
        {
            Name = "calm",
            Columns = columns,
            Units = [.. columns.Select(_ => "")],
            PeriodSeconds = periodSeconds,
            Mean = mean,
            Std = [.. columns.Select((_, channel) => Deviation(channel))],
            Outputs = [.. columns.Select((_, channel) => new ModelOutput(channel, 1))],
        };
        _manifest = Profiled(manifest, calm, hasTimes ? TimesOf(-calm.Length, calm.Length, periodSeconds) : []);

        // 1 where a channel does not change, such as rain in two dry days.
        double Deviation(int channel)
        {
            double variance = calm.Average(row => Math.Pow(row[channel] - mean[channel], 2));
            return variance > 0 ? Math.Sqrt(variance) : 1;
        }
    }

    private ProfiledDetector(ModelManifest manifest) => _manifest = manifest;

    /// <summary>The standard deviation of each channel in the calm rows.</summary>
    internal IReadOnlyList<double> Deviations => _manifest.Std;

    /// <summary>The same model with a profile of other calm rows.</summary>
    /// <param name="calm">Rows without a fault: [rows][columns].</param>
    /// <param name="beginsAt">Place of the first of them, 0 for that of the first row of <see cref="Run"/>.</param>
    internal ProfiledDetector WithProfileOf(double[][] calm, int beginsAt) =>
        new(Profiled(_manifest, calm, TimesOf(beginsAt, calm.Length, _manifest.PeriodSeconds)));

    /// <summary>The same model with a profile of recordings of so many rows, each of another device at about the same time.</summary>
    /// <param name="calm">Rows without a fault, one recording after the other: [rows][columns].</param>
    /// <param name="recordingRows">Rows of a recording.</param>
    internal ProfiledDetector WithProfileOfDevices(double[][] calm, int recordingRows)
    {
        DateTime[] times = TimesOf(-calm.Length, calm.Length, _manifest.PeriodSeconds);
        double days = recordingRows * _manifest.PeriodSeconds / SecondsADay;
        return new(Profiled(_manifest, calm, [.. times.Select((time, row) => time.AddDays(-DaysBack(row / recordingRows)))]));

        // Whole days, so that the time of day stays what it is, where a recording holds one.
        double DaysBack(int recording) => days > 1 ? Math.Floor(recording * days) : recording * days;
    }

    /// <summary>The anomalies of a stream that reads these rows.</summary>
    internal List<Anomaly> Run(double[][] rows)
    {
        using var stream = new SensorStream(new PersistenceEngine(_manifest), new StreamOptions { Name = "calm" });
        var reading = new Reading(_manifest.Columns.Count);
        var anomalies = new List<Anomaly>();
        for (int row = 0; row < rows.Length; row++)
        {
            rows[row].CopyTo(reading.Values, 0);
            reading.Time = TimeOf(row, _manifest.PeriodSeconds);
            AnomalyEvent? anomaly = stream.Step(reading).Anomaly;
            if (anomaly?.Change == AnomalyChange.Opened)
            {
                anomalies.Add(new Anomaly(row, int.MaxValue, anomaly.Channels[0].Column));
            }
            else if (anomaly is { Change: not AnomalyChange.Updated })
            {
                anomalies[^1] = anomalies[^1] with { Closed = row };
            }
        }

        return anomalies;
    }

    private static ModelManifest Profiled(ModelManifest manifest, double[][] calm, DateTime[] times)
    {
        float[] rows = [.. calm.SelectMany(row => row.Select((value, channel) => manifest.Normalize(channel, value)))];
        return manifest.WithNormalProfile(NormalProfileLearner.Learn(rows, manifest.Columns.Count, times));
    }

    private static DateTime[] TimesOf(int begin, int count, double periodSeconds) =>
        [.. Enumerable.Range(begin, count).Select(row => TimeOf(row, periodSeconds))];

    private static DateTime TimeOf(int row, double periodSeconds) =>
        new DateTime(2026, 1, 5, 0, 0, 0, DateTimeKind.Utc).AddSeconds(row * periodSeconds);

    /// <summary>An anomaly.</summary>
    /// <param name="Opened">Row at which it opened.</param>
    /// <param name="Closed">Row at which it closed; <see cref="int.MaxValue"/> if it did not.</param>
    /// <param name="Channel">The channel that is named first.</param>
    internal sealed record Anomaly(int Opened, int Closed, int Channel);
}
