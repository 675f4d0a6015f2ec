using System.Diagnostics.Metrics;
using System.Globalization;
using Edge.Inference.Models;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Streams.Limits;

namespace Edge.Runtime.Telemetry;

/// <summary>
/// Metrics of the service, with OpenTelemetry names. Most are read from the streams on request. A tick records two durations, and
/// only while a listener is registered. docs/operations.md lists them.
/// </summary>
internal sealed class ServiceMetrics : IDisposable
{
    internal const string MeterName = "Edge.Runtime";

    private static readonly InstrumentAdvice<double> Durations = new()
    {
        HistogramBucketBoundaries =
        [
            1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1,
        ],
    };

    private readonly string _device;
    private readonly Histogram<double> _step;
    private readonly Histogram<double> _jitter;

    /// <param name="device">The device's name.</param>
    /// <param name="streams">The current streams, each with whether it ticks as it should and how many rows it has skipped.</param>
    /// <param name="outbox">Messages waiting for the broker.</param>
    /// <param name="store">The stored state, or null.</param>
    /// <param name="publisher">Counts delivered messages.</param>
    internal ServiceMetrics(
        string device,
        Func<IReadOnlyList<(SensorStream Stream, bool IsAlive, long SkippedRows)>> streams,
        Outbox outbox,
        StateStore? store,
        Publisher publisher)
    {
        _device = device;
        Meter = new Meter(MeterName, typeof(ServiceMetrics).Assembly.GetName().Version!.ToString(3), [new("device", device)]);
        _step = Meter.CreateHistogram(
            "edge.stream.step.duration",
            "s",
            "Duration of one step of the stream: model, intervals and detector.",
            [],
            Durations);
        _jitter = Meter.CreateHistogram("edge.stream.tick.jitter", "s", "Distance of a live tick from its planned time.", [], Durations);
        Counter("edge.stream.ticks", "{tick}", "Rows received.", stream => stream.Health.Ticks);
        Counter("edge.stream.forecasts", "{forecast}", "Forecasts made.", stream => stream.Health.Forecasts);
        Counter("edge.stream.missed_ticks", "{tick}", "Ticks lost, or without usable values.", stream => stream.Health.MissedTicks);
        Meter.CreateObservableCounter(
            "edge.stream.skipped_rows",
            () => streams().Select(
                each => new Measurement<long>(each.SkippedRows, Tag("device", device), Tag("stream", each.Stream.Name))),
            "{row}",
            "Rows that came and could not be used as a row.");
        Counter("edge.stream.anomalies", "{anomaly}", "Anomalies opened.", stream => stream.Health.Anomalies);
        Counter(
            "edge.stream.saturations",
            "{value}",
            "Inputs and states clipped to their range.",
            stream => stream.Health.SaturatedTicks.Sum() + stream.Health.StateSaturations);
        Gauge("edge.stream.anomaly.open", "", "1 while an anomaly is open.", each => each.Stream.IsAnomalyOpen ? 1 : 0);
        Gauge("edge.stream.alive", "", "1 while the stream ticks as it should.", each => each.IsAlive ? 1 : 0);
        Gauge(
            "edge.stream.skill",
            "",
            "Skill against persistence: above 0 the model is better than persistence.",
            each => each.Stream.Health.Skill);
        Gauge("edge.stream.coverage", "", "Share of actual values inside their interval.", each => each.Stream.Health.Coverage);
        Gauge("edge.stream.anomaly.score", "", "Score of the last tick: abnormal from 1 on.", each => each.Stream.AnomalyScore);
        Gauge(
            "edge.stream.outside",
            "",
            "Share of the channels that are outside what the model knows.",
            each => each.Stream.Health.OutsideShare);
        Channels(
            "edge.stream.reading",
            "Last value of each channel, in its unit.",
            stream => stream.Values.Select(value => (value.Column, "", value.Value)));
        Channels(
            "edge.stream.forecast",
            "Newest forecast of each channel by horizon, in its unit.",
            stream => stream.ForecastValues.Select(
                value => (value.Column, value.HorizonSeconds.ToString("G6", CultureInfo.InvariantCulture), value.Value)));
        Limits("edge.stream.limit.stage", "", "0 inside a limit, 1 expected beyond it, 2 beyond it.", limit => (double)limit.Stage);
        Limits("edge.stream.limit.time", "s", "Time to a limit; 0 while it is exceeded.", limit => limit.SecondsToLimit);
        Meter.CreateObservableGauge(
            "edge.stream.output",
            () => streams().SelectMany(each => Outputs(each.Stream)),
            "",
            "Newest outputs of the model that are no forecasts, in their units; probabilities of classes from 0 to 1.");
        Meter.CreateObservableGauge("edge.outbox.messages", () => Of(outbox.Count), "{message}", "Messages waiting for the broker.");
        Meter.CreateObservableCounter(
            "edge.outbox.dropped",
            () => Dropped(outbox),
            "{message}",
            "Messages evicted because the outbox was full, by class.");
        Meter.CreateObservableGauge("edge.mqtt.connected", () => Of(publisher.IsConnected ? 1 : 0), "", "1 while connected to the broker.");
        Meter.CreateObservableCounter(
            "edge.mqtt.delivered",
            () => Of(publisher.Delivered),
            "{message}",
            "Messages that the broker has acknowledged.");
        Meter.CreateObservableCounter(
            "edge.mqtt.refused",
            () => Of(publisher.Refused),
            "{message}",
            "Messages that the broker has refused, and that were dropped.");
        Meter.CreateObservableGauge("process.memory.usage", () => Of(Environment.WorkingSet), "By", "Resident memory.");
        Meter.CreateObservableCounter(
            "process.cpu.time",
            () => Of(Environment.CpuUsage.TotalTime.TotalSeconds),
            "s",
            "CPU time, all cores.");
        if (store is not null)
        {
            Meter.CreateObservableGauge("edge.outbox.size", () => Of(store.OutboxBytes), "By", "Bytes of payload waiting for the broker.");
            Meter.CreateObservableGauge(
                "edge.outbox.age",
                () => Of(outbox.Age.TotalSeconds),
                "s",
                "Age of the oldest waiting message.");
            Meter.CreateObservableGauge(
                "edge.state.writable",
                () => Of(store.IsBroken ? 0 : 1),
                "",
                "1 while the state file can be written.");
        }

        void Counter(string name, string unit, string description, Func<SensorStream, long> value) =>
            Meter.CreateObservableCounter(
                name,
                () =>
                    streams().Select(
                        each => new Measurement<long>(value(each.Stream), Tag("device", device), Tag("stream", each.Stream.Name))),
                unit,
                description);

        void Gauge(
            string name,
            string unit,
            string description,
            Func<(SensorStream Stream, bool IsAlive, long SkippedRows), double> value) =>
            Meter.CreateObservableGauge(
                name,
                () => streams()
                    .Where(each => double.IsFinite(value(each)))
                    .Select(each => new Measurement<double>(value(each), Tag("device", device), Tag("stream", each.Stream.Name))),
                unit,
                description);

        void Channels(
            string name,
            string description,
            Func<SensorStream, IEnumerable<(string Column, string Horizon, double Value)>> values) =>
            Meter.CreateObservableGauge(
                name,
                () => streams().SelectMany(
                    each => values(each.Stream).Where(value => double.IsFinite(value.Value)).Select(
                        value => new Measurement<double>(
                            value.Value,
                            [
                                Tag("device", device), Tag("stream", each.Stream.Name), Tag("channel", value.Column),
                                .. value.Horizon.Length > 0
                                    ? [Tag("horizon_seconds", value.Horizon)]
                                    : Array.Empty<KeyValuePair<string, object?>>(),
                            ]))),
                "",
                description);

        void Limits(string name, string unit, string description, Func<LimitState, double> value) =>
            Meter.CreateObservableGauge(
                name,
                () => streams().SelectMany(
                    each => each.Stream.Limits.Where(limit => double.IsFinite(value(limit))).Select(
                        limit => new Measurement<double>(
                            value(limit),
                            Tag("device", device),
                            Tag("stream", each.Stream.Name),
                            Tag("channel", limit.Column),
                            Tag("side", limit.Side == LimitSide.High ? "high" : "low")))),
                unit,
                description);
    }

