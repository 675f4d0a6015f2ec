using Edge.Streams;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Payloads;

/// <summary>The topics of docs/mqtt.md.</summary>
internal static class Topics
{
    internal static string Status(string device) => $"edge/{device}/status";

    internal static string Info(string device) => $"edge/{device}/info";

    internal static string Reading(string device, string stream) => $"edge/{device}/{stream}/reading";

    internal static string Forecast(string device, string stream) => $"edge/{device}/{stream}/forecast";

    internal static string Output(string device, string stream) => $"edge/{device}/{stream}/output";

    internal static string Anomaly(string device, string stream) => $"edge/{device}/{stream}/anomaly";

    internal static string Score(string device, string stream) => $"edge/{device}/{stream}/score";

    internal static string AnomalyState(string device, string stream) => $"edge/{device}/{stream}/anomaly/state";

    /// <summary>Whether a stream ticks: <c>online</c> or <c>offline</c>.</summary>
    internal static string StreamStatus(string device, string stream) => $"edge/{device}/{stream}/status";

    internal static string Limit(string device, string stream) => $"edge/{device}/{stream}/limit";

    internal static string LimitState(string device, string stream) => $"edge/{device}/{stream}/limit/state";

    /// <summary>What the entities of a home automation see: fewer and smaller messages than readings and forecasts.</summary>
    internal static string Entities(string device, string stream) => $"edge/{device}/{stream}/entities";

    internal static string Model(string device, string stream) => $"edge/{device}/{stream}/model";

    internal static string Command(string device, string name) => $"edge/{device}/command/{name}";

    internal static string CommandResponse(string device, string name) => $"edge/{device}/command/{name}/response";

    internal static string Health(string device, string stream) => $"edge/{device}/{stream}/health";
}
