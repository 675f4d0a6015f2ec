using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Edge.Runtime.Hosting;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>The service as systemd sees it: signals, notifications, the watchdog, exit codes.</summary>
public sealed class ServiceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_notification_is_one_datagram_to_a_path_or_an_abstract_name(bool isAbstract)
    {
        string name = isAbstract ? $"@edge-test-{Guid.NewGuid():N}" : _folder.File("notify");
        using Socket systemd = Listen(name);
        using var notifier = new ServiceNotifier(name, "2000000");
        Assert.Equal(TimeSpan.FromSeconds(2), notifier.WatchdogInterval);
        notifier.Ready("all is well");
        notifier.Alive();
        notifier.Reloading();
        Assert.Equal("READY=1\nSTATUS=all is well", Receive(systemd));
        Assert.Equal("WATCHDOG=1", Receive(systemd));
        Assert.Matches("^RELOADING=1\nMONOTONIC_USEC=[0-9]{6,}$", Receive(systemd));
    }

    [Fact]
    public void Without_systemd_nothing_is_said_and_nothing_breaks()
    {
        foreach (string? nobody in (string?[])[null, "", "/no/such/socket", "@nobody-listens-here"])
        {
            using var notifier = new ServiceNotifier(nobody, "soon");
            Assert.Null(notifier.WatchdogInterval);
            notifier.Ready("x");
        }
    }

    [Theory]
    [InlineData("state: state\n")]
    [InlineData("")]
    public async Task The_service_is_ready_alive_reloads_and_stops(string state)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using Socket systemd = Listen(_folder.File("notify"));
        string config = Write(broker.Port, state, "climate");
        using RuntimeProcess run = Start(config, watchdog: "1000000");
        Assert.StartsWith("READY=1\nSTATUS=1 stream,", Receive(systemd), StringComparison.Ordinal);
        Assert.Equal("WATCHDOG=1", Receive(systemd, "STATUS"));
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/climate/forecast") >= 5);

        // A broken configuration is refused, and the old one goes on.
        File.WriteAllText(config, "device: [");
        run.Hangup();
        await Eventually.Async(
            () => run.Error.Contains("The new configuration is wrong. The old one stays in use", StringComparison.Ordinal));
        int before = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > before + 5);

        // One that reads well but cannot be opened: the old one goes on, its stream after its last tick.
        string good = File.ReadAllText(Write(broker.Port, state, "climate"));
        File.WriteAllText(config, good.Replace("model: demo", "model: nowhere.edge", StringComparison.Ordinal));
        run.Hangup();
        while (!Receive(systemd).StartsWith("RELOADING=1", StringComparison.Ordinal))
        {
        }

        Assert.StartsWith("READY=1\nSTATUS=1 stream,", Receive(systemd, "WATCHDOG", "STATUS"), StringComparison.Ordinal);
        await Eventually.Async(
            () => run.Error.Contains("cannot be opened. The old one stays in use: Stream 'climate'", StringComparison.Ordinal));
        before = subscriber.All.Count;
        await subscriber.UntilAsync(seen => seen.Count > before + 5);

        // A good one is taken over; the stream that is unchanged goes on after its last tick.
        Write(broker.Port, state, "climate", "second");
        run.Hangup();
        while (!Receive(systemd).StartsWith("RELOADING=1", StringComparison.Ordinal))
        {
        }

        Assert.StartsWith("READY=1\nSTATUS=2 streams", Receive(systemd, "WATCHDOG", "STATUS"), StringComparison.Ordinal);
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/second/forecast"));
        int[] seqs =
        [
            .. subscriber.On("edge/house/climate/forecast")
                .Select(item => JsonDocument.Parse(item.Payload).RootElement.GetProperty("seq").GetInt32()),
        ];
        Assert.Equal(Enumerable.Range(2, seqs.Length), seqs);

        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        while (Receive(systemd) != "STOPPING=1")
        {
        }
    }

    [Fact]
    public async Task In_the_journal_every_line_has_its_level()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        var journal = new Dictionary<string, string?> { ["JOURNAL_STREAM"] = "8:12345" };
        string config = Write(broker.Port, "", "climate");
        using (RuntimeProcess run = RuntimeProcess.Start(journal, "run", "--config", config))
        {
            await Eventually.Async(() => run.Error.Contains("Connected to the broker", StringComparison.Ordinal));
            await broker.KillAsync();
            await Eventually.Async(() => run.Error.Contains("Retrying", StringComparison.Ordinal));
            string[] lines = run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.Contains(lines, line => line == "<6>edge[0] Connected to the broker");
            Assert.Contains(
                lines,
                line =>
                    line.StartsWith("<4>edge[0] ", StringComparison.Ordinal) && line.Contains("Retrying", StringComparison.Ordinal));
            Assert.All(lines, line => Assert.Matches("^<[346]>", line));
        }

        File.WriteAllText(config, "device: house\nmqtt: { host: 1 2, port: 0 }\nstreams: []");
        using RuntimeProcess wrong = RuntimeProcess.Start(journal, "run", "--config", config);
        Assert.Equal(1, await wrong.ExitAsync());
        Assert.All(
            wrong.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            line => Assert.StartsWith("<3>", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_missing_configuration_and_a_port_that_nobody_listens_on()
    {
        using (RuntimeProcess missing = RuntimeProcess.Start("run", "--config", _folder.File("none.yaml")))
        {
            Assert.Equal(1, await missing.ExitAsync());
        }

        using RuntimeProcess run = Start(Write(TestBroker.FreePort(), "", "climate"), watchdog: null);
        await Eventually.Async(() => run.Error.Contains("Retrying until it works", StringComparison.Ordinal));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    private RuntimeProcess Start(string config, string? watchdog) => RuntimeProcess.Start(
        new Dictionary<string, string?> { ["NOTIFY_SOCKET"] = _folder.File("notify"), ["WATCHDOG_USEC"] = watchdog },
        "run",
        "--config",
        config);

    private string Write(int port, string state, params string[] streams) => _folder.Write(
        "edge.yaml",
        $"device: house\n{state}mqtt: {{ host: 127.0.0.1, port: {port} }}\nstreams:\n"
        + string.Concat(
            streams.Select((stream, i) => $"  - {{ name: {stream}, model: demo, source: {{ simulated: {{ seed: {i + 3} }} }} }}\n")));

    private static Socket Listen(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)Eventually.Bound.TotalMilliseconds,
        };
        socket.Bind(new UnixDomainSocketEndPoint(name[0] == '@' ? "\0" + name[1..] : name));
        return socket;
    }

    private static string Receive(Socket systemd, params string[] skip)
    {
        byte[] buffer = new byte[4096];
        while (true)
        {
            string message = Encoding.UTF8.GetString(buffer, 0, systemd.Receive(buffer));
            if (!Array.Exists(skip, prefix => message.StartsWith(prefix, StringComparison.Ordinal)))
            {
                return message;
            }
        }
    }
}
