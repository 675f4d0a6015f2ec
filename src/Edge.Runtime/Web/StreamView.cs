using Edge.Inference.Models;
using Edge.Runtime.Delivery;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Web;

/// <summary>
/// What the page shows of one stream: its last points, its newest tick, its last events and, while a client watches it, its cell. The
/// thread of the stream writes, without a lock and without allocation but for events and the watched cell.
/// </summary>
internal sealed class StreamView
{
    /// <summary>Events that are kept.</summary>
    internal const int EventsMax = 200;

    // Points a second at most: ticks of faster streams are gathered.
    private const long PointMs = 100;

    // Three missing rows are a gap, as to the detector; rows need not come to the millisecond.
    private const double GapPeriods = 3.5;

    private readonly Func<SensorStream> _stream;
    private readonly PointBuilder _point;
    private readonly TickCopy _newest;
    private readonly int[] _outputs;

    // The nearest forecast of each column waits here for its tick: [ticks ahead] of seq, low and high.
    private readonly int[] _nearest;
    private readonly (long Seq, float Low, float High)[][] _pending;
    private readonly Queue<PageEvent> _events = new();
    private long _eventCount;
    private long _anomalies;
    private CellWatch? _cell;
    private int _cellWatchers;

    /// <param name="stream">The current stream: a new object after a reset or a change of the model, always of the same columns.</param>
    /// <param name="bytesMax">Memory that its points may take.</param>
    internal StreamView(Func<SensorStream> stream, int bytesMax)
    {
        _stream = stream;
        ModelManifest manifest = stream().Manifest;
        int columns = manifest.Columns.Count;
        Points = new PointRing(
            columns,
            Math.Clamp(bytesMax / PointRing.BytesOf(columns), PointsMin, PointsMax),
            GapPeriods * Math.Max(PointMs, stream().Period.TotalMilliseconds));
        _anomalies = stream().Health.Anomalies;
        _point = new PointBuilder(columns);
        _point.Clear();
        _newest = new TickCopy(columns, manifest.Outputs.Count);
        _outputs = [.. manifest.ForecastOutputs];
        _nearest =
        [
            .. Enumerable.Range(0, columns).Select(column => _outputs.Where(output => manifest.Outputs[output].Column == column)
                .OrderBy(output => manifest.Outputs[output].TicksAhead).FirstOrDefault(-1)),
        ];
        _pending =
        [
            .. _nearest.Select(output => new (long, float, float)[output < 0 ? 0 : manifest.Outputs[output].TicksAhead]),
        ];
    }

    /// <summary>Fewest and most points that are kept.</summary>
    internal static int PointsMin => 300;

    internal static int PointsMax => 3600;

    internal SensorStream Stream => _stream();

    /// <summary>What a stream that learns does now, for a person, or null.</summary>
    internal Func<string?>? Learning { get; init; }

    internal PointRing Points { get; }

    /// <summary>The look into its cell; null while no client watches.</summary>
    internal CellWatch? Cell => Volatile.Read(ref _cell);

    /// <summary>Events so far; the newest has the number one less.</summary>
    internal long EventCount => Interlocked.Read(ref _eventCount);

    /// <summary>Anomalies that are stored, and those since.</summary>
    internal long Anomalies => Interlocked.Read(ref _anomalies);

    /// <summary>Begins with what is stored of the stream, before its first tick.</summary>
    /// <param name="events">The newest events, oldest first.</param>
    /// <param name="anomalies">Number of anomalies.</param>
    internal void Recall(IReadOnlyList<HistoryEvent> events, long anomalies)
    {
        foreach (HistoryEvent each in events)
        {
            Note(each);
        }

        _anomalies = anomalies;
    }

    /// <summary>Takes over a tick. Called by the thread of the stream.</summary>
    internal void Observe(StreamTick tick)
    {
        SensorStream stream = _stream();
        long timeMs = PageEvent.Milliseconds(tick.Reading.Time);
        _newest.Write(tick, _outputs);
        _point.Add(timeMs, tick.Reading, stream.AnomalyScore);
        Compare(tick);
        bool isWhole = stream.Period.TotalMilliseconds >= PointMs || timeMs - _point.BeganMs >= PointMs || timeMs < _point.BeganMs;
        if (isWhole)
        {
            Points.Add(_point);
            _point.Clear();
        }

        if (tick.Anomaly is { } anomaly)
        {
            Note(HistoryEvent.Of(tick, anomaly, stream.Manifest.Columns));
            _anomalies += anomaly.Change == AnomalyChange.Opened ? 1 : 0;
        }

        for (int i = 0; i < tick.Limits.Count; i++)
        {
            Note(HistoryEvent.Of(tick, tick.Limits[i], stream.Manifest.Columns));
        }

        Cell?.Observe(stream, tick, IsUsable(tick.Reading), isWhole);
    }

    /// <summary>Copies the newest tick.</summary>
    internal TickCopy Newest()
    {
        ModelManifest manifest = Stream.Manifest;
        var copy = new TickCopy(manifest.Columns.Count, manifest.Outputs.Count);
        _newest.Read(copy);
        return copy;
    }

    /// <summary>The events from a number on, the oldest first.</summary>
    internal (PageEvent[] Events, long Next) Events(long from = 0)
    {
        lock (_events)
        {
            return ([.. _events.Skip((int)Math.Max(0, from - (_eventCount - _events.Count)))], _eventCount);
        }
    }

    /// <summary>Lists an event. Any thread may call it.</summary>
    internal void Note(HistoryEvent each)
    {
        PageEvent shown = PageEvent.Of(each, Stream.Manifest.Columns);
        lock (_events)
        {
            _events.Enqueue(shown);
            _eventCount++;
            if (_events.Count > EventsMax)
            {
                _events.Dequeue();
            }
        }
    }

    /// <summary>Begins to watch the cell.</summary>
    /// <returns>Whether the engine of the stream has one that can be shown.</returns>
    internal bool BeginCell()
    {
        lock (_events)
        {
            if (CellWatch.ModelOf(Stream) is not { } model)
            {
                return false;
            }

            _cellWatchers++;
            Volatile.Write(ref _cell, _cell is { } cell && cell.IsOf(model) ? cell : new CellWatch(model));
            return true;
        }
    }

    /// <summary>Ends what <see cref="BeginCell"/> began.</summary>
    internal void EndCell()
    {
        lock (_events)
        {
            if (--_cellWatchers == 0)
            {
                Volatile.Write(ref _cell, null);
            }
        }
    }

    private static bool IsUsable(Reading reading)
    {
        foreach (Quality quality in reading.Quality)
        {
            if (!PointBuilder.HasValue(quality))
            {
                return false;
            }
        }

        return true;
    }

    // Gives the point the interval that was forecast for this tick, and keeps those of the ticks to come.
    private void Compare(StreamTick tick)
    {
        for (int column = 0; column < _nearest.Length; column++)
        {
            (long Seq, float Low, float High)[] pending = _pending[column];
            if (pending.Length == 0)
            {
                continue;
            }

            int slot = (int)(tick.Seq % pending.Length);
            if (pending[slot].Seq == tick.Seq)
            {
                (_, _point.Low[column], _point.High[column]) = pending[slot];
            }

            if (tick.Forecast is { } forecast)
            {
                pending[slot] = (
                    tick.Seq + pending.Length,
                    (float)forecast.Low(_nearest[column]),
                    (float)forecast.High(_nearest[column]));
            }
        }
    }
}
