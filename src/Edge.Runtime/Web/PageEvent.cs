using System.Text.Json;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Limits;

namespace Edge.Runtime.Web;

/// <summary>An anomaly, a limit event, a report on a model or a person's label, as the page marks and lists it.</summary>
/// <param name="Id">Id of the event, equal from opened to closed.</param>
/// <param name="Kind"><c>anomaly</c>, <c>limit</c>, <c>model</c> or <c>label</c>.</param>
/// <param name="Change">opened, updated, closed, accepted or silenced; of a model, what became of it.</param>
/// <param name="TimeMs">Time of the tick, in ms since 1970.</param>
/// <param name="StartedMs">When it began, in ms since 1970.</param>
/// <param name="Severity">warning, critical or note.</param>
/// <param name="Score">Score of an anomaly; NaN of a limit.</param>
/// <param name="Column">The channel that contributes most.</param>
/// <param name="Message">One sentence.</param>
internal sealed record PageEvent(
    string Id, string Kind, string Change, long TimeMs, long StartedMs, string Severity, double Score, int Column, string Message)
{
    internal static PageEvent Of(StreamTick tick, AnomalyEvent anomaly) => new(
        anomaly.Id,
        "anomaly",
        anomaly.Change.ToString().ToLowerInvariant(),
        Milliseconds(tick.Reading.Time),
        Milliseconds(anomaly.Started),
        anomaly.Severity,
        anomaly.Score,
        anomaly.Channels.Count > 0 ? anomaly.Channels[0].Column : -1,
        anomaly.Message);

    internal static PageEvent Of(StreamTick tick, LimitEvent limit) => new(
        limit.Id,
        "limit",
        limit.Change.ToString().ToLowerInvariant(),
        Milliseconds(tick.Reading.Time),
        Milliseconds(limit.Started),
        limit.Stage == LimitStage.Exceeded ? "critical" : "warning",
        double.NaN,
        limit.Column,
        limit.Message);

    /// <summary>Milliseconds since 1970.</summary>
    internal static long Milliseconds(DateTime time) => (time.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMillisecond;

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", Id);
        json.WriteString("kind", Kind);
        json.WriteString("change", Change);
        json.WriteNumber("t", TimeMs);
        json.WriteNumber("started", StartedMs);
        json.WriteString("severity", Severity);
        json.WritePropertyName("score");
        Series.WriteValue(json, Score);
        json.WriteNumber("column", Column);
        json.WriteString("message", Message);
        json.WriteEndObject();
    }
}
