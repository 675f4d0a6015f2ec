using System.Net;

namespace Edge.Runtime.Telemetry;

/// <summary>Where metrics go.</summary>
internal sealed record TelemetryOptions
{
    /// <summary>Shortest time between two exports.</summary>
    internal static TimeSpan EveryMin { get; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest time between two exports.</summary>
    internal static TimeSpan EveryMax { get; } = TimeSpan.FromHours(1);

    /// <summary>Address and port of /metrics and /health, or null.</summary>
    public IPEndPoint? Listen { get; init; }

    /// <summary>Address of an OTLP collector over HTTP, or null.</summary>
    public Uri? Otlp { get; init; }

    /// <summary>Time between two exports to it, <see cref="EveryMin"/>..<see cref="EveryMax"/>.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromMinutes(1);
}
