using System.Text.Json;
using Edge.Runtime.Delivery;

namespace Edge.Runtime.Web;

/// <summary>An anomaly, a limit event, a report on a model or a person's label, as the page marks and lists it.</summary>
/// <param name="Id">Id of the event, equal from opened to closed.</param>
/// <param name="Kind"><c>anomaly</c>, <c>limit</c>, <c>model</c> or <c>label</c>.</param>
/// <param name="Change">opened, updated, closed, accepted or silenced; of a model, what became of it.</param>
/// <param name="TimeMs">Time of the tick, in ms since 1970.</param>
/// <param name="StartedMs">When it began, in ms since 1970.</param>
/// <param name="Severity">warning, critical or note.</param>
/// <param name="Score">Score of an anomaly; NaN of a limit.</param>
/// <param name="Column">The channel that contributes most; -1 for none.</param>
/// <param name="Message">One sentence.</param>
internal sealed record PageEvent(
    string Id, string Kind, string Change, long TimeMs, long StartedMs, string Severity, double Score, int Column, string Message)
{
    /// <param name="each">The event.</param>
    /// <param name="columns">Columns of the stream.</param>
    internal static PageEvent Of(HistoryEvent each, IReadOnlyList<string> columns) => new(
        each.Id,
        each.Kind.ToString().ToLowerInvariant(),
        each.Change,
        Milliseconds(each.Time),
        Milliseconds(each.Started),
        each.Severity,
        each.Score,
        columns.TakeWhile(column => column != each.Channel).Count() is var at && at < columns.Count ? at : -1,
        each.Sentence);

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
