using System.Net;
using Edge.Onnx;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Telemetry;

namespace Edge.Runtime.Configuration;

/// <summary>The parts of edge.yaml that are the whole process's: telemetry and ONNX Runtime.</summary>
internal static partial class ConfigFile
{
    private static TelemetryOptions? ReadTelemetry(YamlMap root)
    {
        if (root.Map("telemetry") is not { } map)
        {
            return null;
        }

        Uri? otlp = null;
        if (map.Text("otlp") is { } text
            && (!Uri.TryCreate(text.TrimEnd('/') + "/", UriKind.Absolute, out otlp) || otlp.Scheme is not ("http" or "https")))
        {
            map.Fail("otlp", $"'otlp' must be the address of a collector, such as http://127.0.0.1:4318, not '{text}'");
        }

        TimeSpan every = map.Duration("every") ?? new TelemetryOptions().Every;
        if (every < TelemetryOptions.EveryMin || every > TelemetryOptions.EveryMax)
        {
            map.Fail("every", "'every' must be from 1s to 1h");
        }

        var telemetry = new TelemetryOptions { Listen = ReadListen(map), Otlp = otlp, Every = every };
        map.RejectUnknown();
        return telemetry;
    }

    private static IPEndPoint? ReadListen(YamlMap map)
    {
        int? port = map.WholeOrNull("port", 1, 65535);
        string? text = map.Text("listen");
        if (text is null)
        {
            return port is { } local ? new IPEndPoint(IPAddress.Loopback, local) : null;
        }

        if (port is not null)
        {
            map.Fail("listen", "give either 'port', on this machine only, or 'listen'");
        }

        if (IPEndPoint.TryParse(text, out IPEndPoint? address) && address.Port > 0)
        {
            return address;
        }

        map.Fail("listen", $"'listen' must be an address and a port such as 127.0.0.1:9464, 0.0.0.0:9464 or [::]:9464, not '{text}'");
        return null;
    }

    private static ModelUpdateOptions? ReadModels(YamlMap root, string folder)
    {
        if (root.Map("models") is not { } map)
        {
            return null;
        }

        string? key = map.Text("trusted_key");
        string? unsigned = map.Text("unsigned");
        if (unsigned is not null and not "allowed")
        {
            map.Fail("unsigned", $"'unsigned' must be 'allowed', not '{unsigned}'");
        }
        else if (key is null == unsigned is null)
        {
            map.Fail("trusted_key", "set 'trusted_key', the public key that verifies new models, or 'unsigned: allowed'");
        }

        var models = new ModelUpdateOptions
        {
            IncomingFolder = map.Text("incoming") is { } incoming ? Path.Combine(folder, incoming) : null,
            TrustedKeyFile = key is null ? null : Path.Combine(folder, key),
            CanaryTicks = map.Whole(
                "canary",
                new ModelUpdateOptions().CanaryTicks,
                ModelUpdateOptions.CanaryTicksMin,
                ModelUpdateOptions.CanaryTicksMax),
        };
        map.RejectUnknown();
        return models;
    }

    private static HistoryOptions ReadHistory(YamlMap root, string? state)
    {
        var defaults = new HistoryOptions();
        if (root.Map("history") is not { } map)
        {
            return defaults;
        }

        if (state is null)
        {
            root.Fail("history", "'history' needs 'state', the folder that rows are stored in");
        }

        long size = map.Bytes("max_size", defaults.SizeMaxBytes);
        if (size < HistoryOptions.SizeMinBytes)
        {
            map.Fail("max_size", "'max_size' must be at least 1MB");
        }

        (TimeSpan shortest, TimeSpan longest) = HistoryOptions.AgeRange;
        var history = new HistoryOptions
        {
            SizeMaxBytes = size,
            AgeMax = map.Duration("max_age", shortest, longest) ?? defaults.AgeMax,
        };
        map.RejectUnknown();
        return history;
    }

    private static OnnxOptions ReadOnnxRuntime(YamlMap root, string folder, string? state)
    {
        if (root.Map("onnxruntime") is not { } map)
        {
            return new OnnxOptions();
        }

        long memory = map.Bytes("memory_limit", 0);
        var onnx = new OnnxOptions
        {
            Library = map.Text("library") is { } library ? Path.Combine(folder, library) : null,
            Providers = map.Texts("providers", ["cpu"], OnnxOptions.KnownProviders),
            Device = map.Whole("device", 0, 0, 63),
            MemoryMaxBytes = memory > 0 ? memory : null,
            Half = map.Flag("fp16", false),
            Threads = map.Whole("threads", 1, 1, 64),
            CacheFolder = state is null ? null : Path.Combine(state, "tensorrt"),
        };
        map.RejectUnknown();
        return onnx;
    }
}
