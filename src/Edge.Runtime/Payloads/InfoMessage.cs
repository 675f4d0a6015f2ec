using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Streams;
using Edge.Streams.Engines;

namespace Edge.Runtime.Payloads;

/// <summary>Writes the <c>info</c> topic: versions and models of this device.</summary>
internal static class InfoMessage
{
    internal static string Version => typeof(InfoMessage).Assembly.GetName().Version!.ToString(3);

    /// <summary>
    /// Identifies the boot of the machine: the id of Linux or, in a sandbox that hides it, an id in a folder that systemd empties at
    /// every boot.
    /// </summary>
    internal static string BootId() => BootId("/proc/sys/kernel/random/boot_id", Environment.GetEnvironmentVariable("RUNTIME_DIRECTORY"));

    /// <param name="kernelFile">File with the id of Linux.</param>
    /// <param name="runtimeFolder">
    /// The folder of systemd's <c>RuntimeDirectory</c>, or null. Without both, each process gets its own id.
    /// </param>
    internal static string BootId(string kernelFile, string? runtimeFolder)
    {
        try
        {
            if (File.Exists(kernelFile))
            {
                return File.ReadAllText(kernelFile).Trim();
            }

            if (!string.IsNullOrEmpty(runtimeFolder))
            {
                string own = Path.Combine(runtimeFolder, "boot_id");
                if (!File.Exists(own))
                {
                    File.WriteAllText(own + ".new", Guid.NewGuid().ToString());
                    File.Move(own + ".new", own);
                }

                return File.ReadAllText(own);
            }
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            // Then each process gets its own id.
        }

        return $"process-{Environment.ProcessId}-{Process.GetCurrentProcess().StartTime.Ticks}";
    }

    /// <param name="device">The device's name.</param>
    /// <param name="broker">Where the broker is.</param>
    /// <param name="stateFolder">Folder of the stored state, or null.</param>
    /// <param name="now">Time.</param>
    /// <param name="uptime">Since the service started.</param>
    /// <param name="streams">The streams.</param>
    /// <param name="learning">What a stream that learns does now, for a person; null for one that does not learn.</param>
    internal static MqttMessage Write(
        string device,
        string broker,
        string? stateFolder,
        DateTimeOffset now,
        TimeSpan uptime,
        IReadOnlyList<SensorStream> streams,
        Func<string, string?> learning)
    {
        using var payload = new MemoryStream();
        using (var json = new Utf8JsonWriter(payload, PayloadJson.Options))
        {
            json.WriteStartObject();
            json.WriteString("device", device);
            json.WriteString("time", now.UtcDateTime.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
            json.WriteString("version", Version);
            json.WriteString("boot_id", BootId());
            json.WriteNumber("uptime_seconds", Math.Round(uptime.TotalSeconds, 1));
            json.WriteString("broker", broker);
            if (FreeBytes(stateFolder) is { } free)
            {
                json.WriteNumber("disk_free_bytes", free);
            }

            json.WriteStartObject("streams");
            foreach (SensorStream stream in streams)
            {
                json.WriteStartObject(stream.Name);
                WriteModel(json, stream.Engine);
                if (learning(stream.Name) is { } state)
                {
                    json.WriteString("learning", state);
                }

                json.WriteString("engine", stream.Engine.Description);
                json.WriteNumber("period_seconds", stream.Engine.Manifest.PeriodSeconds);
                WriteErrors(json, stream.Engine.Manifest);
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

    /// <summary>What messages call a model: the first digits of its hash, or <c>none</c> where it is still to be learned.</summary>
    internal static string ModelOf(IInferenceEngine engine) => engine.Manifest.IsTrained ? engine.ModelSha256[..6] : "none";

    private static void WriteModel(Utf8JsonWriter json, IInferenceEngine engine)
    {
        json.WriteString("model", ModelOf(engine));
        if (!engine.Manifest.IsTrained)
        {
            return;
        }

        json.WriteString("model_name", engine.Manifest.Name);
        json.WriteString("model_sha256", engine.ModelSha256);
        if (engine is Int8Engine { Model.Provenance: { Length: > 0 } provenance })
        {
            // A model that was learned on a device says so, and one whose profile was.
            using JsonDocument origin = JsonDocument.Parse(provenance);
            foreach (string name in new[] { "learned_on", "learned_at", "profile_learned_on", "profile_learned_at" })
            {
                if (origin.RootElement.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String)
                {
                    json.WriteString(name, value.GetString());
                }
            }
        }
    }

    // Outputs of a stream whose errors are named: the message stays small.
    private const int ErrorsMax = 32;

    // What the model and simple forecasts missed on rows that nothing was learned from, in the unit of each column.
    private static void WriteErrors(Utf8JsonWriter json, ModelManifest manifest)
    {
        if (manifest.Baselines.Count == 0 || manifest.OutputRmse is null)
        {
            return;
        }

        json.WriteStartArray("rmse");
        for (int k = 0; k < Math.Min(ErrorsMax, manifest.Outputs.Count); k++)
        {
            double std = manifest.Std[manifest.Outputs[k].Column];
            json.WriteStartObject();
            json.WriteString("output", manifest.OutputName(k));
            json.WriteNumber("model", Rounded(std * manifest.OutputRmse[k]));
            foreach ((string name, IReadOnlyList<double> errors) in manifest.Baselines)
            {
                if (double.IsFinite(errors[k]))
                {
                    json.WriteNumber(name, Rounded(std * errors[k]));
                }
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();

        static double Rounded(double value) =>
            double.Parse(value.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }

    /// <summary>Free bytes of the disk of a folder; null if there is none, or they are not known.</summary>
    internal static long? FreeBytes(string? folder)
    {
        try
        {
            return folder is null ? null : new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            return null;
        }
    }
}
