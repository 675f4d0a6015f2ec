using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Streams;

namespace Edge.Runtime.Publishing;

/// <summary>Writes the <c>info</c> topic: what runs here.</summary>
internal static class InfoMessage
{
    internal static string Version => typeof(InfoMessage).Assembly.GetName().Version!.ToString(3);

    /// <summary>Linux gives every boot an id; elsewhere a process must do.</summary>
    internal static string BootId()
    {
        try
        {
            return File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
        }
        catch (IOException)
        {
            return $"process-{Environment.ProcessId}-{Process.GetCurrentProcess().StartTime.Ticks}";
        }
    }

    internal static MqttMessage Write(string device, DateTimeOffset now, TimeSpan uptime, IReadOnlyList<SensorStream> streams)
    {
        using var payload = new MemoryStream();
        using (var json = new Utf8JsonWriter(payload))
        {
            json.WriteStartObject();
            json.WriteString("device", device);
            json.WriteString("time", now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            json.WriteString("version", Version);
            json.WriteString("boot_id", BootId());
            json.WriteNumber("uptime_seconds", Math.Round(uptime.TotalSeconds, 1));
            json.WriteStartObject("streams");
            foreach (SensorStream stream in streams)
            {
                json.WriteStartObject(stream.Name);
                json.WriteString("model", stream.Engine.ModelSha256[..6]);
                json.WriteString("model_name", stream.Engine.Manifest.Name);
                json.WriteString("model_sha256", stream.Engine.ModelSha256);
                json.WriteString("engine", stream.Engine.Description);
                json.WriteNumber("period_seconds", stream.Engine.Manifest.PeriodSeconds);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return new MqttMessage
        {
            Topic = Topics.Info(device),
            Payload = payload.ToArray(),
            Class = MessageClass.Event,
            Retain = true,
            ContentType = "application/json",
        };
    }
}
