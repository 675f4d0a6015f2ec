using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Edge.Testing;
using YamlDotNet.Serialization;

namespace Edge.EndToEnd.Tests;

/// <summary>The add-on of Home Assistant, from the Supervisor's files and answers to entities on a broker with a password.</summary>
public sealed partial class AddOnTests : IDisposable
{
    private const string Token = "t0ken";
    private const string Password = "it's \"s3cret\"";
    private const string Folder = "deploy/home-assistant/edge_runtime";

    private readonly TemporaryFolder _folder = new();
    private readonly HttpListener _supervisor = new();
    private readonly int _port = TestBroker.FreePort();

    public AddOnTests()
    {
        string bin = Directory.CreateDirectory(_folder.File("bin")).FullName;
        string program = Path.Combine(bin, "edge-runtime");
        File.WriteAllText(program, $"#!/bin/sh\nexec dotnet '{AppContext.BaseDirectory}/edge-runtime.dll' \"$@\"\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _supervisor.Prefixes.Add($"http://127.0.0.1:{_port}/");
        _supervisor.Start();
    }

    public void Dispose()
    {
        _supervisor.Close();
        _folder.Dispose();
    }

    [Fact]
    public async Task Options_become_a_configuration_that_runs_and_an_edge_yaml_replaces_them()
    {
        ExampleProgram.Run("mosquitto_passwd", "", "-c", "-b", _folder.File("passwords"), "addons", Password);
        _folder.ShareForReading();
        await using TestBroker broker = await TestBroker.StartAsync(
            $"allow_anonymous false\npassword_file {_folder.File("passwords")}");
        string[] user = ["-u", "addons", "-P", Password];
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "#", user);
        var options = new Dictionary<string, object>(Options()) { ["period"] = "1s", ["page_password"] = "tomatoes and light" };
        _folder.Write("options.json", JsonSerializer.Serialize(options));

        string known = JsonSerializer.Serialize(new
        {
            result = "ok",
            data = new { host = "127.0.0.1", port = broker.Port, username = "addons", password = Password, ssl = false },
        });
        Task answer = AnswerAsync(200, known);
        using (ExampleProgram run = Start(page: TestBroker.FreePort()))
        {
            await answer;
            await UntilAsync(run, subscriber, "homeassistant/device/home-climate/config");
            await Eventually.Async(() =>
            {
                ExampleProgram.Run(
                    "mosquitto_pub", "",
                    ["-p", $"{broker.Port}", "-t", "zigbee2mqtt/office", "-m", "{\"temperature\":21.5,\"humidity\":40}", .. user]);
                return Task.FromResult(subscriber.On("edge/home/climate/reading").Any(each =>
                    each.Payload.Contains("\"value\":21.5", StringComparison.Ordinal)));
            }, "a reading of what the sensor sent");
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync());
            Assert.DoesNotContain("s3cret", run.Output, StringComparison.Ordinal);
        }

        Assert.True(File.Exists(_folder.File("state/edge.db")));

        _folder.Write("edge.yaml", $$"""
            device: own
            state: {{_folder.File("own")}}
            mqtt:
              host: ${MQTT_HOST}
              port: ${MQTT_PORT}
              username: "${MQTT_USERNAME}"
              password: { file: {{_folder.File("mqtt-password")}} }
            streams:
              - { name: s, model: demo, source: { simulated: { speed: 10x } } }
            """);
        answer = AnswerAsync(200, known);
        using ExampleProgram own = Start();
        await answer;
        await UntilAsync(own, subscriber, "edge/own/s/forecast");
    }

    [Fact]
    public async Task Without_a_broker_it_says_what_to_install()
    {
        _folder.Write("options.json", JsonSerializer.Serialize(Options()));
        Task answer = AnswerAsync(400, """{"result":"error","message":"Service not enabled"}""");
        using ExampleProgram run = Start();
        await answer;
        Assert.Equal(1, await run.ExitAsync());
        Assert.Contains("The Supervisor names no MQTT broker. Install the add-on Mosquitto broker", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_option_has_a_schema_and_a_name_and_the_version_is_that_of_the_packages()
    {
        Dictionary<string, object> config = Yaml("config.yaml");
        string[] schema = [.. ((Dictionary<object, object>)config["schema"]).Keys.Cast<string>()];
        var translations = (Dictionary<object, object>)Yaml("translations/en.yaml")["configuration"];
        Assert.Equal(schema, translations.Keys.Cast<string>());
        Assert.Equal(schema.Where(name => name != "page_password"), Options().Keys);
        Match version = VersionPattern().Match(File.ReadAllText(RepositoryFile.Path("Directory.Build.props")));
        Assert.Equal(version.Groups[1].Value, config["version"]);
    }

    private static Dictionary<string, object> Options() => ((Dictionary<object, object>)Yaml("config.yaml")["options"])
        .ToDictionary(each => (string)each.Key, each => each.Value);

    private static Dictionary<string, object> Yaml(string name) =>
        new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(
            File.ReadAllText(RepositoryFile.Path($"{Folder}/{name}")));

    private static async Task UntilAsync(ExampleProgram run, Subscriber subscriber, string topic) => await Eventually.Async(
        () => run.HasExited ? throw new InvalidOperationException($"It ended: {run.Output}") : subscriber.On(topic).Count > 0, topic);

    private async Task AnswerAsync(int status, string body)
    {
        HttpListenerContext context = await _supervisor.GetContextAsync().WaitAsync(Eventually.Bound);
        Assert.Equal("/services/mqtt", context.Request.Url!.AbsolutePath);
        Assert.Equal($"Bearer {Token}", context.Request.Headers["Authorization"]);
        context.Response.StatusCode = status;
        await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(body));
        context.Response.Close();
    }

    private ExampleProgram Start(int page = 0) => new(
        new Dictionary<string, string>
        {
            ["PATH"] = $"{_folder.File("bin")}:{Environment.GetEnvironmentVariable("PATH")}",
            ["EDGE_DATA"] = _folder.Path,
            ["EDGE_CONFIG"] = _folder.Path,
            ["EDGE_SUPERVISOR"] = $"http://127.0.0.1:{_port}",
            ["EDGE_HEALTH"] = $"127.0.0.1:{TestBroker.FreePort()}",
            ["EDGE_PAGE"] = $"127.0.0.1:{page}",
            ["SUPERVISOR_TOKEN"] = Token,
        },
        RepositoryFile.Path($"{Folder}/run.sh"));

    [GeneratedRegex("<Version>(.*)</Version>")]
    private static partial Regex VersionPattern();
}
