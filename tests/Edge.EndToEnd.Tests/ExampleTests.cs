using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>What examples/ shows works with the real programs, the real service and a real broker.</summary>
public sealed partial class ExampleTests : IDisposable
{
    private static readonly HttpClient Client = new() { Timeout = Eventually.Bound };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [NodeRedFact]
    public async Task In_Node_RED_the_page_has_forecasts_and_the_lamp_is_lit_while_an_anomaly_is_open()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber lamp = await Subscriber.StartAsync(broker.Port, "plant/#");
        int port = TestBroker.FreePort();
        string flow = Example("node-red/flow.json");
        Assert.Contains("\"port\": \"1883\"", flow, StringComparison.Ordinal);
        flow = flow.Replace("\"port\": \"1883\"", $"\"port\": \"{broker.Port}\"", StringComparison.Ordinal);
        string settings = _folder.Write("settings.js", "module.exports = { uiHost: '127.0.0.1', disableEditor: true };");
        using var nodeRed = new ExampleProgram(
            "node", NodeRedFactAttribute.Program, "--settings", settings, "--userDir", _folder.Path, "--port", $"{port}",
            _folder.Write("flow.json", flow));
        await SaidAsync(nodeRed, "Connected to broker");
        var page = new Uri($"http://127.0.0.1:{port}/edge");
        Assert.Contains("No device has published yet.", await Client.GetStringAsync(page), StringComparison.Ordinal);

        string config = Config(broker.Port, "faults: [ { at: 40s, duration: 5s, kind: bias, channel: temperature, magnitude: 4 } ]");
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await lamp.UntilAsync(seen =>
            string.Join(' ', seen.Select(each => each.Payload)).StartsWith("OFF ON OFF", StringComparison.Ordinal));
        Assert.All(lamp.All, each => Assert.Equal("plant/lamp/greenhouse", each.Topic));
        string html = await Client.GetStringAsync(page);
        foreach (string channel in new[] { "temperature", "humidity", "light", "co2" })
        {
            Assert.Matches($@"<td>greenhouse</td><td>climate</td><td>[a-z]+</td><td>{channel}</td><td>-?[0-9.]+ [a-zA-Z%]+</td>", html);
        }

        string said = WebUtility.HtmlDecode(html);
        Assert.Matches("<li>[^<]* greenhouse/climate: opened: temperature is ", said);
        Assert.Matches("<li>[^<]* greenhouse/climate: closed: ", said);

