using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Edge.Inference;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Telemetry;

/// <summary>
/// Serves <c>/metrics</c>, <c>/health/live</c> and <c>/health/ready</c>: GET, without a body. On a loopback address only requests for this
/// machine's own names are answered, so that a remote web page cannot reach it through a host name of its own.
/// </summary>
internal sealed class HealthServer : IDisposable
{
    private const int ConnectionsMax = 64;
    private const int HeadersMaxBytes = 8 << 10;
    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopWait = TimeSpan.FromSeconds(2);
    private static readonly string[] OwnNames = ["127.0.0.1", "localhost", "[::1]"];

    private readonly WebApplication _web;
    private readonly bool _isLocal;
    private readonly Func<string> _metrics;
    private readonly Func<IReadOnlyList<string>> _notAlive;
    private readonly Func<IReadOnlyList<string>> _notReady;
    private readonly ILogger _log;

    /// <param name="address">Address and port.</param>
    /// <param name="metrics">Writes the metrics.</param>
    /// <param name="notAlive">Why the service is not alive, one sentence each.</param>
    /// <param name="notReady">Why the service is not ready, one sentence each.</param>
    /// <param name="log">What goes wrong.</param>
    /// <exception cref="InputException">The address is in use or not allowed.</exception>
    internal HealthServer(
        IPEndPoint address,
        Func<string> metrics,
        Func<IReadOnlyList<string>> notAlive,
        Func<IReadOnlyList<string>> notReady,
        ILogger log)
    {
        _isLocal = IPAddress.IsLoopback(address.Address);
        _metrics = metrics;
        _notAlive = notAlive;
        _notReady = notReady;
        _log = log;
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.Limits.MaxConcurrentConnections = ConnectionsMax;
            server.Limits.RequestHeadersTimeout = HeadersTimeout;
            server.Limits.KeepAliveTimeout = IdleTimeout;
            server.Limits.MaxRequestBodySize = 0;
            server.Limits.MaxRequestHeadersTotalSize = HeadersMaxBytes;
            server.Listen(address);
        });
        _web = builder.Build();
        _web.Run(AnswerAsync);
        try
        {
            _web.StartAsync().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or SocketException or InvalidOperationException)
        {
            ((IDisposable)_web).Dispose();
            throw new InputException(
                $"telemetry: {address} cannot be used: {e.GetBaseException().Message.TrimEnd('.')}. "
                    + $"Choose another port or address, or stop the program that uses it.",
                e);
        }
    }

    public void Dispose()
    {
        using var late = new CancellationTokenSource(StopWait);
        try
        {
            _web.StopAsync(late.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            // A client did not take its answer.
        }

        ((IDisposable)_web).Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        try
        {
            (int status, string type, string body) = Answer(context.Request);
            context.Response.StatusCode = status;
            context.Response.ContentType = type;
            await context.Response.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The client is gone.
        }
        catch (Exception e)
        {
            _log.LogError("A bug in edge-runtime: request {Path} failed: {Message}", PrintableText.Of(context.Request.Path), e.Message);
            context.Abort();
        }
    }

    private (int Status, string Type, string Body) Answer(HttpRequest request)
    {
        if (_isLocal && !OwnNames.Contains(request.Host.Host))
        {
            return (404, "text/plain", "There is no such host.\n");
        }

        return (request.Method, request.Path.Value) switch
        {
            ("GET", "/metrics") => (200, PrometheusText.ContentType, _metrics()),
            ("GET", "/health/live") => Health(_notAlive()),
            ("GET", "/health/ready") => Health(_notReady()),
            ("GET", _) => (404, "text/plain", "There are /metrics, /health/live and /health/ready.\n"),
            _ => (405, "text/plain", "GET only.\n"),
        };
    }

    private static (int Status, string Type, string Body) Health(IReadOnlyList<string> problems)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            json.WriteString("status", problems.Count == 0 ? "ok" : "failing");
            json.WriteStartArray("reasons");
            foreach (string problem in problems)
            {
                json.WriteStringValue(problem);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return (problems.Count == 0 ? 200 : 503, "application/json", Encoding.UTF8.GetString(text.ToArray()) + "\n");
    }
}
