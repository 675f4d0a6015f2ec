using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Edge.Inference;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Telemetry;

/// <summary>
/// Serves <c>/metrics</c>, <c>/health/live</c> and <c>/health/ready</c> to this machine only: GET on the loopback address.
/// </summary>
internal sealed class HealthServer : IDisposable
{
    private const int RequestsMax = 8;
    private static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(2);

    private readonly HttpListener _listener = new();
    private readonly SemaphoreSlim _open = new(RequestsMax);
    private readonly Func<string> _metrics;
    private readonly Func<IReadOnlyList<string>> _notAlive;
    private readonly Func<IReadOnlyList<string>> _notReady;
    private readonly ILogger _log;
    private readonly Task _answering;

    /// <param name="port">TCP port.</param>
    /// <param name="metrics">Writes the metrics.</param>
    /// <param name="notAlive">Why the service is not alive, one sentence each.</param>
    /// <param name="notReady">Why the service is not ready, one sentence each.</param>
    /// <param name="log">What goes wrong.</param>
    /// <exception cref="InputException">The port is in use or not allowed.</exception>
    internal HealthServer(
        int port,
        Func<string> metrics,
        Func<IReadOnlyList<string>> notAlive,
        Func<IReadOnlyList<string>> notReady,
        ILogger log)
    {
        _metrics = metrics;
        _notAlive = notAlive;
        _notReady = notReady;
        _log = log;

        // Other host names are refused, so that a remote web page cannot reach it through its own host name.
        _listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        if (IsLocalhostKnown())
        {
            _listener.Prefixes.Add($"http://localhost:{port}/");
        }

        try
        {
            _listener.Start();
        }
        catch (Exception e) when (e is HttpListenerException or SocketException)
        {
            throw new InputException(
                $"telemetry.port: port {port} on 127.0.0.1 cannot be used: {e.Message.TrimEnd('.')}. "
                    + $"Choose another port, or stop the program that uses it.",
                e);
        }

        _answering = Task.Run(AnswerAsync);
    }

    public void Dispose()
    {
        _listener.Close();
        _answering.Wait(AnswerMax);
        _open.Dispose();
    }

    // A machine without a hosts file has no localhost, and the listener would not start.
    private static bool IsLocalhostKnown()
    {
        try
        {
            return Array.Exists(Dns.GetHostAddresses("localhost"), IPAddress.IsLoopback);
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task AnswerAsync()
    {
        while (_listener.IsListening)
        {
            try
            {
                HttpListenerContext context = await _listener.GetContextAsync().ConfigureAwait(false);
                if (!await _open.WaitAsync(AnswerMax).ConfigureAwait(false))
                {
                    context.Response.Abort();
                    continue;
                }

                _ = AnswerAsync(context);
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                // The listener was closed, or the client closed its connection before its request.
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        try
        {
            (int status, string type, string body) = Answer(context.Request);
            byte[] bytes = Encoding.UTF8.GetBytes(body);
            context.Response.StatusCode = status;
            context.Response.ContentType = type;
            context.Response.ContentLength64 = bytes.Length;
            using var late = new CancellationTokenSource(AnswerMax);
            await context.Response.OutputStream.WriteAsync(bytes, late.Token).ConfigureAwait(false);
            context.Response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or OperationCanceledException
            or IOException or InvalidOperationException)
        {
            context.Response.Abort();
        }
        catch (Exception e)
        {
            _log.LogError("A bug in edge-runtime: request {Path} failed: {Message}", context.Request.RawUrl, e.Message);
            context.Response.Abort();
        }
        finally
        {
            try
            {
                _open.Release();
            }
            catch (ObjectDisposedException)
            {
                // The service has stopped.
            }
        }
    }

    private (int Status, string Type, string Body) Answer(HttpListenerRequest request) =>
        (request.HttpMethod, request.Url?.AbsolutePath) switch
        {
            ("GET", "/metrics") => (200, PrometheusText.ContentType, _metrics()),
            ("GET", "/health/live") => Health(_notAlive()),
            ("GET", "/health/ready") => Health(_notReady()),
            ("GET", _) => (404, "text/plain", "There are /metrics, /health/live and /health/ready.\n"),
            _ => (405, "text/plain", "GET only.\n"),
        };

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
