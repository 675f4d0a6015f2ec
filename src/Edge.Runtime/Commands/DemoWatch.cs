using System.Diagnostics;
using Edge.Inference.Models;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Streams;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Commands;

/// <summary>One channel as the view shows it.</summary>
/// <param name="Name">Channel name.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Actual">The newest reading, NaN if there is none.</param>
/// <param name="Quality">Its quality.</param>
/// <param name="Expected">The forecast for it, NaN if there is none.</param>
/// <param name="Ahead">The forecast with the farthest horizon.</param>
/// <param name="AheadSeconds">That horizon.</param>
/// <param name="HalfWidth">Half the interval of that forecast.</param>
/// <param name="Recent">The last readings, oldest first, NaN where there was none.</param>
internal sealed record ChannelSnapshot(
    string Name, string Unit, double Actual, Quality Quality, double Expected, double Ahead, double AheadSeconds,
    double HalfWidth, double[] Recent);

/// <summary>A snapshot of the demo for the view.</summary>
internal sealed record DemoSnapshot(IReadOnlyList<ChannelSnapshot> Channels, double Score, bool IsAnomalous, string[] Events);

/// <summary>Observes the demo: copies the result of each tick, so that the view can show it at its own pace.</summary>
internal sealed class DemoWatch
{
    private const int RecentMax = 42;
    private const int EventsMax = 6;

    private readonly Lock _gate = new();
    private readonly EdgeService _service;
    private readonly SensorStream _stream;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly Queue<double>[] _recent;
    private readonly Queue<string> _events = new();
    private readonly double[] _expectedNext;
    private DemoSnapshot? _snapshot;

    internal DemoWatch(EdgeService service, int port)
    {
        _service = service;
        _stream = service.Streams[0];
        Port = port;
        ModelManifest manifest = _stream.Engine.Manifest;
        _recent = manifest.Columns.Select(_ => new Queue<double>()).ToArray();
        _expectedNext = [.. Enumerable.Repeat(double.NaN, manifest.Columns.Count)];
        service.Hosts[0].Ticked += Copy;
    }

    internal int Port { get; }

    /// <summary>Where the page is.</summary>
    internal string Page => _service.PageAddress!;

    internal TimeSpan Elapsed => Stopwatch.GetElapsedTime(_started);

    internal long Ticks => _stream.Health.Ticks;

    internal long Forecasts => _stream.Health.Forecasts;

    internal long Anomalies => _stream.Health.Anomalies;

    internal long Delivered => _service.Publisher.Delivered;

    internal string[] Events
    {
        get
        {
            lock (_gate)
            {
                return [.. _events];
            }
        }
    }

    /// <summary>The newest tick, or null before the first.</summary>
    internal DemoSnapshot? Snapshot
    {
        get
        {
            lock (_gate)
            {
                return _snapshot;
            }
        }
    }

    private void Copy(StreamTick tick)
    {
        lock (_gate)
        {
            if (tick.Anomaly is { } anomaly)
            {
                _events.Enqueue(
                    $"{Elapsed.TotalSeconds,5:0.0} s  {anomaly.Change.ToString().ToLowerInvariant(),-7} {anomaly.Id}: {anomaly.Message}");
                if (_events.Count > EventsMax)
                {
                    _events.Dequeue();
                }
            }

            ModelManifest manifest = _stream.Manifest;
            var channels = new ChannelSnapshot[manifest.Columns.Count];
            for (int column = 0; column < channels.Length; column++)
            {
                channels[column] = Look(tick, manifest, column);
            }

            _snapshot = new DemoSnapshot(channels, _stream.AnomalyScore, _stream.IsAnomalyOpen, [.. _events]);
        }
    }

    private ChannelSnapshot Look(StreamTick tick, ModelManifest manifest, int column)
    {
        bool isThere = tick.Reading.Quality[column] is Quality.Good or Quality.Held;
        double actual = isThere ? tick.Reading.Values[column] : double.NaN;
        _recent[column].Enqueue(actual);
        if (_recent[column].Count > RecentMax)
        {
            _recent[column].Dequeue();
        }

        int[] outputs = Enumerable.Range(0, manifest.Outputs.Count)
            .Where(k => manifest.Outputs[k].Column == column)
            .OrderBy(k => manifest.Outputs[k].TicksAhead)
            .ToArray();
        double expected = _expectedNext[column];
        _expectedNext[column] = tick.Forecast?.Value(outputs[0]) ?? double.NaN;
        int farthest = outputs[^1];
        return new ChannelSnapshot(
            manifest.Columns[column], manifest.Units[column], actual, tick.Reading.Quality[column], expected,
            tick.Forecast?.Value(farthest) ?? double.NaN,
            manifest.Outputs[farthest].TicksAhead * manifest.PeriodSeconds,
            tick.Forecast?.HalfWidth(farthest) ?? double.NaN,
            [.. _recent[column]]);
    }
}
