using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>The page's server without a browser: who may do what, and what hostile and many clients cost.</summary>
public sealed class WebServerTests : IDisposable
{
    private const string Password = "tomatoes and light";

    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseCookies = false }) { Timeout = Eventually.Bound };
    private readonly int _port = TestBroker.FreePort();

    public void Dispose()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Beyond_this_machine_everything_needs_the_password()
    {
        using RuntimeProcess run = await StartAsync($"listen: '0.0.0.0:{_port}', password: '{Password}'");

        // The files of the page have no secret; all else has.
        Assert.Equal(HttpStatusCode.OK, (await _client.GetAsync(Url("page.js"))).StatusCode);
        foreach (string path in new[]
        {
            "api/device", "api/live?stream=climate", "api/rows?name=climate&from=0&to=1", "metrics", "health/live",
        })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await _client.GetAsync(Url(path))).StatusCode);
        }

        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync("api/command/reset", """{"stream":"climate"}""")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync("api/login", "a guess")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync("api/device", authorization: Basic("a guess"))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync("api/device", authorization: Basic(Password))).StatusCode);

        HttpResponseMessage login = await PostAsync("api/login", Password);
        Assert.Equal(HttpStatusCode.OK, login.StatusCode);
        string cookie = Assert.Single(login.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        string session = cookie.Split(';')[0];
        Assert.Equal(HttpStatusCode.OK, (await GetAsync("api/device", session)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync("health/live", session)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync("api/logout", "", session)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync("api/device", session)).StatusCode);
    }

    [Fact]
    public async Task Without_a_password_the_page_only_shows()
    {
        using RuntimeProcess run = await StartAsync($"listen: '127.0.0.1:{_port}'");
        Assert.Equal(HttpStatusCode.OK, (await _client.GetAsync(Url("api/device"))).StatusCode);
        HttpResponseMessage refused = await PostAsync("api/command/silence", """{"stream":"climate","for":"1h"}""");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Contains(
            "Set 'password' under 'web' in edge.yaml", JsonOf(await refused.Content.ReadAsStringAsync()), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync("api/login", "")).StatusCode);
    }

    [Fact]
    public async Task What_is_wrong_is_a_sentence_and_another_site_may_do_nothing()
    {
        using RuntimeProcess run = await StartAsync($"listen: '127.0.0.1:{_port}', password: '{Password}'");
        AuthenticationHeaderValue right = Basic(Password);
        foreach ((string path, string body, HttpStatusCode status, string sentence) in new[]
        {
            ("api/command/silence", "{", HttpStatusCode.BadRequest, "The request is not JSON."),
            ("api/command/silence", """{"stream":"none","for":"1h"}""", HttpStatusCode.BadRequest, "There is no such stream."),
            ("api/command/silence", """{"stream":"climate","for":"9d"}""", HttpStatusCode.BadRequest, "'for' must be a time"),
            ("api/command/accept", """{"stream":"climate"}""", HttpStatusCode.BadRequest, "has no open anomaly"),
            ("api/command/rollback", """{"stream":"climate"}""", HttpStatusCode.BadRequest, "edge.yaml has no 'models'"),
            ("api/command/reload", "", HttpStatusCode.NotFound, "There is no such command."),
            ("api/command/reset", new string('x', 5000), HttpStatusCode.RequestEntityTooLarge, "4096 is the limit"),
            ("api/model?stream=climate", "x", HttpStatusCode.Forbidden, "edge.yaml has no 'models'"),
            ("api/other", "", HttpStatusCode.NotFound, "There is no such command."),
        })
        {
            HttpResponseMessage answer = await PostAsync(path, body, authorization: right);
            Assert.Equal((path, status), (path, answer.StatusCode));
            Assert.Contains(sentence, JsonOf(await answer.Content.ReadAsStringAsync()), StringComparison.Ordinal);
        }

        foreach ((string path, HttpStatusCode status) in new[]
        {
            ("api/stream?name=none", HttpStatusCode.NotFound),
            ("api/stream", HttpStatusCode.NotFound),
            ("api/rows?name=climate&from=5&to=1", HttpStatusCode.BadRequest),
            ("api/rows?name=climate&from=x&to=1", HttpStatusCode.BadRequest),
            ("api/rows?name=climate&from=-9223372036854775808&to=9223372036854775807&points=-1", HttpStatusCode.OK),
            ("../../etc/passwd", HttpStatusCode.NotFound),
        })
        {
            Assert.Equal((path, status), (path, (await _client.GetAsync(Url(path))).StatusCode));
        }

        HttpResponseMessage foreign = await PostAsync(
            "api/command/reset", """{"stream":"climate"}""", authorization: right, origin: "http://evil.example");
        Assert.Equal(HttpStatusCode.Forbidden, foreign.StatusCode);
        using var rebound = new HttpRequestMessage(HttpMethod.Get, Url("api/device"));
        rebound.Headers.Host = "evil.example";
        Assert.Equal(HttpStatusCode.NotFound, (await _client.SendAsync(rebound)).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await _client.DeleteAsync(Url("api/device"))).StatusCode);
        Assert.DoesNotContain("bug", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_makes_it_TLS_and_a_wrong_one_is_a_sentence()
    {
        TestCertificates.Write(_folder, "127.0.0.1");
        string tls = $"listen: '127.0.0.1:{_port}', certificate: server.pem, key: server.key";
        using var handler = new HttpClientHandler
        {
            ServerCertificateCustomValidationCallback = (_, certificate, _, _) => certificate!.Subject == "CN=edge test broker",
        };
        using var client = new HttpClient(handler);
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(tls)))
        {
            await Eventually.Async(() => IsUpAsync(client, $"https://127.0.0.1:{_port}/", run), "it is served with TLS");
        }

        string other = tls.Replace("server.key", "client.key", StringComparison.Ordinal);
        using RuntimeProcess wrong = RuntimeProcess.Start("run", "--config", WriteConfig(other));
        Assert.Equal(1, await wrong.ExitAsync());
        Assert.Contains(
            "web: the certificate",
            Assert.Single(wrong.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_and_hostile_clients_cost_a_bounded_amount_of_memory_and_no_tick()
    {
        using RuntimeProcess run = await StartAsync($"listen: '127.0.0.1:{_port}'");
        (double Ticks, double Missed) before = await TicksAsync();
        long idle = run.ResidentBytes;

        // 200 pages.
        var streams = new List<Stream>();
        for (int i = 0; i < 200; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Url("api/live?stream=climate&cell=0"));
            HttpResponseMessage answer = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            streams.Add(await answer.Content.ReadAsStreamAsync());
        }

        await Task.WhenAll(streams.Select(stream => UntilEventsAsync(stream, "event: cell", 3)));
        long watched = run.ResidentBytes;

        // Headers of a megabyte, then connections that say half a word, as many as the machine lets us open.
        for (int i = 0; i < 50; i++)
        {
            using var large = new TcpClient();
            await large.ConnectAsync(IPAddress.Loopback, _port);
            try
            {
                await large.GetStream().WriteAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nX: " + new string('x', 1 << 20)));
            }
            catch (IOException)
            {
                // Closed already.
            }
        }

        var halfOpen = new List<Socket>();
        for (int i = 0; i < 12_000; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, _port);
            halfOpen.Add(socket);
            try
            {
                await socket.SendAsync("GET /"u8.ToArray());
            }
            catch (SocketException)
            {
                // Closed already.
            }
        }

        long flooded = run.ResidentBytes;
        await Task.WhenAll(streams.Select(stream => UntilEventsAsync(stream, "event: points", 2)));
        halfOpen.ForEach(socket => socket.Dispose());
        streams.ForEach(stream => stream.Dispose());
        (double Ticks, double Missed) after = (0, 0);
        await Eventually.Async(async () => (after = await TicksAsync()).Ticks > before.Ticks, "metrics are served again");
        await File.WriteAllTextAsync(
            Path.Combine(Browser.Pictures, "clients.txt"),
            string.Create(
                CultureInfo.InvariantCulture,
                $"resident MB: {idle / 1e6:0.0} idle, {watched / 1e6:0.0} with 200 pages, {flooded / 1e6:0.0} with 12,000 half-open "
                    + $"connections as well; {after.Ticks - before.Ticks} ticks meanwhile, {after.Missed - before.Missed} missed\n"));
        Assert.InRange(watched - idle, 0, 150_000_000);
        Assert.InRange(flooded - watched, -200_000_000, 100_000_000);
        Assert.InRange(after.Missed - before.Missed, 0, (after.Ticks - before.Ticks) / 10);
        Assert.False(run.HasExited);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    private static async Task UntilEventsAsync(Stream stream, string text, int count)
    {
        byte[] buffer = new byte[16 << 10];
        using var late = new CancellationTokenSource(Eventually.Bound);
        var seen = new StringBuilder();
        while (seen.ToString().Split(text).Length <= count)
        {
            int length = await stream.ReadAsync(buffer, late.Token);
            Assert.NotEqual(0, length);
            seen.Append(Encoding.UTF8.GetString(buffer, 0, length));
        }
    }

    private static string JsonOf(string text) => JsonDocument.Parse(text).RootElement.GetProperty("message").GetString()!;

    private static AuthenticationHeaderValue Basic(string password) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"any:{password}")));

    private string Url(string path) => $"http://127.0.0.1:{_port}/{path}";

    private async Task<(double Ticks, double Missed)> TicksAsync()
    {
        try
        {
            string metrics = await _client.GetStringAsync(Url("metrics"));
            return (Sample("edge_stream_ticks_total"), Sample("edge_stream_missed_ticks_total"));

            double Sample(string name) => double.Parse(
                metrics.Split('\n').First(line => line.StartsWith(name + "{", StringComparison.Ordinal)).Split(' ')[^1],
                CultureInfo.InvariantCulture);
        }
        catch (HttpRequestException)
        {
            return (0, 0);
        }
    }

    private async Task<HttpResponseMessage> GetAsync(string path, string? cookie = null, AuthenticationHeaderValue? authorization = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Url(path));
        Prepare(request, cookie, authorization);
        return await _client.SendAsync(request);
    }

    private async Task<HttpResponseMessage> PostAsync(
        string path, string body, string? cookie = null, AuthenticationHeaderValue? authorization = null, string? origin = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Url(path)) { Content = new StringContent(body) };
        Prepare(request, cookie, authorization);
        if (origin is not null)
        {
            request.Headers.Add("Origin", origin);
        }

        return await _client.SendAsync(request);
    }

    private static void Prepare(HttpRequestMessage request, string? cookie, AuthenticationHeaderValue? authorization)
    {
        request.Headers.Authorization = authorization;
        if (cookie is not null)
        {
            request.Headers.Add("Cookie", cookie);
        }
    }

    private async Task<RuntimeProcess> StartAsync(string web)
    {
        RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(web));
        await Eventually.Async(() => IsUpAsync(_client, Url(""), run), "the page is served");
        return run;
    }

    private string WriteConfig(string web) => _folder.Write("edge.yaml", $$"""
        device: house
        mqtt: { host: 127.0.0.1, port: {{TestBroker.FreePort()}} }
        web: { {{web}} }
        telemetry: { listen: '{{(web.Contains("0.0.0.0", StringComparison.Ordinal) ? "0.0.0.0" : "127.0.0.1")}}:{{_port}}' }
        streams:
          - { name: climate, model: demo, period: 50ms, source: { simulated: { seed: 3 } } }
        """);

    private static async Task<bool> IsUpAsync(HttpClient client, string url, RuntimeProcess run)
    {
        try
        {
            return (await client.GetAsync(url)).StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            Assert.False(run.HasExited, run.Error);
            return false;
        }
    }
}
