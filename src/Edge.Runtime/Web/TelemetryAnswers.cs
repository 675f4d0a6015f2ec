using System.Text.Json;
using Edge.Runtime.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Edge.Runtime.Web;

/// <summary>Answers <c>/metrics</c>, <c>/health/live</c> and <c>/health/ready</c>: GET, without a body.</summary>
/// <param name="metrics">Writes the metrics; null for none.</param>
/// <param name="notAlive">Why the service is not alive, one sentence each.</param>
/// <param name="notReady">Why the service is not ready, one sentence each.</param>
internal sealed class TelemetryAnswers(
    Func<string>? metrics,
    Func<IReadOnlyList<string>> notAlive,
    Func<IReadOnlyList<string>> notReady)
{
    internal Task AnswerAsync(HttpContext context) => context.Request.Method != HttpMethods.Get
        ? Response.TextAsync(context, StatusCodes.Status405MethodNotAllowed, "GET only.\n")
        : TryAnswer(context)
            ?? Response.TextAsync(context, StatusCodes.Status404NotFound, "There are /metrics, /health/live and /health/ready.\n");

    /// <summary>Answers if the path is one of these; null if it is not.</summary>
    internal Task? TryAnswer(HttpContext context) => context.Request.Path.Value switch
    {
        "/metrics" when metrics is not null => Response.TextAsync(context, StatusCodes.Status200OK, metrics(), PrometheusText.ContentType),
        "/health/live" => HealthAsync(context, notAlive()),
        "/health/ready" => HealthAsync(context, notReady()),
        _ => null,
    };

    private static Task HealthAsync(HttpContext context, IReadOnlyList<string> problems) => Response.ObjectAsync(
        context,
        problems.Count == 0 ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable,
        json =>
        {
            json.WriteString("status", problems.Count == 0 ? "ok" : "failing");
            json.WriteStartArray("reasons");
            foreach (string problem in problems)
            {
                json.WriteStringValue(problem);
            }

            json.WriteEndArray();
        });
}