        // What anybody may publish neither stops it nor becomes part of the page as markup.
        ExampleProgram.Run("mosquitto_pub", "", "-p", $"{broker.Port}", "-t", "edge/x/y/forecast", "-m", "[1,2");
        ExampleProgram.Run("mosquitto_pub", "", "-p", $"{broker.Port}", "-t", "edge/x/y/forecast", "-m", "{\"channels\":{\"a\":7}}");
        ExampleProgram.Run("mosquitto_pub", "", "-p", $"{broker.Port}", "-t", "edge/x/<b>/status", "-m", "<script>");
        await Eventually.Async(
            async () => (await Client.GetStringAsync(page)).Contains("&lt;script&gt;", StringComparison.Ordinal),
            "the page has the status");
        Assert.DoesNotContain("<script>", await Client.GetStringAsync(page), StringComparison.Ordinal);
        Assert.DoesNotContain("TypeError", nodeRed.Output, StringComparison.Ordinal);
    }

    [PrometheusFact]
    public async Task Prometheus_raises_the_alerts_and_knows_every_series_that_the_dashboards_ask_for()
    {
        foreach (string name in new[] { "prometheus.yml", "alerts.yml", "alerts.test.yml" })
        {
            _folder.Write(name, Example($"prometheus/{name}").Replace("_interval: 15s", "_interval: 1s", StringComparison.Ordinal));
        }

        _folder.Write("alerts.test.yml", Example("prometheus/alerts.test.yml"));
        Assert.Contains(
            "SUCCESS", ExampleProgram.Run("promtool", "", "test", "rules", _folder.File("alerts.test.yml")), StringComparison.Ordinal);
        int metrics = TestBroker.FreePort();
        string targets = Example("prometheus/targets.yml");
        Assert.Contains("localhost:9464", targets, StringComparison.Ordinal);
        _folder.Write("targets.yml", targets.Replace("localhost:9464", $"localhost:{metrics}", StringComparison.Ordinal));
        ExampleProgram.Run("promtool", "", "check", "config", _folder.File("prometheus.yml"));

        await using TestBroker broker = await TestBroker.StartAsync();
        string config = Config(
            broker.Port,
            "faults: [ { at: 60s, duration: 3000s, kind: dropout, channel: light } ]",
            $"telemetry: {{ port: {metrics} }}\nstate: state",
            "limits: { temperature: { high: 5 }, humidity: { low: -1000 } }");
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        int port = TestBroker.FreePort();
        using var prometheus = new ExampleProgram(
            "prometheus", $"--config.file={_folder.File("prometheus.yml")}", $"--storage.tsdb.path={_folder.File("tsdb")}",
            $"--web.listen-address=127.0.0.1:{port}");
        await SaidAsync(prometheus, "Server is ready to receive web requests");

        // The two that must be there, of the reading that is beyond its limit and of the sensor that fails.
        var api = new Uri($"http://127.0.0.1:{port}/api/v1/");
        await Eventually.Async(
            async () =>
            {
                string[] firing = [.. (await DataAsync(new Uri(api, "alerts"))).GetProperty("alerts").EnumerateArray()
                    .Where(each => each.GetProperty("state").GetString() == "firing")
                    .Select(each => each.GetProperty("labels").GetProperty("alertname").GetString()!)];
                return firing.Contains("EdgeAnomaly") && firing.Contains("EdgeLimitExceeded");
            },
            "EdgeAnomaly and EdgeLimitExceeded fire");
        JsonElement rules = (await DataAsync(new Uri(api, "rules"))).GetProperty("groups");
        JsonElement[] all = [.. rules.EnumerateArray().SelectMany(group => group.GetProperty("rules").EnumerateArray())];
        Assert.All(all, rule => Assert.Equal("ok", rule.GetProperty("health").GetString()));

        // Every series of rules and dashboards is there; the demo's model has no output but forecasts.
        string[] names = [.. (await DataAsync(new Uri(api, "label/__name__/values"))).EnumerateArray().Select(each => each.GetString()!)];
        string[] asked =
        [
            .. all.SelectMany(rule => SeriesPattern().Matches(rule.GetProperty("query").GetString()!)).Select(match => match.Value),
            .. Expressions("examples/grafana/edge-curves.json")
                .SelectMany(each => SeriesPattern().Matches(each)).Select(match => match.Value),
        ];
        Assert.NotEmpty(asked);
        Assert.All(asked, name => Assert.Contains(name, names));
        foreach (string expression in new[] { "examples/grafana/edge-curves.json", "deploy/grafana/edge-runtime.json" }
            .SelectMany(Expressions).Where(each => !each.StartsWith("edge_stream_output", StringComparison.Ordinal)))
        {
            // As Grafana fills in its variables.
            string query = VariablePattern().Replace(expression, match => match.Value is "$__rate_interval" or "$__interval" ? "5s" : ".*");
            await Eventually.Async(
                async () =>
                    (await DataAsync(new Uri(api, $"query?query={Uri.EscapeDataString(query)}"))).GetProperty("result") is var result
                    && (result.GetArrayLength() > 0 || query.Contains("changes(", StringComparison.Ordinal)),
                $"an answer to {query}");
        }
    }

    [Fact]
    public async Task Every_topic_and_member_that_an_example_names_is_published()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", FaultyConfig(broker.Port));
        await subscriber.UntilAsync(
            seen => seen.Any(each => each.Topic == "edge/greenhouse/climate/anomaly")
                && seen.Any(each => each.Topic == "edge/greenhouse/climate/reading"));
        string[] topics = [.. subscriber.All.Select(each => each.Topic).Distinct()];
        string telegraf = Example("telegraf/telegraf.conf");
        string[] filters =
        [
            .. FilterPattern().Matches(telegraf + Example("node-red/flow.json") + Example("home-assistant/edge_event.yaml"))
                .Select(match => TemplatePattern().Replace(match.Groups[1].Value, "+")).Distinct(),
        ];
        Assert.True(filters.Length >= 7, string.Join(' ', filters));
        foreach (string filter in filters)
        {
            string pattern = $"^{Regex.Escape(filter).Replace(@"\+", "[^/]+", StringComparison.Ordinal)}$";
            Assert.True(topics.Any(topic => Regex.IsMatch(topic, pattern)), $"no message is published on {filter}");
        }

        foreach (string kind in new[] { "anomaly", "limit" })
        {
            JsonElement message = Json(subscriber.On($"edge/greenhouse/climate/{kind}")[0].Payload);
            foreach (Match path in PathPattern().Matches(telegraf[telegraf.IndexOf("edge_event\"", StringComparison.Ordinal)..]))
            {
                Assert.True(message.TryGetProperty(path.Groups[1].Value, out _), $"{kind} has no {path.Groups[1].Value}");
            }
        }

        JsonElement reading = Json(subscriber.On("edge/greenhouse/climate/reading")[0].Payload);
        Assert.Equal(JsonValueKind.Number, reading.GetProperty("channels").GetProperty("temperature").GetProperty("value").ValueKind);
    }

    [TemplateFact]
    public async Task The_blueprint_of_Home_Assistant_is_valid_and_tells_of_anomalies_and_limits()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", FaultyConfig(broker.Port));
        await subscriber.UntilAsync(seen =>
            seen.Any(each => each.Topic == "edge/greenhouse/climate/anomaly" && Text(each, "event") == "closed"));
        Seen[] events =
            [.. subscriber.All.Where(each => each.Topic is "edge/greenhouse/climate/anomaly" or "edge/greenhouse/climate/limit")];
        Told[] all = Render(events);
        Assert.Equal(events.Length, all.Length);
        Assert.All(events.Zip(all), pair => Assert.Equal(IsNews(pair.First), pair.Second.IsTold));
        foreach ((Seen seen, Told told) in events.Zip(all).Where(pair => pair.Second.IsTold))
        {
            Assert.Equal(Text(seen, "message"), told.Message);
            Assert.Equal($"edge_greenhouse_climate_{Text(seen, "id")}", told.Id);
            Assert.StartsWith("greenhouse/climate: ", told.Title, StringComparison.Ordinal);
        }

        // A limit that stays exceeded is told once.
        Seen limit = events.First(each => each.Topic.EndsWith("/limit", StringComparison.Ordinal) && Text(each, "stage") == "exceeded");
        string time = Text(limit, "time")!;
        Seen later = limit with
        {
            Payload = limit.Payload.Replace($"\"time\":\"{time}\"", "\"time\":\"2099-01-01T00:00:00.000Z\"", StringComparison.Ordinal)
                .Replace("\"event\":\"opened\"", "\"event\":\"updated\"", StringComparison.Ordinal),
        };
        Assert.DoesNotContain(Render([later]), told => told.IsTold);

        // Another device, another choice, and what is no message of ours.
        Assert.Empty(Render(events, """{"device":"cellar"}"""));
        Assert.DoesNotContain(Render(events, """{"severities":[],"stages":[],"closed":false}"""), told => told.IsTold);
        Assert.DoesNotContain(
            Render([.. new[] { "", "17", "[]", "{}", "offline" }.Select(each => events[0] with { Payload = each })]), told => told.IsTold);
    }

    private static bool IsNews(Seen seen) => Text(seen, "event") != "updated"
        || (seen.Topic.EndsWith("/limit", StringComparison.Ordinal) && Text(seen, "stage_since") == Text(seen, "time"));

    private static Told[] Render(IEnumerable<Seen> messages, string inputs = "{}")
    {
        string lines = string.Concat(messages.Select(each =>
            JsonSerializer.Serialize(new Dictionary<string, string> { ["topic"] = each.Topic, ["payload"] = each.Payload }) + "\n"));
        string output = ExampleProgram.Run(
            TemplateFactAttribute.Python, lines, RepositoryFile.Path("tests/Edge.EndToEnd.Tests/Blueprint/blueprint.py"),
            RepositoryFile.Path("examples/home-assistant/edge_event.yaml"), inputs);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Json).Select(each => new Told(
            each.GetProperty("told").GetBoolean(), Data(each, "notification_id"), Data(each, "title"), Data(each, "message")))];
    }

    private static string? Data(JsonElement told, string name) =>
        told.GetProperty("data") is { ValueKind: JsonValueKind.Object } data ? data.GetProperty(name).GetString() : null;

    private static string Example(string name) => File.ReadAllText(RepositoryFile.Path($"examples/{name}"));

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement.Clone();

    private static string? Text(Seen seen, string member) => Json(seen.Payload).GetProperty(member).GetString();

    private static async Task<JsonElement> DataAsync(Uri question)
    {
        using HttpResponseMessage answer = await Client.GetAsync(question);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{question}: {text}");
        return Json(text).GetProperty("data");
    }

    private static Task SaidAsync(ExampleProgram program, string text) => Eventually.Async(
        () => !program.HasExited
            ? program.Output.Contains(text, StringComparison.Ordinal)
            : throw new InvalidOperationException($"It ended: {program.Output}"),
        text);

    private static string[] Expressions(string dashboard)
    {
        JsonElement root = Json(File.ReadAllText(RepositoryFile.Path(dashboard)));
        string[] annotations = root.TryGetProperty("annotations", out JsonElement list)
            ? [.. list.GetProperty("list").EnumerateArray().Select(each => each.GetProperty("expr").GetString()!)]
            : [];
        return
        [
            .. annotations,
            .. root.GetProperty("panels").EnumerateArray()
                .Where(panel => panel.TryGetProperty("targets", out _))
                .SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
                .Select(target => target.GetProperty("expr").GetString()!.Replace("channel=\"$", "channel=~\"$", StringComparison.Ordinal)),
        ];
    }

    private string FaultyConfig(int broker) => Config(
        broker,
        "faults: [ { at: 40s, duration: 5s, kind: bias, channel: temperature, magnitude: 4 } ]",
        "",
        "limits: { temperature: { high: 26 } }");

    private string Config(int broker, string faults, string top = "", string stream = "") => _folder.Write("edge.yaml", $$"""
        device: greenhouse
        mqtt: { host: 127.0.0.1, port: {{broker}} }
        {{top}}
        streams:
          - name: climate
            model: demo
            source: { simulated: { seed: 7, speed: 10x, {{faults}} } }
            {{stream}}
        """);

    [GeneratedRegex(@"\b(?:edge|process)_[a-z_]+")]
    private static partial Regex SeriesPattern();

    [GeneratedRegex(@"\$[a-z_]+")]
    private static partial Regex VariablePattern();

    [GeneratedRegex(@"""(edge/[^""\s]+/[^""]+)""")]
    private static partial Regex FilterPattern();

    [GeneratedRegex(@"\{\{[^}]*\}\}")]
    private static partial Regex TemplatePattern();

    [GeneratedRegex(@"path = ""([a-z]+)""")]
    private static partial Regex PathPattern();

    private sealed record Told(bool IsTold, string? Id, string? Title, string? Message);
}
