using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Edge.Inference;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Web;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Commands;

/// <summary><c>demo</c>: the whole pipeline on this machine, with a live view in the terminal.</summary>
internal static class DemoCommand
{
    private const int UsualPort = 1883;
    private const int UsualPagePort = WebOptions.UsualPort;

    internal static Command Create(TextWriter output)
    {
        var port = new Option<int?>("--port") { Description = "Port of the broker. Default: 1883 if it is free, else any free port." };
        var pagePort = new Option<int?>("--page-port")
        {
            Description = "Port of the page. Default: 8080 if it is free, else any free port.",
        };
        var duration = new Option<string?>("--for") { Description = "Stop after this time, such as 30s. Default: run until Ctrl-C." };
        var seed = new Option<int>("--seed") { Description = "Seed of the simulated greenhouse.", DefaultValueFactory = _ => 7 };
        var command = new Command(
            "demo",
            "Runs a broker, simulated sensors with a fault after 20 s and the bundled model, with a live view.")
        {
            port,
            pagePort,
            duration,
            seed,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            TimeSpan? span = null;
            if (parsed.GetValue(duration) is { } text)
            {
                span = Duration.TryParse(text, out TimeSpan given)
                    ? given
                    : throw new InputException($"--for must be a time such as 30s or 2m, not '{text}'.");
            }

            int brokerPort = ChoosePort(parsed.GetValue(port), UsualPort, "--port");
            int webPort = ChoosePort(parsed.GetValue(pagePort), UsualPagePort, "--page-port");
            await using IAsyncDisposable broker = await MqttNetBroker.StartAsync(brokerPort, cancel).ConfigureAwait(false);
            return await RunAsync(brokerPort, webPort, parsed.GetValue(seed), span, output).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> RunAsync(int port, int pagePort, int seed, TimeSpan? span, TextWriter output)
    {
        using var service = new EdgeService(DemoScenario.Configure(port, pagePort, seed), TimeProvider.System, NullLogger.Instance);
        var watch = new DemoWatch(service, port);
        using var signal = new StopSignal();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(signal.Token);
        if (span is { } limit)
        {
            stop.CancelAfter(limit);
        }

        Task<bool> running = service.RunAsync(stop.Token);
        await DemoView.ShowAsync(watch, running, output).ConfigureAwait(false);
        bool endedWell = await running.ConfigureAwait(false);
        return Conclude(watch, endedWell, output);
    }

    // The demo succeeds if it delivered its forecasts and found the injected fault.
    private static int Conclude(DemoWatch watch, bool endedWell, TextWriter output)
    {
        string[] problems =
        [
            .. endedWell ? [] : new[] { "a stream ended with an error" },
            .. watch.Forecasts > 0 ? [] : new[] { "no forecast was published" },
            .. watch.Delivered >= watch.Forecasts
                ? []
                : new[]
                {
                    $"only {Quantity.Of(watch.Delivered, "message was", "messages were")} delivered for "
                        + Quantity.Of(watch.Forecasts, "forecast"),
                },
            .. watch.Elapsed < DemoScenario.FaultKnownBy || watch.Anomalies > 0 ? [] : new[] { "the injected fault was not found" },
        ];
        output.WriteLine(
            $"demo: {watch.Elapsed.TotalSeconds:0.0} s, {Quantity.Of(watch.Ticks, "reading")}, {Quantity.Of(watch.Forecasts, "forecast")}, "
                + $"{Quantity.Of(watch.Anomalies, "anomaly", "anomalies")}, {Quantity.Of(watch.Delivered, "message")} delivered");
        foreach (string line in watch.Events)
        {
            output.WriteLine("  " + line);
        }

        output.WriteLine(problems.Length == 0 ? "demo: all is well" : $"demo: WRONG: {string.Join("; ", problems)}");
        return problems.Length == 0 ? ExitCodes.Done : ExitCodes.InputWrong;
    }

    private static int ChoosePort(int? asked, int usual, string option)
    {
        if (asked is { } port)
        {
            return port is >= 1 and <= 65535 && IsFree(port)
                ? port
                : throw new InputException($"Port {port} is in use or is not a port number. Choose another one with {option}.");
        }

        if (IsFree(usual))
        {
            return usual;
        }

        using var any = new TcpListener(IPAddress.Loopback, 0);
        any.Start();
        return ((IPEndPoint)any.LocalEndpoint).Port;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
