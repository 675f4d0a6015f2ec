using System.CommandLine;
using System.Net;
using Edge.Inference;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Web;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Commands;

/// <summary><c>dashboard</c>: a page with every device that publishes at a broker.</summary>
internal static class DashboardCommand
{
    private const int UsualPort = 8081;
    private const int SecretMaxBytes = 4096;

    internal static Command Create(TextWriter output)
    {
        var broker = new Option<string>("--broker") { Description = "The broker, HOST or HOST:PORT.", Required = true };
        var listen = new Option<string>("--listen")
        {
            Description = "Address and port of the page.",
            DefaultValueFactory = _ => $"127.0.0.1:{UsualPort}",
        };
        var password = new Option<string?>("--password-file")
        {
            Description = "File with the page's password, needed to listen beyond this machine.",
        };
        var username = new Option<string?>("--username") { Description = "User name at the broker." };
        var brokerPassword = new Option<string?>("--broker-password-file") { Description = "File with the password at the broker." };
        var tls = new Option<bool>("--tls") { Description = "Connect to the broker with TLS." };
        var ca = new Option<string?>("--ca") { Description = "Certificate authority of the broker, PEM; implies --tls." };
        var command = new Command("dashboard", "Shows every device that publishes under edge/ at a broker, as a page. It only shows.")
        {
            broker, listen, password, username, brokerPassword, tls, ca,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            WebOptions web = ReadWeb(parsed.GetRequiredValue(listen), ReadSecret(parsed.GetValue(password), "--password-file"));
            bool withTls = parsed.GetValue(tls) || parsed.GetValue(ca) is not null;
            (string host, int port) = ReadBroker(parsed.GetRequiredValue(broker), withTls);
            var link = new MqttLinkOptions
            {
                Host = host,
                Port = port,
                ClientId = $"edge-dashboard-{Environment.ProcessId}",
                Username = parsed.GetValue(username),
                Password = ReadSecret(parsed.GetValue(brokerPassword), "--broker-password-file"),
                Tls = withTls ? new TlsOptions(parsed.GetValue(ca), null, null) : null,
            };
            if (link.Password is not null && !withTls && !IsThisMachine(host))
            {
                throw new InputException($"The password would be sent to {host} unencrypted. Use --tls or --ca.");
            }

            await RunAsync(link, web, output).ConfigureAwait(false);
            return ExitCodes.Done;
        });
        return command;
    }

    private static async Task RunAsync(MqttLinkOptions options, WebOptions web, TextWriter output)
    {
        using ILoggerFactory logs = ServiceLog.Create();
        using var signals = new StopSignal();
        ILogger log = logs.CreateLogger("edge");
        var wall = new Wall();
        var listener = new FilterListener(
            () => new MqttNetLink(options), Wall.Filters, message => wall.Take(message.Topic, message.Payload), TimeProvider.System, log);
        using var page = new WallPage(
            wall, options.Address, () => listener.IsConnected, new Access(web, TimeProvider.System), TimeProvider.System, log);
        using var server = new WebServer([new WebEndpoint("--listen", web.Listen, page.AnswerAsync)], log);
        await output.WriteLineAsync($"Devices at {options.Address}: http://{web.Listen}/").ConfigureAwait(false);
        try
        {
            await listener.RunAsync(signals.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (signals.Token.IsCancellationRequested)
        {
            // A signal says stop.
        }
        catch (MqttRefusedException e)
        {
            throw new InputException(e.Message, e);
        }
        finally
        {
            page.Stop();
        }
    }

    private static WebOptions ReadWeb(string listen, string? password)
    {
        if (!IPEndPoint.TryParse(listen, out IPEndPoint? address) || address.Port == 0)
        {
            throw new InputException($"--listen must be an address and a port such as 127.0.0.1:{UsualPort}, not '{listen}'.");
        }

        var web = new WebOptions { Listen = address, Password = password };
        if (!web.IsLocal && password is null)
        {
            throw new InputException($"--listen {listen} would open the page to other machines without a password. Set --password-file.");
        }

        return password?.Length < WebOptions.PasswordMin
            ? throw new InputException($"The password in --password-file must have at least {WebOptions.PasswordMin} characters.")
            : web;
    }

    private static (string Host, int Port) ReadBroker(string text, bool withTls)
    {
        int colon = text.LastIndexOf(':');
        bool hasPort = colon > 0 && !text.EndsWith(']') && (text.IndexOf(':') == colon || text[colon - 1] == ']');
        string host = (hasPort ? text[..colon] : text).Trim('[', ']');
        int port = withTls ? MqttOptions.TlsPort : MqttOptions.PlainPort;
        return host.Length > 0 && !host.Contains('/')
            && (!hasPort || (int.TryParse(text[(colon + 1)..], out port) && port is > 0 and < 65536))
            ? (host, port)
            : throw new InputException($"--broker must be HOST or HOST:PORT, such as broker.local:1883, not '{text}'.");
    }

    private static bool IsThisMachine(string host) =>
        host == "localhost" || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));

    private static string? ReadSecret(string? path, string option)
    {
        try
        {
            return path is null ? null : RegularFile.ReadText(path, SecretMaxBytes).TrimEnd('\r', '\n');
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"{option} '{path}' cannot be read: {e.Message}", e);
        }
    }
}
