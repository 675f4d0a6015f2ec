using Edge.Onnx;
using Edge.Runtime.Remote;
using Edge.Runtime.Streams;

namespace Edge.Runtime.Configuration;

/// <summary>The whole of edge.yaml, checked.</summary>
internal sealed record EdgeConfig
{
    /// <summary>Name of the device in topics, [a-z0-9_-]+.</summary>
    public required string Device { get; init; }

    /// <summary>Folder for what must outlive the process, or null.</summary>
    public string? StateFolder { get; init; }

    /// <summary>How often it is forced to the card, that is, what a power cut may cost; zero for every tick.</summary>
    public TimeSpan Durability { get; init; } = TimeSpan.FromSeconds(5);

    public required MqttConfig Mqtt { get; init; }

    /// <summary>Where the kernel shows its devices.</summary>
    public string Sysfs { get; init; } = "/sys";

    /// <summary>Where new models come from; null for nowhere.</summary>
    public ModelsConfig? Models { get; init; }

    /// <summary>What may be asked for over MQTT.</summary>
    public IReadOnlyList<CommandName> Commands { get; init; } = [];

    /// <summary>Who is told how the service does; null for nobody but the log and the health topics.</summary>
    public TelemetryConfig? Telemetry { get; init; }

    /// <summary>How models of engine onnx are computed.</summary>
    public OnnxOptions OnnxRuntime { get; init; } = new();

    public required IReadOnlyList<StreamConfig> Streams { get; init; }

    /// <summary>What is no mistake but should be changed, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

internal sealed record ModelsConfig
{
    /// <summary>Folder in which new models are laid, or null.</summary>
    public string? IncomingFolder { get; init; }

    /// <summary>Public key whose signature they must carry, PEM; null where unsigned ones are allowed.</summary>
    public string? TrustedKeyFile { get; init; }

    /// <summary>Ticks for which a new model is compared with the one in use.</summary>
    public int CanaryTicks { get; init; } = 1000;
}

internal sealed record TelemetryConfig
{
    /// <summary>TCP port of /metrics and /health on the loopback address, or null.</summary>
    public int? Port { get; init; }

    /// <summary>Where a collector takes OTLP over HTTP, or null.</summary>
    public Uri? Otlp { get; init; }

    /// <summary>Time between two exports to it.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromMinutes(1);
}

internal enum MqttVersion
{
    /// <summary>MQTT 5.</summary>
    Five,

    /// <summary>MQTT 3.1.1, for a broker that knows no better: no content type, expiry, user properties or response topic.</summary>
    ThreeOneOne,
}

internal sealed record MqttConfig
{
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>TCP port, 1..65535. Default: 8883 with TLS, 1883 without.</summary>
    public int Port { get; init; } = 1883;

    public MqttVersion Version { get; init; }

    public TlsConfig? Tls { get; init; }

    public string? Username { get; init; }

    public string? Password { get; init; }

    public OutboxConfig Outbox { get; init; } = new();

    /// <summary>Whether Home Assistant is told what there is.</summary>
    public Discovery Discovery { get; init; }
}

/// <summary>Who is told what there is.</summary>
internal enum Discovery
{
    None,
    HomeAssistant,
}

/// <summary>Files in PEM. Without a CA the system's trust store decides.</summary>
internal sealed record TlsConfig(string? CaFile, string? CertificateFile, string? KeyFile);

internal sealed record OutboxConfig
{
    /// <summary>Most bytes of payload kept while the broker is away.</summary>
    public long SizeMaxBytes { get; init; } = 256L << 20;

    /// <summary>Age at which a reading or a forecast is of no use to anyone: the message expiry of MQTT 5.</summary>
    public TimeSpan AgeMax { get; init; } = TimeSpan.FromDays(7);
}

/// <summary>What computes a model.</summary>
internal enum EngineKind
{
    /// <summary>The int8 cell.</summary>
    Int8,

    /// <summary>The float model itself, on ONNX Runtime.</summary>
    Onnx,
}

internal sealed record StreamConfig
{
    /// <summary>Name of the stream in topics, [a-z0-9_-]+.</summary>
    public required string Name { get; init; }

    /// <summary>Path of a model file, <c>demo</c> for the bundled one, or empty for a stream that can only be recorded yet.</summary>
    public required string Model { get; init; }

    /// <summary>What computes it.</summary>
    public EngineKind Engine { get; init; }

    /// <summary>Path of an ONNX model's manifest; null for the one beside it.</summary>
    public string? Manifest { get; init; }

    /// <summary>Path of the model that the saved state may still be of: the same weights in another engine. Null for none.</summary>
    public string? StateFrom { get; init; }

    /// <summary>Time from tick to tick; null for the model's own.</summary>
    public TimeSpan? Period { get; init; }

    /// <summary>Ticks for which a channel without a usable value keeps its last one.</summary>
    public int HoldTicks { get; init; } = 5;

    public required SourceConfig Source { get; init; }

    /// <summary>Whether each tick's reading is published; anomalies and health always are.</summary>
    public bool PublishesReadings { get; init; } = true;

    /// <summary>Whether each tick's forecast is published.</summary>
    public bool PublishesForecasts { get; init; } = true;

    public ForecastConfig Forecast { get; init; } = new();

    public AnomalyConfig Anomaly { get; init; } = new();
}

internal sealed record ForecastConfig
{
    /// <summary>Share of actual values that the interval is to hold, 0.5..0.999.</summary>
    public double Interval { get; init; } = 0.9;

    /// <summary>Most ticks of a roll-out.</summary>
    public const int HorizonMax = 1000;

    /// <summary>Ticks for which a one-step model's forecasts are fed back; 1 for the model's own outputs.</summary>
    public int Horizon { get; init; } = 1;

    /// <summary>After how long things repeat themselves; null for a day, where that is a sensible number of ticks, and zero for never.</summary>
    public TimeSpan? Season { get; init; }

    /// <summary>Ticks of a season; 0 for none.</summary>
    /// <exception cref="InputException">The season is too long or too short for this period.</exception>
    internal int SeasonTicks(TimeSpan period)
    {
        if (Season is not { } season)
        {
            return SeasonalBaseline.DefaultTicks(period);
        }

        double ticks = Math.Round(season / period);
        return ticks is 0 or (>= 2 and <= SeasonalBaseline.TicksMax)
            ? (int)ticks
            : throw new InputException($"'forecast.season' is {ticks} ticks of {period.TotalSeconds} s; 2 to {SeasonalBaseline.TicksMax} can be kept. Choose a shorter one, or none.");
    }
}

internal sealed record AnomalyConfig
{
    /// <summary>False alarms a week that are put up with for noticing more, above 0.</summary>
    public double FalseAlarmsAWeek { get; init; } = 0.1;

    /// <summary>Ticks in a row that must be abnormal before an anomaly opens, and normal before it closes. 1..1000.</summary>
    public int MinDurationTicks { get; init; } = 3;

    /// <summary>What lasts longer than this is taken for the usual; null for a day or a thousand ticks, whichever is longer.</summary>
    public TimeSpan? Adapt { get; init; }

    /// <summary>After an anomaly, the time for which no other opens.</summary>
    public TimeSpan CoolDown { get; init; }

    /// <summary>An output of the board that is high while an anomaly is open, or null.</summary>
    public int? AlarmPin { get; init; }
}
