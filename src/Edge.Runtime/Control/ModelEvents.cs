using System.Globalization;
using System.Text.Json;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Control;

/// <summary>Reports what happens to new models, in the log and on the stream's topic <c>model</c>; docs/mqtt.md.</summary>
/// <param name="device">The device's name.</param>
/// <param name="publish">Publishes an event.</param>
/// <param name="info">Writes the <c>info</c> message, which is published again after each change of a model.</param>
/// <param name="clock">Time.</param>
/// <param name="log">The log.</param>
internal sealed class ModelEvents(string device, Action<MqttMessage> publish, Func<MqttMessage> info, TimeProvider clock, ILogger log)
{
    /// <summary>Called with the stream, the change and the sentence of each report.</summary>
    internal Action<string, string, string>? Reported { get; init; }

    /// <param name="stream">Name of the stream.</param>
    /// <param name="change"><c>learning</c>, <c>failed</c>, <c>trial</c>, <c>taken</c>, <c>refused</c> or <c>rolled_back</c>.</param>
    /// <param name="sha256">The new model, or null if there is none.</param>
    /// <param name="ratio">Its error divided by the error of the old model, or null.</param>
    /// <param name="message">A sentence.</param>
    internal void Say(string stream, string change, string? sha256, double? ratio, string message)
    {
        log.Log(
            change is "refused" or "failed" ? LogLevel.Warning : LogLevel.Information,
            "{Stream}: model {Model}{Change}: {Message}",
            stream,
            sha256 is null ? "" : sha256[..6] + " ",
            change,
            message);
        Reported?.Invoke(stream, change, message);
        using var payload = new MemoryStream();
        using (var json = new Utf8JsonWriter(payload, PayloadJson.Options))
        {
            json.WriteStartObject();
            json.WriteString("device", device);
            json.WriteString("stream", stream);
            json.WriteString("time", clock.GetUtcNow().UtcDateTime.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
            json.WriteString("event", change);
            if (sha256 is not null)
            {
                json.WriteString("model_sha256", sha256);
            }

            if (ratio is { } value && double.IsFinite(value))
            {
                json.WriteNumber("error_ratio", Math.Round(value, 6));
            }

            json.WriteString("message", message);
            json.WriteEndObject();
        }

        publish(
            new MqttMessage
            {
                Topic = Topics.Model(device, stream),
                Payload = payload.ToArray(),
                Class = MessageClass.Event,
                ContentType = "application/json",
            });
        if (change is not ("trial" or "refused"))
        {
            publish(info());
        }
    }
}