    internal Meter Meter { get; }

    /// <summary>The durations that a stream records.</summary>
    internal StreamMetrics For(string stream) => new(_step, _jitter, [Tag("device", _device), Tag("stream", stream)]);

    public void Dispose() => Meter.Dispose();

    private IEnumerable<Measurement<double>> Outputs(SensorStream stream)
    {
        if (stream.Named is not { } named)
        {
            yield break;
        }

        for (int k = 0; k < named.Outputs.Count; k++)
        {
            double value = named.Value(k);
            if (named.Outputs[k].Kind is not (OutputKind.Forecast or OutputKind.Quantile) && double.IsFinite(value))
            {
                yield return new Measurement<double>(
                    value, Tag("device", _device), Tag("stream", stream.Name), Tag("output", stream.Manifest.OutputName(k)));
            }
        }
    }

    private Measurement<T> Of<T>(T value)
        where T : struct => new(value, Tag("device", _device));

    private IEnumerable<Measurement<long>> Dropped(Outbox outbox) =>
        Enum.GetValues<MessageClass>().Select(
            each =>
                new Measurement<long>(outbox.Dropped[(int)each], Tag("device", _device), Tag("class", each.ToString().ToLowerInvariant())));

    private static KeyValuePair<string, object?> Tag(string key, string value) => new(key, value);
}

/// <summary>The durations of one stream. Records nothing, at no cost, while no listener is registered.</summary>
internal sealed class StreamMetrics(Histogram<double> step, Histogram<double> jitter, KeyValuePair<string, object?>[] tags)
{
    internal bool IsWanted => step.Enabled;

    internal void Stepped(TimeSpan duration) => step.Record(duration.TotalSeconds, tags);

    internal void Ticked(TimeSpan jitterOfTick) => jitter.Record(Math.Abs(jitterOfTick.TotalSeconds), tags);
}
