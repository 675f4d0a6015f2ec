using System.Text;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Edge.Testing;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Tests;

/// <summary>Text and files from outside: each is a sentence at most, on one line, without a secret.</summary>
[Collection("environment")]
public sealed partial class HostileInputTests : IDisposable
{
    private const string Stream = "streams:\n  - { name: s, model: demo, source: { simulated: {} } }\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a\u001b]0;owned\u0007b", "a\\u001b]0;owned\\u0007b")]
    [InlineData("a\r\n<0>kernel: forged", "a\\u000d\\u000a<0>kernel: forged")]
    [InlineData("\u2028\u202ex", "\\u2028\\u202ex")]
    [InlineData("grün 🌡 21.5 °C", "grün 🌡 21.5 °C")]
    [InlineData(null, "")]
    public void Text_from_outside_can_neither_begin_a_line_nor_steer_a_terminal(string? text, string expected) =>
        Assert.Equal(expected, PrintableText.Of(text));

    [Fact]
    public void Text_from_outside_is_cut_to_a_length() => Assert.Equal(121, PrintableText.Of(new string('x', 65_000)).Length);

    [Theory]
    [InlineData(LineFormatter.PlainName)]
    [InlineData(LineFormatter.JournalName)]
    public void A_log_line_stays_one_line_whatever_is_in_it(string name)
    {
        LineFormatter formatter = name == LineFormatter.PlainName ? LineFormatter.Plain : LineFormatter.Journal;
        var text = new StringWriter();
        formatter.Write(
            new Microsoft.Extensions.Logging.Abstractions.LogEntry<string>(
                LogLevel.Warning, "edge", default, "topic 'x\n<0>kernel: forged\u001b[2J'", null, (state, _) => state),
            null,
            text);
        string line = text.ToString();
        Assert.Equal(1, line.Count(letter => letter == '\n'));
        Assert.EndsWith("edge[0] topic 'x <0>kernel: forged\\u001b[2J'\n", line, StringComparison.Ordinal);
        Assert.StartsWith(name == LineFormatter.JournalName ? "<4>edge" : "20", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_of_one_cause_are_a_few_and_then_one_a_minute_that_counts_the_others()
    {
        var clock = new FakeTimeProvider();
        var limit = new LogLimit(clock, burst: 3);
        var said = new List<string>();
        for (int i = 0; i < 1200; i++)
        {
            if (limit.Allows(out string more))
            {
                said.Add(more);
            }

            clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.Equal(["", "", "", " (597 more like this since the last line)"], said.Take(4).Select((more, i) => i < 3 ? more : more));
        Assert.InRange(said.Count, 4, 5);
    }

    [Theory]
    [InlineData("? &a [*a]\n: b\n")]
    [InlineData("state: &s folder\n")]
    [InlineData("x: *nowhere\n")]
    public void Anchors_and_aliases_are_a_mistake_with_line_and_column(string more)
    {
        InputException e = Assert.Throws<InputException>(
            () => ConfigFile.Parse("device: d\nmqtt: { host: h }\n" + Stream + more, "edge.yaml"));
        Assert.Matches("^edge.yaml:5:[0-9]+: anchors .* are not supported", e.Message);
    }

    [Fact]
    public void A_kilobyte_of_aliases_for_gigabytes_is_refused_at_once()
    {
        var text = new StringBuilder("device: d\nl0: &l0 [a]\n");
        for (int i = 1; i < 29; i++)
        {
            text.Append($"l{i}: &l{i} [*l{i - 1},*l{i - 1},*l{i - 1}]\n");
        }

        InputException e = Assert.Throws<InputException>(() => ConfigFile.Parse($"{text}? *l28\n: x\n", "e"));
        Assert.Contains("are not supported", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("durability: 60d", "'durability' must be from 100ms to 1h, not '60d'")]
    [InlineData("durability: 1ms", "'durability' must be from 100ms to 1h")]
    [InlineData("streams: [ { name: s, model: demo, period: 400d, source: { simulated: {} } } ]", "'period' must be from 1ms to 366d")]
    [InlineData(
        "streams: [ { name: s, channels: { c: { hwmon: { chip: a, input: in0 }, every: 60d } } } ]", "'every' must be from 1ms to 40d")]
    [InlineData("mqtt: { host: \"mqtt://user:geheim@h\" }", "'host' must be a name or an address without mqtt://: leave it out")]
    [InlineData("mqtt: { host: \"ws://h/mqtt\" }", "'host' must be a name or an address without ws://: set 'websocket' to its path")]
    [InlineData("mqtt: { host: \"h:1883\" }", "'host' must be a name or an address without a port: set 'port'")]
    [InlineData("mqtt: { host: \"a b\" }", "'host' must be a name or an address, not 'a b'")]
    [InlineData("mqtt: { host: h, websocket: mqtt }", "'websocket' must be a path such as /mqtt")]
    [InlineData("mqtt: { host: h, retain: maybe }", "'retain' must be one of auto, true, false, not 'maybe'")]
    [InlineData("telemetry: { listen: 9464 }", "'listen' must be an address and a port")]
    [InlineData("telemetry: { port: 9464, listen: \"0.0.0.0:9464\" }", "give either 'port', on this machine only, or 'listen'")]
    public void What_cannot_work_is_named_with_what_can(string yaml, string sentence)
    {
        InputException e = Assert.Throws<InputException>(() => ConfigFile.Parse($"{yaml}\n", "edge.yaml"));
        string line = Assert.Single(e.Message.Split('\n'), each => each.Contains(sentence, StringComparison.Ordinal));
        Assert.Matches("^edge.yaml:1:[0-9]+: ", line);
        Assert.DoesNotContain("geheim", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("::1", "::1")]
    [InlineData("\"[::1]\"", "::1")]
    [InlineData("broker.local", "broker.local")]
    [InlineData("192.168.1.7", "192.168.1.7")]
    public void A_host_is_a_name_or_an_address(string written, string host) =>
        Assert.Equal(host, ConfigFile.Parse($"device: d\nmqtt: {{ host: {written} }}\n{Stream}", "e").Mqtt.Host);

    [Fact]
    public void No_value_of_the_environment_or_of_a_secret_file_is_in_a_sentence()
    {
        Environment.SetEnvironmentVariable("EDGE_TEST_SECRET", "hunter2-geheim");
        string file = _folder.Write("password", "fileSecret99\n");
        InputException e = Assert.Throws<InputException>(() => ConfigFile.Parse(
            "device: ${EDGE_TEST_SECRET}\ndurability: ${EDGE_TEST_SECRET}\n"
                + $"mqtt: {{ host: h, username: u, password: {{ file: {file} }}, version: fileSecret99, "
                + "retain: \"${EDGE_TEST_SECRET}\" }\n",
            "edge.yaml"));
        Assert.DoesNotContain("hunter2", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("fileSecret99", e.Message, StringComparison.Ordinal);
        Assert.Contains("not '${EDGE_TEST_SECRET}'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_credential_of_systemd_outside_systemd_is_unknown_and_no_mistake()
    {
        EdgeConfig config = ConfigFile.Parse(
            "device: d\nmqtt: { host: localhost, username: u, password: { file: \"${CREDENTIALS_DIRECTORY}/mqtt-password\" } }\n" + Stream,
            "edge.yaml");
        Assert.Contains("'password' is a credential of systemd", Assert.Single(config.Unknown), StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_without_quotes_is_a_mistake_that_says_how_to_quote_it()
    {
        InputException e = Assert.Throws<InputException>(() => ConfigFile.Parse(
            "device: d\nmqtt: { host: localhost, username: u, password: { file: ${CREDENTIALS_DIRECTORY}/mqtt-password } }\n" + Stream,
            "edge.yaml"));
        Assert.Contains("Quote a value with ${…} inside braces", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("config")]
    [InlineData("model")]
    [InlineData("password")]
    public async Task A_fifo_in_place_of_any_file_is_a_sentence_and_is_never_read(string what)
    {
        string fifo = _folder.File("pipe");
        using var make = System.Diagnostics.Process.Start("mkfifo", [fifo]);
        await make.WaitForExitAsync();
        Action load = what switch
        {
            "config" => () => ConfigFile.Load(fifo),
            "model" => () => EngineFactory.LoadInt8(fifo),
            _ => () => ConfigFile.Parse(
                $"device: d\nmqtt: {{ host: localhost, username: u, password: {{ file: {fifo} }} }}\n{Stream}", "edge.yaml"),
        };
        Exception e = await Task.Run(() => Record.Exception(load)).WaitAsync(Eventually.Bound);
        Assert.Contains("is a FIFO, not a file", Assert.IsAssignableFrom<InputException>(e).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_of_a_character_is_escaped() => Assert.Equal("\\ud800x", PrintableText.Of("\ud800x"));

    [Theory]
    [InlineData("Limit  Soft Limit  Hard Limit  Units\nMax open files            140                  140                  files\n", 140L)]
    [InlineData("Max open files            unlimited            unlimited            files\n", null)]
    [InlineData("", null)]
    public void The_limit_of_open_files_is_read_from_proc(string limits, long? expected) =>
        Assert.Equal(expected, OpenFilesLimit.Parse(limits));

    // Each group of commented lines is a choice of its own; only 'source' stands instead of something.
    [Theory]
    [InlineData("raspberry-pi.yaml", 2)]
    [InlineData("jetson.yaml", 1)]
    [InlineData("gateway.yaml", 2)]
    public void Every_sample_is_loaded_with_each_of_its_commented_lines_taken_in(string sample, int groups)
    {
        string path = RepositoryFile.Path($"deploy/config/{sample}");
        string[] lines = File.ReadAllLines(path);
        int found = 0;
        for (int begin = 0, end; begin < lines.Length; begin = end + 1)
        {
            for (end = begin; end < lines.Length && CommentedKey().IsMatch(lines[end]); end++)
            {
                // On to the end of the group.
            }

            if (end > begin)
            {
                found++;
                IEnumerable<string> taken = lines.Select((line, i) => i >= begin && i < end ? CommentedKey().Replace(line, "$1$2") : line);
                Exception? e = Record.Exception(() => ConfigFile.Parse(string.Join('\n', taken), path));
                Assert.All(
                    e?.Message.Split('\n') ?? [],
                    line => Assert.Contains("give either 'channels' or 'source', not both", line, StringComparison.Ordinal));
            }
        }

        Assert.Equal(groups, found);
    }

    [System.Text.RegularExpressions.GeneratedRegex(@"^( *)# ?( *[a-z_]+:( .*)?)$")]
    private static partial System.Text.RegularExpressions.Regex CommentedKey();
}
