using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>What the service tells about itself, asked for as Prometheus, a load balancer and a collector ask.</summary>
public sealed partial class TelemetryTests : IDisposable
{
    private static readonly HttpClient Client = new() { Timeout = Eventually.Bound };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Metrics_and_health_say_how_it_is_and_the_dashboard_asks_for_nothing_else()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        int port = TestBroker.FreePort();
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port, $"port: {port}"));
        await UntilAsync(run, port, "/health/ready", HttpStatusCode.OK);
        string metrics = "";
        for (double made = 0, delivered = 0; made < 20 || delivered < 20; await Task.Delay(20))
        {
            metrics = await Client.GetStringAsync($"http://127.0.0.1:{port}/metrics");
            made = Sample(metrics, "edge_stream_ticks_total");
            delivered = Sample(metrics, "edge_mqtt_delivered_total");
        }

        Assert.Equal("""{"status":"ok","reasons":[]}""", (await Client.GetStringAsync($"http://localhost:{port}/health/live")).Trim());

        // Lines as Prometheus parses them, no series twice.
        Dictionary<string, double> series = [];
        foreach (string line in metrics.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#'))
        {
            Match match = SeriesPattern().Match(line);
            Assert.True(match.Success, line);
            series.Add(match.Groups[1].Value, double.Parse(match.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture));
        }

        const string Labels = "device=\"house\",stream=\"climate\"";
        Assert.InRange(series[$"edge_stream_ticks_total{{{Labels}}}"], 10, 1000);
        Assert.Equal(
            series[$"edge_stream_step_duration_seconds_count{{{Labels}}}"],
            series[$"edge_stream_step_duration_seconds_bucket{{{Labels},le=\"+Inf\"}}"]);

        // Most steps take less than a hundredth of a second, and more than none; on a busy machine some take whatever the others leave.
        double steps = series[$"edge_stream_step_duration_seconds_count{{{Labels}}}"];
        Assert.InRange(series[$"edge_stream_step_duration_seconds_sum{{{Labels}}}"] / steps, 1e-7, double.MaxValue);
        Assert.InRange(series[$"edge_stream_step_duration_seconds_bucket{{{Labels},le=\"0.01\"}}"], steps / 2, steps);
        double ticks = series[$"edge_stream_tick_jitter_seconds_count{{{Labels}}}"];
        Assert.InRange(series[$"edge_stream_tick_jitter_seconds_bucket{{{Labels},le=\"0.1\"}}"], ticks / 2, ticks);
        Assert.InRange(series["process_memory_usage_bytes{device=\"house\"}"], 1e7, 1e9);
        Assert.Equal(1, series["edge_mqtt_connected{device=\"house\"}"]);
        Assert.Equal(1, series[$"edge_stream_alive{{{Labels}}}"]);
        Assert.InRange(series["edge_mqtt_delivered_total{device=\"house\"}"], 10, 5000);

        string[] names =
        [
            .. metrics.Split('\n').Where(line => line.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(line => line.Split(' ')[2]),
        ];
        using JsonDocument dashboard = JsonDocument.Parse(
            await File.ReadAllTextAsync(RepositoryFile.Path("deploy/grafana/edge-runtime.json")));
        string[] asked =
        [
            .. dashboard.RootElement.GetProperty("panels").EnumerateArray()
                .Where(panel => panel.TryGetProperty("targets", out _))
                .SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
                .SelectMany(target => MetricPattern().Matches(target.GetProperty("expr").GetString()!).Select(match => match.Value)),
        ];
        Assert.All(
            asked,
            name =>
                Assert.Contains(name, names.Concat(names.SelectMany(each => new[] { $"{each}_bucket", $"{each}_sum", $"{each}_count" }))));
        Assert.All(
            names.Where(name => name.StartsWith("edge_", StringComparison.Ordinal)),
            name => Assert.Contains(asked, each => each.StartsWith(name, StringComparison.Ordinal)));
        string documented = await File.ReadAllTextAsync(RepositoryFile.Path("docs/operations.md"));
        Assert.All(names, name => Assert.Contains($"`{name}`", documented, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nothing_but_GET_for_its_own_names_is_answered()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        int port = TestBroker.FreePort();
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port, $"port: {port}"));
        await UntilAsync(run, port, "/health/live", HttpStatusCode.OK);
        Assert.Equal(HttpStatusCode.NotFound, (await Client.GetAsync($"http://127.0.0.1:{port}/../../etc/passwd")).StatusCode);
        Assert.Equal(
            HttpStatusCode.MethodNotAllowed,
            (await Client.PostAsync($"http://127.0.0.1:{port}/metrics", new StringContent("x"))).StatusCode);
        using var foreign = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{port}/metrics");
        foreign.Headers.Host = "evil.example";
        Assert.False((await Client.SendAsync(foreign)).IsSuccessStatusCode);

        // Clients that say nothing, half a request, or a megabyte of header.
        var idle = new List<TcpClient>();
        foreach (string start in new[] { "", "GET /metrics HTT", "\0\0\0\0", "GET /metrics HTTP/1.1\r\nX: " + new string('x', 1 << 20) })
        {
            for (int i = 0; i < 20; i++)
            {
                var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, port);
                idle.Add(client);
                try
                {
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(start));
                }
                catch (IOException)
                {
                    // Thrown out already.
                }
            }
        }

        Assert.Equal(HttpStatusCode.OK, (await Client.GetAsync($"http://127.0.0.1:{port}/health/live")).StatusCode);
        Assert.False(run.HasExited);
        idle.ForEach(client => client.Dispose());
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    [Fact]
    public async Task Without_a_broker_it_lives_but_is_not_ready()
    {
        int port = TestBroker.FreePort();
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(TestBroker.FreePort(), $"port: {port}"));
        await UntilAsync(run, port, "/health/live", HttpStatusCode.OK);
        await run.UntilSaidAsync("Retrying");

        // Until the stream has its first forecast, that is a reason, too.
        await Eventually.Async(
            async () =>
            {
                HttpResponseMessage ready = await Client.GetAsync($"http://127.0.0.1:{port}/health/ready");
                Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
                return (await ready.Content.ReadAsStringAsync()).Trim()
                    == """{"status":"failing","reasons":["the broker is not connected"]}""";
            },
            "the broker is the only reason");
    }

    [Fact]
    public async Task A_port_that_is_taken_is_one_sentence()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(1883, $"port: {port}"));
        Assert.Equal(1, await run.ExitAsync());
        Assert.Contains(
            $"telemetry: 127.0.0.1:{port} cannot be used",
            Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_collector_gets_the_metrics_by_OTLP()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        int port = TestBroker.FreePort();
        using var collector = new HttpListener();
        collector.Prefixes.Add($"http://127.0.0.1:{port}/");
        collector.Start();
        using RuntimeProcess run = RuntimeProcess.Start(
            "run",
            "--config",
            WriteConfig(broker.Port, $"otlp: 'http://127.0.0.1:{port}', every: 1s"));
        string all = "";
        while (!all.Contains("edge.stream.ticks", StringComparison.Ordinal)
            || !all.Contains("edge.stream.step.duration", StringComparison.Ordinal))
        {
            HttpListenerContext context = await collector.GetContextAsync().WaitAsync(Eventually.Bound);
            Assert.Equal("/v1/metrics", context.Request.Url!.AbsolutePath);
            Assert.Equal("application/x-protobuf", context.Request.ContentType);
            using var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body);
            all = Encoding.Latin1.GetString(body.ToArray());
            context.Response.Close();
        }

        Assert.All(
            new[] { "edge-runtime", "service.instance.id", "house", "climate", "dotnet.gc.collections" },
            part => Assert.Contains(part, all, StringComparison.Ordinal));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    private string WriteConfig(int broker, string telemetry) => _folder.Write("edge.yaml", $$"""
        device: house
        state: state
        mqtt: { host: 127.0.0.1, port: {{broker}} }
        telemetry: { {{telemetry}} }
        streams:
          - { name: climate, model: demo, period: 50ms, source: { simulated: { seed: 3 } } }
        """);

    private static double Sample(string metrics, string name) =>
        metrics.Split('\n').FirstOrDefault(line => line.StartsWith(name + "{", StringComparison.Ordinal)) is { } line
            ? double.Parse(line.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture)
            : 0;

    private static async Task UntilAsync(RuntimeProcess run, int port, string path, HttpStatusCode status)
    {
        for (long started = Stopwatch.GetTimestamp(); ; await Task.Delay(50))
        {
            try
            {
                if ((await Client.GetAsync($"http://127.0.0.1:{port}{path}")).StatusCode == status)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not up yet.
            }

            Assert.True(!run.HasExited && Stopwatch.GetElapsedTime(started) < Eventually.Bound, $"{path} is not {status}: {run.Error}");
        }
    }

    [GeneratedRegex(@"^([a-z_]+\{(?:[a-z_]+=""[^""]*"",?)*\}) (NaN|[-+0-9.E]+)$")]
    private static partial Regex SeriesPattern();

    [GeneratedRegex(@"\b(?:edge|process)_[a-z_]+")]
    private static partial Regex MetricPattern();
}
