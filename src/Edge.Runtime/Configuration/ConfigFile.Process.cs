using System.Net;
using Edge.Onnx;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Telemetry;
using Edge.Runtime.Web;

namespace Edge.Runtime.Configuration;

/// <summary>The parts of edge.yaml that are the whole process's: telemetry, the page and ONNX Runtime.</summary>
internal static partial class ConfigFile
{
    internal static TelemetryOptions? ReadTelemetry(YamlMap root)
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

        TimeSpan every = map.Duration("every", TelemetryOptions.EveryMin, TelemetryOptions.EveryMax) ?? new TelemetryOptions().Every;
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

        return ReadEndPoint(map, text, 9464);
    }

    private static IPEndPoint? ReadEndPoint(YamlMap map, string text, int usual)
    {
        if (IPEndPoint.TryParse(text, out IPEndPoint? address) && address.Port > 0)
        {
            return address;
        }

        map.Fail(
            "listen",
            $"'listen' must be an address and a port such as 127.0.0.1:{usual}, 0.0.0.0:{usual} or [::]:{usual}, not '{text}'");
        return null;
    }

    private static WebOptions? ReadWeb(YamlMap root, string folder, List<string> warnings)
    {
        if (root.Map("web") is not { } map)
        {
            return null;
        }

        IPEndPoint usual = new WebOptions().Listen;
        string? password = map.Secret("password");
        var web = new WebOptions
        {
            Listen = map.Text("listen") is { } text ? ReadEndPoint(map, text, usual.Port) ?? usual : usual,
            Password = password,
            CertificateFile = map.Text("certificate") is { } certificate ? Path.Combine(folder, certificate) : null,
            KeyFile = map.Text("key") is { } key ? Path.Combine(folder, key) : null,
        };
        if (web.CertificateFile is null != web.KeyFile is null)
        {
            map.Fail("certificate", "'certificate' and 'key' must be given together");
        }

        if (!map.Has("password") && !web.IsLocal)
        {
            map.Fail(
                "listen",
                $"'listen' would open the page to other machines without a password: set 'password: {{ file: PATH }}', or listen on "
                    + $"127.0.0.1:{web.Listen.Port}");
        }

        if (password?.Length < WebOptions.PasswordMin && !map.IsUnknown("password"))
        {
            map.Fail("password", $"'password' must have at least {WebOptions.PasswordMin} characters");
        }

        if (!web.IsLocal && web.CertificateFile is null)
        {
            warnings.Add("'web' sends its password unencrypted to other machines; name a 'certificate' and its 'key'");
        }

        map.RejectUnknown();
        return web;
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
            CanaryTicks = map.WholeOrNull("canary", ModelUpdateOptions.CanaryTicksMin, ModelUpdateOptions.CanaryTicksMax),
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
