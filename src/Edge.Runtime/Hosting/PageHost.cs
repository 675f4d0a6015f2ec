using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;
using Edge.Runtime.Web;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>Serves what edge.yaml wants over HTTP: the page, and metrics and health, each on its address.</summary>
internal sealed class PageHost : IDisposable
{
    // Memory that the points of all streams may take.
    private const int PointsMaxBytes = 2 << 20;

    private readonly WebServer _server;
    private readonly Page? _page;
    private readonly X509Certificate2? _certificate;

    private PageHost(WebServer server, Page? page, X509Certificate2? certificate, string? address)
    {
        _server = server;
        _page = page;
        _certificate = certificate;
        Address = address;
    }

    /// <summary>Where the page is, or null.</summary>
    internal string? Address { get; }

    /// <summary>Opens the addresses; null if edge.yaml names none.</summary>
    /// <param name="service">What is shown.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="commands">What a person may do.</param>
    /// <param name="metrics">The metrics, or null.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">What happens.</param>
    /// <exception cref="InputException">An address or the certificate cannot be used.</exception>
    internal static PageHost? Open(
        EdgeService service, EdgeConfig config, ServiceCommands commands, PrometheusText? metrics, TimeProvider clock, ILogger log)
    {
        if (config.Web is null && config.Telemetry?.Listen is null)
        {
            return null;
        }

        Func<string>? write = metrics is null ? null : metrics.Write;
        var telemetry = new TelemetryAnswers(write, () => service.NotAlive, () => service.NotReady);
        var endpoints = new List<WebEndpoint>();
        Page? page = null;
        X509Certificate2? certificate = null;
        if (config.Web is { } web)
        {
            certificate = ReadCertificate(web);
            PageSource source = Source(service, config, commands, log);
            page = new Page(source, new Access(web, clock), telemetry, clock, log);
            endpoints.Add(new WebEndpoint("web", web.Listen, page.AnswerAsync, certificate));
        }

        // On the page's own address its rules hold for metrics and health, too.
        if (config.Telemetry?.Listen is { } address && !address.Equals(config.Web?.Listen))
        {
            endpoints.Add(new WebEndpoint("telemetry", address, telemetry.AnswerAsync));
        }

        try
        {
            return new PageHost(new WebServer(endpoints, log), page, certificate, config.Web is null ? null : AddressOf(config.Web));
        }
        catch (InputException)
        {
            page?.Dispose();
            certificate?.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _page?.Stop();
        _server.Dispose();
        _page?.Dispose();
        _certificate?.Dispose();
    }

    private static string AddressOf(WebOptions web)
    {
        bool isAny = web.Listen.Address.Equals(IPAddress.Any) || web.Listen.Address.Equals(IPAddress.IPv6Any);
        string host = isAny ? Environment.MachineName.ToLowerInvariant() : new IPEndPoint(web.Listen.Address, 0).ToString()[..^2];
        return $"{(web.CertificateFile is null ? "http" : "https")}://{host}:{web.Listen.Port}/";
    }

    private static PageSource Source(EdgeService service, EdgeConfig config, ServiceCommands commands, ILogger log)
    {
        int bytesMax = PointsMaxBytes / service.Hosts.Count;
        var views = new List<StreamView>();
        foreach (StreamHost host in service.Hosts)
        {
            views.Add(new StreamView(() => host.Stream, bytesMax) { Learning = () => service.LearningOf(host.Stream.Name) });
        }

        History? history = config.StateFolder is null ? null : new History(config.StateFolder);
        Recall(history, views, log);
        foreach ((StreamHost host, StreamView view) in service.Hosts.Zip(views))
        {
            host.Ticked += view.Observe;
            host.Noted += view.Note;
        }

        return new PageSource
        {
            Device = config.Device,
            Streams = views,
            IsOnline = stream => service.Hosts.First(host => host.Stream.Name == stream).IsOnline,
            WriteService = json => WriteService(json, service, config, views),
            Execute = commands.ExecuteAsync,
            Offer = commands.TakesModels ? commands.OfferAsync : null,
            NeedsSignature = commands.NeedsSignature,
            History = history,
        };
    }

    // What is stored is shown from the start on. A history that cannot be read is no reason not to start.
    private static void Recall(History? history, List<StreamView> views, ILogger log)
    {
        try
        {
            if (history?.Newest([.. views.Select(view => view.Stream.Name)], StreamView.EventsMax) is { } stored)
            {
                foreach (StreamView view in views)
                {
                    (IReadOnlyList<HistoryEvent> events, long anomalies) = stored[view.Stream.Name];
                    view.Recall(events, anomalies);
                }
            }
        }
        catch (InputException e)
        {
            log.LogWarning("The page shows no events from before the start: {Message}", e.Message);
        }
    }

    private static void WriteService(Utf8JsonWriter json, EdgeService service, EdgeConfig config, List<StreamView> views)
    {
        json.WriteString("version", InfoMessage.Version);
        json.WriteString("runtime", System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription);
        json.WriteNumber("uptime_seconds", Math.Round(service.Uptime.TotalSeconds));
        json.WriteString("broker", $"{config.Mqtt.Host}:{config.Mqtt.Port}");
        json.WriteBoolean("connected", service.Publisher.IsConnected);
        json.WriteNumber("delivered", service.Publisher.Delivered);
        json.WriteNumber("refused", service.Publisher.Refused);
        json.WriteNumber("waiting", service.Waiting);
        json.WriteNumber("dropped", service.Dropped);
        json.WriteNumber("memory_bytes", Environment.WorkingSet);
        json.WriteBoolean("clock_unset", views.Any(view => view.Newest().IsClockUnset));
        if (service.Store is { } store)
        {
            json.WriteNumber("outbox_bytes", store.OutboxBytes);
            json.WriteNumber("outbox_age_seconds", Math.Round(service.LongestWait.TotalSeconds));
            json.WriteBoolean("writable", !store.IsBroken);
        }

        if (InfoMessage.FreeBytes(config.StateFolder) is { } free)
        {
            json.WriteNumber("disk_free_bytes", free);
        }
    }

    private static X509Certificate2? ReadCertificate(WebOptions web)
    {
        if (web.CertificateFile is null)
        {
            return null;
        }

        try
        {
            return X509Certificate2.CreateFromPemFile(web.CertificateFile, web.KeyFile);
        }
        catch (Exception e) when (e is CryptographicException || FileFault.Is(e))
        {
            throw new InputException(
                $"web: the certificate '{web.CertificateFile}' and its key '{web.KeyFile}' cannot be used: {e.Message} "
                    + $"Both must be PEM files, and belong together.",
                e);
        }
    }
}
