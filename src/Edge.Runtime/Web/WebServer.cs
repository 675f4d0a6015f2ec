using System.Net.Sockets;
using Edge.Inference;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Web;

/// <summary>
/// The HTTP server of the process: Kestrel with limits on connections, sizes and times. Each address has its own answers.
/// </summary>
internal sealed class WebServer : IDisposable
{
    /// <summary>Most connections at a time; more are closed at once.</summary>
    internal const int ConnectionsMax = 512;

    private const int HeadersMaxBytes = 8 << 10;
    // Bodies that are not wanted are read up to here, so that the connection can be used again. A model sets its own limit.
    private const int BodyMaxBytes = 16 << 10;
    private const int ResponseBufferBytes = 32 << 10;
    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopWait = TimeSpan.FromSeconds(1);

    private readonly WebApplication _web;
    private readonly ILogger _log;

    /// <param name="endpoints">Addresses, each with what answers there.</param>
    /// <param name="log">What goes wrong.</param>
    /// <exception cref="InputException">An address is in use or not allowed.</exception>
    internal WebServer(IReadOnlyList<WebEndpoint> endpoints, ILogger log)
    {
        _log = log;
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.Limits.MaxConcurrentConnections = ConnectionsMax;
            server.Limits.RequestHeadersTimeout = HeadersTimeout;
            server.Limits.KeepAliveTimeout = IdleTimeout;
            server.Limits.MaxRequestBodySize = BodyMaxBytes;
            server.Limits.MaxRequestHeadersTotalSize = HeadersMaxBytes;
            server.Limits.MaxResponseBufferSize = ResponseBufferBytes;
            foreach (WebEndpoint endpoint in endpoints)
            {
                server.Listen(endpoint.Address, listen => Configure(listen, endpoint));
            }
        });
        if (endpoints.Any(endpoint => endpoint.Certificate is not null))
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        _web = builder.Build();
        _web.Run(AnswerAsync);
        try
        {
            _web.StartAsync().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or SocketException or InvalidOperationException)
        {
            ((IDisposable)_web).Dispose();
            string where = string.Join(" or ", endpoints.Select(endpoint => $"{endpoint.Key}: {endpoint.Address}"));
            throw new InputException(
                $"{where} cannot be used: {e.GetBaseException().Message.TrimEnd('.')}. "
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

    private static void Configure(ListenOptions listen, WebEndpoint endpoint)
    {
        listen.Protocols = HttpProtocols.Http1;
        listen.Use(next => connection =>
        {
            connection.Items[typeof(WebEndpoint)] = endpoint;
            return next(connection);
        });
        if (endpoint.Certificate is { } certificate)
        {
            listen.UseHttps(certificate);
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        try
        {
            var endpoint = (WebEndpoint)context.Features.GetRequiredFeature<IConnectionItemsFeature>().Items[typeof(WebEndpoint)]!;
            await (endpoint.IsOwnName(context.Request)
                ? endpoint.Answer(context)
                : Response.TextAsync(context, StatusCodes.Status404NotFound, "There is no such host.\n")).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or Microsoft.AspNetCore.Http.BadHttpRequestException)
        {
            // The client is gone, or what it sent is no request.
            context.Abort();
        }
        catch (Exception e)
        {
            _log.LogError("A bug in edge-runtime: request {Path} failed: {Message}", PrintableText.Of(context.Request.Path), e.Message);
            context.Abort();
        }
    }
}
