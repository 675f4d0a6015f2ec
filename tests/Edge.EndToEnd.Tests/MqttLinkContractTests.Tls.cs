using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>Whom a link trusts, and what it sends to whom it does not.</summary>
public sealed partial class MqttLinkContractTests
{
    // Where an answer is certain, a busy machine must not turn it into none.
    private const int BusyAnswerTimeoutMs = 60_000;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Tls_connects_to_whom_the_ca_vouches_for_and_to_nobody_else(string version)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        string listener = $"certfile {folder.File("server.pem")}\nkeyfile {folder.File("server.key")}\n";
        await using TestBroker broker = await TestBroker.StartAsync(listener + "allow_anonymous true");
        await using (IMqttLink link = await ConnectAsync(
            version,
            broker.Port,
            options: options => options with { Tls = new TlsOptions(folder.File("ca.pem"), null, null) }))
        {
            await link.PublishAsync(Message("t", "x"));
        }

        await using IMqttLink wrongCa = Create(
            version,
            broker.Port,
            options => options with { Tls = new TlsOptions(folder.File("other-ca.pem"), null, null) });
        Assert.Contains(
            "a certificate of 'edge test CA' that ",
            (await Assert.ThrowsAsync<MqttLinkException>(() => wrongCa.ConnectAsync(default))).Message,
            StringComparison.Ordinal);
        await using IMqttLink wrongHost = Create(
            version,
            broker.Port,
            options => options with { Host = "localhost", Tls = new TlsOptions(folder.File("ca.pem"), null, null) });
        Assert.Contains(
            "not of 'localhost'",
            (await Assert.ThrowsAsync<MqttLinkException>(() => wrongHost.ConnectAsync(default))).Message,
            StringComparison.Ordinal);
        await using IMqttLink inClear = Create(version, broker.Port, options => options with { AnswerTimeoutMs = 2000 });
        await Assert.ThrowsAsync<MqttLinkException>(() => inClear.ConnectAsync(default));
    }

    // The third is what a board sees whose clock stands at 1970: every certificate is of the future.
    [Theory]
    [MemberData(nameof(BadServers))]
    public async Task Tls_to_a_server_whose_certificate_is_no_good_sends_nothing_and_says_so(
        string version,
        double fromDays,
        double toDays,
        string certificate,
        string why)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1", fromDays, toDays);
        await using TestBroker broker = await TestBroker.StartAsync(
            $"certfile {folder.File(certificate)}\nkeyfile {folder.File("server.key")}\nallow_anonymous true");
        await using IMqttLink link = Create(
            version,
            broker.Port,
            options => options with { Tls = new TlsOptions(folder.File("ca.pem"), null, null) });
        MqttLinkException refused = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default));
        Assert.Contains($"127.0.0.1:{broker.Port}", refused.Message, StringComparison.Ordinal);
        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    public static TheoryData<string, double, double, string, string> BadServers
    {
        get
        {
            var cases = new TheoryData<string, double, double, string, string>();
            foreach (string version in Versions)
            {
                cases.Add(version, -10, -1, "server.pem", "a certificate that expired on ");
                cases.Add(version, -1, 1, "self-signed.pem", "does not vouch for");
                cases.Add(version, 1, 10, "server.pem", "set the clock, or wait for time synchronization");
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_that_wants_a_client_certificate_lets_in_who_has_one(string version)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        await using TestBroker broker = await TestBroker.StartAsync(
            $"certfile {folder.File("server.pem")}\nkeyfile {folder.File("server.key")}\ncafile "
                + $"{folder.File("ca.pem")}\nrequire_certificate true\nallow_anonymous true");
        var tls = new TlsOptions(folder.File("ca.pem"), folder.File("client.pem"), folder.File("client.key"));
        await using (IMqttLink link = await ConnectAsync(version, broker.Port, options: options => options with { Tls = tls }))
        {
            await link.PublishAsync(Message("t", "x"));
        }

        await using IMqttLink without = Create(
            version,
            broker.Port,
            options => options with { Tls = new TlsOptions(folder.File("ca.pem"), null, null), AnswerTimeoutMs = BusyAnswerTimeoutMs });
        await Assert.ThrowsAsync<MqttLinkException>(() => without.ConnectAsync(default));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_server_without_tls_gets_a_greeting_and_no_secret(string version)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var got = new MemoryStream();
        Task serving = Task.Run(async () =>
        {
            using TcpClient client = await listener.AcceptTcpClientAsync();
            NetworkStream stream = client.GetStream();
            byte[] buffer = new byte[4096];
            int read = await stream.ReadAsync(buffer);
            got.Write(buffer, 0, read);

            // A connection acknowledged in clear, as a broker without TLS would.
            await stream.WriteAsync(new byte[] { 0x20, 0x03, 0x00, 0x00, 0x00 });
            client.Client.Shutdown(SocketShutdown.Send);
            await stream.CopyToAsync(got);
        });
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await using IMqttLink link = Create(
            version,
            port,
            options => options with
            {
                Tls = new TlsOptions(folder.File("ca.pem"), null, null),
                Username = "anna",
                Password = "swordfish",
                AnswerTimeoutMs = BusyAnswerTimeoutMs,
            });
        Assert.Contains(
            "127.0.0.1",
            (await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default))).Message,
            StringComparison.Ordinal);
        await serving.WaitAsync(Eventually.Bound);
        byte[] seen = got.ToArray();
        Assert.Equal(0x16, seen[0]);
        Assert.Equal(-1, seen.AsSpan().IndexOf("swordfish"u8));
        Assert.Equal(-1, seen.AsSpan().IndexOf("anna"u8));
    }

    // The certificate is good: only the protocol is not.
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_server_that_speaks_tls_1_1_at_most_gets_nothing(string version)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        int port = TestBroker.FreePort();
        var start = new System.Diagnostics.ProcessStartInfo(
            "openssl",
            [
                "s_server", "-accept", $"{port}", "-cert", folder.File("server.pem"), "-key", folder.File("server.key"),
                "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-quiet",
            ])
        { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        using var server = System.Diagnostics.Process.Start(start)!;
        try
        {
            await Eventually.Async(() => IsListening(port));

            await using IMqttLink link = Create(
                version,
                port,
                options => options with
                {
                    Tls = new TlsOptions(folder.File("ca.pem"), null, null),
                    Username = "anna",
                    Password = "swordfish",
                    AnswerTimeoutMs = BusyAnswerTimeoutMs,
                });
            MqttLinkException refused = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default));
            Assert.Contains($"127.0.0.1:{port} does not speak TLS 1.2 or later", refused.Message, StringComparison.Ordinal);
        }
        finally
        {
            server.Kill();
        }

        // It prints what it is sent.
        string got = await server.StandardOutput.ReadToEndAsync();
        Assert.DoesNotContain("MQTT", got, StringComparison.Ordinal);
        Assert.DoesNotContain("swordfish", got, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("client.pem", "server.key", "the key '{key}' does not belong to the certificate '{certificate}'")]
    [InlineData("client.pem", "locked.key", "'{key}' is encrypted")]
    [InlineData("client.p12", "client.p12", "'{certificate}' is binary (PKCS#12 or DER), not PEM")]
    [InlineData("client.key", "client.key", "'{certificate}' has no certificate in PEM")]
    [InlineData("client.pem", "client.pem", "'{key}' has no private key in PEM")]
    [InlineData("absent.pem", "client.key", "'{certificate}' cannot be read")]
    public async Task Files_that_do_not_fit_are_said_before_anything_is_sent(string certificate, string key, string sentence)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        using (X509Certificate2 client = X509Certificate2.CreateFromPemFile(folder.File("client.pem"), folder.File("client.key")))
        {
            await File.WriteAllBytesAsync(folder.File("client.p12"), client.Export(X509ContentType.Pkcs12, "abc"));
            using ECDsa secret = client.GetECDsaPrivateKey()!;
            var encryption = new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000);
            folder.Write("locked.key", secret.ExportEncryptedPkcs8PrivateKeyPem("abc", encryption));
        }

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var tls = new TlsOptions(folder.File("ca.pem"), folder.File(certificate), folder.File(key));
        await using IMqttLink link = Create("5", ((IPEndPoint)listener.LocalEndpoint).Port, options => options with { Tls = tls });
        MqttRefusedException e = await Assert.ThrowsAsync<MqttRefusedException>(() => link.ConnectAsync(default));
        Assert.Contains(
            sentence.Replace("{key}", folder.File(key), StringComparison.Ordinal)
                .Replace("{certificate}", folder.File(certificate), StringComparison.Ordinal),
            e.Message,
            StringComparison.Ordinal);
        Assert.False(listener.Pending());
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_that_wants_a_client_certificate_is_told_from_one_without_tls_1_2(string version)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        await using TestBroker broker = await TestBroker.StartAsync(
            $"allow_anonymous true\ncafile {folder.File("ca.pem")}\ncertfile {folder.File("server.pem")}\n"
                + $"keyfile {folder.File("server.key")}\nrequire_certificate true");
        await using IMqttLink link = Create(
            version, broker.Port, options => options with { Tls = new TlsOptions(folder.File("ca.pem"), null, null) });
        MqttLinkException e = await Assert.ThrowsAnyAsync<MqttLinkException>(() => link.ConnectAsync(default));
        Assert.Contains("asks for a client certificate. Set mqtt.tls.certificate and mqtt.tls.key.", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("5", false)]
    [InlineData("3.1.1", false)]
    [InlineData("5", true)]
    public async Task Over_a_web_socket_messages_go_out_and_come_in(string version, bool withTls)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        string tls = withTls ? $"\ncertfile {folder.File("server.pem")}\nkeyfile {folder.File("server.key")}" : "";
        int port = TestBroker.FreePort();
        await using TestBroker broker = await StartWithWebSocketAsync(port, tls);
        await using IMqttLink link = Create(version, port, options => options with
        {
            WebSocketPath = "/mqtt",
            Tls = withTls ? new TlsOptions(folder.File("ca.pem"), null, null) : null,
        });
        var received = new TaskCompletionSource<MqttReceived>();
        link.Received = message => new ValueTask<bool>(received.TrySetResult(message));
        await link.ConnectAsync(default);
        await link.SubscribeAsync("t", default);
        await link.PublishAsync(Message("t", "grün"));
        Assert.Equal("grün", Encoding.UTF8.GetString((await received.Task.WaitAsync(TimeSpan.FromSeconds(30))).Payload.Span));
    }

    [Fact]
    public async Task A_port_for_web_sockets_without_the_setting_is_said()
    {
        int port = TestBroker.FreePort();
        await using TestBroker broker = await StartWithWebSocketAsync(port);
        await using IMqttLink link = Create("5", port);
        MqttLinkException e = await Assert.ThrowsAnyAsync<MqttLinkException>(() => link.ConnectAsync(default));
        Assert.Contains("set mqtt.websocket", e.Message, StringComparison.Ordinal);
    }

    // mosquitto starts only with a plain listener beside it, and opens this one a moment later.
    private static async Task<TestBroker> StartWithWebSocketAsync(int port, string more = "")
    {
        TestBroker broker = await TestBroker.StartAsync($"allow_anonymous true\nlistener {port}\nprotocol websockets{more}");
        await Eventually.Async(() => IsListening(port), "the port for WebSockets is open");
        return broker;
    }

    private static bool IsListening(int port)
    {
        using var probe = new TcpClient();
        try
        {
            probe.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
