using System.Net;
using System.Net.Sockets;
using System.Text;
using Edge.Runtime.Configuration;
using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>What every MQTT link promises, over each client library compiled in, against a real mosquitto.</summary>
public sealed class MqttLinkContractTests
{
    private const string Old = " 3.1.1";

    /// <summary>The client libraries.</summary>
    public static TheoryData<string> Libraries => [.. MqttLinkFactory.Available.Select(library => library.ToString())];

    /// <summary>Each of them over MQTT 5 and 3.1.1.</summary>
    public static TheoryData<string> Links => [.. MqttLinkFactory.Available.SelectMany(library => new[] { library.ToString(), library + Old })];

    [Theory]
    [MemberData(nameof(Libraries))]
    public async Task A_published_message_arrives_whole(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t/#");
        await using IMqttLink link = await ConnectAsync(library, broker.Port);
        await link.PublishAsync(Message("t/one", "grün ✓") with
        {
            ContentType = "application/json",
            ExpirySeconds = 3600,
            UserProperties = [new("seq", "7"), new("model", "3f9a1c")],
        });
        await subscriber.UntilAsync(seen => seen.Count == 1);
        Seen message = subscriber.All[0];
        Assert.Equal(("t/one", "grün ✓", 1), (message.Topic, message.Payload, message.QualityOfService));
        Assert.Equal("application/json", message.Properties.GetProperty("content-type").GetString());
        Assert.InRange(message.Properties.GetProperty("message-expiry-interval").GetInt32(), 3590, 3600);
        string properties = message.Properties.GetProperty("user-properties").GetRawText();
        Assert.Contains("\"seq\"", properties, StringComparison.Ordinal);
        Assert.Contains("3f9a1c", properties, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public async Task Over_MQTT_3_1_1_a_message_arrives_without_what_only_5_has(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t/#");
        await using IMqttLink link = await ConnectAsync(library + Old, broker.Port);
        await link.PublishAsync(Message("t/one", "grün ✓") with { Retain = true, ContentType = "application/json", ExpirySeconds = 3600, CorrelationData = new byte[] { 1 }, UserProperties = [new("seq", "7")] });
        await subscriber.UntilAsync(seen => seen.Count == 1);
        Seen message = subscriber.All[0];
        Assert.Equal(("t/one", "grün ✓", 1), (message.Topic, message.Payload, message.QualityOfService));
        Assert.Equal(System.Text.Json.JsonValueKind.Undefined, message.Properties.ValueKind);
    }

    // A broker of MQTT 3.1.1 answers one of 5 in its own way; and one of 5 alone the other way round.
    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_broker_of_another_version_is_said_with_what_to_set(string library)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task answering = Task.Run(async () =>
        {
            using TcpClient client = await listener.AcceptTcpClientAsync();
            _ = await client.GetStream().ReadAsync(new byte[1000]);
            await client.GetStream().WriteAsync(new byte[] { 0x20, 0x02, 0x00, 0x01 });
            await Task.Delay(500);
        });
        await using IMqttLink link = Create(library, ((IPEndPoint)listener.LocalEndpoint).Port);
        MqttRefusedException e = await Assert.ThrowsAsync<MqttRefusedException>(() => link.ConnectAsync(default)).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Contains(library.EndsWith(Old, StringComparison.Ordinal) ? "does not speak MQTT 3.1.1. Set mqtt.version: 5." : "does not speak MQTT 5. Set mqtt.version: 3.1.1.", e.Message, StringComparison.Ordinal);
        await answering;
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task Five_thousand_messages_arrive_in_order_and_all_are_acknowledged(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t/#");
        await using IMqttLink link = await ConnectAsync(library, broker.Port);
        var inFlight = new Queue<Task>();
        for (int i = 0; i < 5000; i++)
        {
            inFlight.Enqueue(link.PublishAsync(Message("t/many", $"{i}") with { QualityOfService = i % 2 }));
            if (inFlight.Count >= Math.Min(20, link.ReceiveMaximum))
            {
                await inFlight.Dequeue().WaitAsync(TimeSpan.FromSeconds(10));
            }
        }

        await Task.WhenAll(inFlight).WaitAsync(TimeSpan.FromSeconds(10));
        await subscriber.UntilAsync(seen => seen.Count == 5000);

        // MQTT orders messages of one quality of service, not those of two.
        Assert.Equal(Enumerable.Range(0, 2500).Select(i => $"{2 * i}"), subscriber.All.Where(seen => seen.QualityOfService == 0).Select(seen => seen.Payload));
        Assert.Equal(Enumerable.Range(0, 2500).Select(i => $"{(2 * i) + 1}"), subscriber.All.Where(seen => seen.QualityOfService == 1).Select(seen => seen.Payload));
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_subscription_receives(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink publisher = await ConnectAsync(library, broker.Port, "publisher");
        await publisher.PublishAsync(Message("t/kept", "kept") with { Retain = true });
        await using IMqttLink link = await ConnectAsync(library, broker.Port, "receiver");
        var received = new List<(string, string, bool)>();
        var both = new TaskCompletionSource();
        link.Received = message =>
        {
            received.Add((message.Topic, Encoding.UTF8.GetString(message.Payload.Span), message.Retain));
            if (received.Count == 2)
            {
                both.TrySetResult();
            }

            return new ValueTask<bool>(true);
        };
        await link.SubscribeAsync("t/+", default);
        await publisher.PublishAsync(Message("t/new", ""));
        await both.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal([("t/kept", "kept", true), ("t/new", "", false)], received);
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task In_a_session_nothing_is_missed_and_what_was_not_taken_comes_again(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink publisher = await ConnectAsync(library, broker.Port, "publisher");
        var received = new List<string>();
        await using (IMqttLink first = Create(library, broker.Port, InSession, "receiver"))
        {
            first.Received = message => new ValueTask<bool>(Take(message, until: "2"));
            await first.ConnectAsync(default);
            await first.SubscribeAsync("t", default);
            for (int i = 1; i <= 5; i++)
            {
                await publisher.PublishAsync(Message("t", $"{i}"));
            }

            Assert.Equal("A message was not taken.", await first.Closed.WaitAsync(TimeSpan.FromSeconds(10)));
        }

        await publisher.PublishAsync(Message("t", "6"));
        await using IMqttLink second = Create(library, broker.Port, InSession, "receiver");
        var all = new TaskCompletionSource();
        second.Received = message => new ValueTask<bool>(Take(message, until: "9") && (received[^1] != "6" || all.TrySetResult()));
        await second.ConnectAsync(default);
        await all.Task.WaitAsync(TimeSpan.FromSeconds(10));

        // The first was taken; whether the broker has heard of it before the connection was closed is chance.
        Assert.Equal(["1", "2"], received.Take(2));
        Assert.Equal(["2", "3", "4", "5", "6"], received.Skip(2).SkipWhile(payload => payload == "1"));

        bool Take(MqttReceived message, string until)
        {
            received.Add(Encoding.UTF8.GetString(message.Payload.Span));
            return received[^1] != until;
        }
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task In_a_session_what_comes_to_a_link_that_was_disposed_of_is_not_acknowledged(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink publisher = await ConnectAsync(library, broker.Port, "publisher");
        var received = new TaskCompletionSource<MqttReceived>();
        await using (IMqttLink first = await ConnectAsync(library, broker.Port, "receiver", InSession))
        {
            first.Received = _ => new ValueTask<bool>(true);
            await first.SubscribeAsync("t", default);
        }

        await publisher.PublishAsync(Message("t", "x"));
        await Task.Delay(300);
        await using IMqttLink second = Create(library, broker.Port, InSession, "receiver");
        second.Received = message => new ValueTask<bool>(received.TrySetResult(message));
        await second.ConnectAsync(default);
        await received.Task.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_message_that_cannot_be_taken_for_a_bug_of_ours_costs_the_connection_and_not_the_process(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink link = await ConnectAsync(library, broker.Port);
        link.Received = _ => throw new FormatException("what?");
        await link.SubscribeAsync("t", default);
        _ = link.PublishAsync(Message("t", "x")).ContinueWith(task => task.Exception, TaskScheduler.Default);
        Assert.Equal("A message on 't' could not be taken: a bug of ours (FormatException): what?", await link.Closed.WaitAsync(TimeSpan.FromSeconds(10)));
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_large_message_arrives(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink link = await ConnectAsync(library, broker.Port);
        var received = new TaskCompletionSource<MqttReceived>();
        link.Received = message => new ValueTask<bool>(received.TrySetResult(message));
        await link.SubscribeAsync("t", default);
        byte[] payload = new byte[1 << 20];
        new Random(1).NextBytes(payload);
        await link.PublishAsync(Message("t", "") with { Payload = payload }).WaitAsync(TimeSpan.FromSeconds(10));
        MqttReceived arrived = await received.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.True(payload.AsSpan().SequenceEqual(arrived.Payload.Span));
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task The_will_speaks_for_a_link_that_vanishes_and_not_for_one_that_says_goodbye(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "will/#");
        IMqttLink polite = await ConnectAsync(library, broker.Port, "polite");
        await polite.DisconnectAsync();
        await polite.DisposeAsync();
        IMqttLink vanishing = await ConnectAsync(library, broker.Port, "vanishing");
        await vanishing.DisposeAsync();
        await subscriber.UntilAsync(seen => seen.Count >= 1);
        await Task.Delay(200);
        Assert.Equal(["will/vanishing"], subscriber.All.Select(seen => seen.Topic));
        Assert.Equal("gone", subscriber.All[0].Payload);
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_wrong_password_is_a_refusal_that_names_the_user(string library)
    {
        using var folder = new TemporaryFolder();
        string passwords = folder.File("passwords");
        Assert.Equal(0, await ToolAsync("mosquitto_passwd", "-c", "-b", passwords, "alice", "right"));
        folder.ShareForReading();
        await using TestBroker broker = await TestBroker.StartAsync($"allow_anonymous false\npassword_file {passwords}");
        await using (IMqttLink right = await ConnectAsync(library, broker.Port, options: options => options with { Username = "alice", Password = "right" }))
        {
            await right.PublishAsync(Message("t", "x"));
        }

        await using IMqttLink wrong = Create(library, broker.Port, options => options with { Username = "alice", Password = "wrong" });
        MqttRefusedException e = await Assert.ThrowsAsync<MqttRefusedException>(() => wrong.ConnectAsync(default));
        Assert.Contains("refuses the connection of user 'alice'", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_broker_that_is_not_there_is_one_sentence(string library)
    {
        int port = TestBroker.FreePort();
        await using IMqttLink link = Create(library, port);
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default));
        Assert.StartsWith($"Broker 127.0.0.1:{port} cannot be reached: ", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_host_that_does_not_answer_is_given_up_in_time_and_holds_nobody_up(string library)
    {
        // A listener whose queue is full and never emptied: the kernel drops what else comes, as a host that is off does.
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        Socket[] queue = Enumerable.Range(0, 4).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToArray();
        foreach (Socket waiting in queue)
        {
            _ = waiting.ConnectAsync(listener.LocalEndPoint!).ContinueWith(task => task.Exception, TaskScheduler.Default);
        }

        await Task.Delay(100);
        IMqttLink link = Create(library, ((IPEndPoint)listener.LocalEndPoint!).Port, options => options with { AnswerTimeoutMs = 500 });
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default)).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Contains("did not answer within 0.5 s", e.Message, StringComparison.Ordinal);
        await link.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(2));
        Array.ForEach(queue, waiting => waiting.Dispose());
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_broker_that_takes_the_connection_and_says_nothing_is_given_up_in_time(string library)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = new CancellationTokenSource();
        await using IMqttLink link = Create(library, ((IPEndPoint)listener.LocalEndpoint).Port, options => options with { AnswerTimeoutMs = 500 });
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(stop.Token)).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Contains("did not answer within 0.5 s", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_subscription_that_is_not_answered_is_given_up_in_time(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        using var stop = new CancellationTokenSource();
        await using IMqttLink link = await ConnectAsync(library, broker.Port, options: options => options with { AnswerTimeoutMs = 1000 });
        broker.Freeze();
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.SubscribeAsync("t", stop.Token)).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Contains("did not answer within 1 s", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_broker_that_dies_closes_the_link_and_fails_what_is_in_flight(string library)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink link = await ConnectAsync(library, broker.Port);
        await broker.KillAsync();
        Assert.NotEmpty(await link.Closed.WaitAsync(TimeSpan.FromSeconds(10)));
        await Assert.ThrowsAsync<MqttLinkException>(() => link.PublishAsync(Message("t", "x")));
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task Tls_connects_to_whom_the_ca_vouches_for_and_to_nobody_else(string library)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        string listener = $"certfile {folder.File("server.pem")}\nkeyfile {folder.File("server.key")}\n";
        await using TestBroker broker = await TestBroker.StartAsync(listener + "allow_anonymous true");
        await using (IMqttLink link = await ConnectAsync(library, broker.Port, options: options => options with { Tls = new TlsConfig(folder.File("ca.pem"), null, null) }))
        {
            await link.PublishAsync(Message("t", "x"));
        }

        await using IMqttLink wrongCa = Create(library, broker.Port, options => options with { Tls = new TlsConfig(folder.File("other-ca.pem"), null, null) });
        Assert.Contains("a certificate of 'edge test CA' that ", (await Assert.ThrowsAsync<MqttLinkException>(() => wrongCa.ConnectAsync(default))).Message, StringComparison.Ordinal);
        await using IMqttLink wrongHost = Create(library, broker.Port, options => options with { Host = "localhost", Tls = new TlsConfig(folder.File("ca.pem"), null, null) });
        Assert.Contains("not of 'localhost'", (await Assert.ThrowsAsync<MqttLinkException>(() => wrongHost.ConnectAsync(default))).Message, StringComparison.Ordinal);
        await using IMqttLink inClear = Create(library, broker.Port, options => options with { AnswerTimeoutMs = 2000 });
        await Assert.ThrowsAsync<MqttLinkException>(() => inClear.ConnectAsync(default));
    }

    // The third is what a board sees whose clock stands at 1970: every certificate is of the future.
    [Theory]
    [MemberData(nameof(BadServers))]
    public async Task Tls_to_a_server_whose_certificate_is_no_good_sends_nothing_and_says_so(string library, double fromDays, double toDays, string certificate, string why)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1", fromDays, toDays);
        await using TestBroker broker = await TestBroker.StartAsync($"certfile {folder.File(certificate)}\nkeyfile {folder.File("server.key")}\nallow_anonymous true");
        await using IMqttLink link = Create(library, broker.Port, options => options with { Tls = new TlsConfig(folder.File("ca.pem"), null, null) });
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
            foreach (string link in Links)
            {
                cases.Add(link, -10, -1, "server.pem", "a certificate that expired on ");
                cases.Add(link, -1, 1, "self-signed.pem", "does not vouch for");
                cases.Add(link, 1, 10, "server.pem", "set the clock, or wait for time synchronisation");
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_broker_that_wants_a_client_certificate_lets_in_who_has_one(string library)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        await using TestBroker broker = await TestBroker.StartAsync(
            $"certfile {folder.File("server.pem")}\nkeyfile {folder.File("server.key")}\ncafile {folder.File("ca.pem")}\nrequire_certificate true\nallow_anonymous true");
        await using (IMqttLink link = await ConnectAsync(library, broker.Port, options: options => options with { Tls = new TlsConfig(folder.File("ca.pem"), folder.File("client.pem"), folder.File("client.key")) }))
        {
            await link.PublishAsync(Message("t", "x"));
        }

        await using IMqttLink without = Create(library, broker.Port, options => options with { Tls = new TlsConfig(folder.File("ca.pem"), null, null), AnswerTimeoutMs = 3000 });
        await Assert.ThrowsAsync<MqttLinkException>(() => without.ConnectAsync(default));
    }

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_server_without_tls_gets_a_greeting_and_no_secret(string library)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var got = new MemoryStream();
        Task serving = Task.Run(async () =>
        {
            using TcpClient client = await listener.AcceptTcpClientAsync();
            byte[] buffer = new byte[4096];
            int read = await client.GetStream().ReadAsync(buffer);
            got.Write(buffer, 0, read);

            // A connection acknowledged in clear, as a broker without TLS would.
            await client.GetStream().WriteAsync(new byte[] { 0x20, 0x03, 0x00, 0x00, 0x00 });
            read = await client.GetStream().ReadAsync(buffer);
            got.Write(buffer, 0, read);
        });
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await using IMqttLink link = Create(library, port, options => options with { Tls = new TlsConfig(folder.File("ca.pem"), null, null), Username = "anna", Password = "swordfish", AnswerTimeoutMs = 3000 });
        Assert.Contains("127.0.0.1", (await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default))).Message, StringComparison.Ordinal);
        await Task.WhenAny(serving, Task.Delay(2000));
        byte[] seen = got.ToArray();
        Assert.Equal(0x16, seen[0]);
        Assert.Equal(-1, seen.AsSpan().IndexOf("swordfish"u8));
        Assert.Equal(-1, seen.AsSpan().IndexOf("anna"u8));
    }

    // The certificate is good: only the protocol is not.
    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_server_that_speaks_tls_1_1_at_most_gets_nothing(string library)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        int port = TestBroker.FreePort();
        var start = new System.Diagnostics.ProcessStartInfo(
            "openssl", ["s_server", "-accept", $"{port}", "-cert", folder.File("server.pem"), "-key", folder.File("server.key"), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-quiet"])
        { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        using var server = System.Diagnostics.Process.Start(start)!;
        try
        {
            using (var probe = new TcpClient())
            {
                for (int i = 0; i < 100 && !probe.Connected; i++)
                {
                    await Task.Delay(50);
                    await probe.ConnectAsync(IPAddress.Loopback, port).ContinueWith(_ => { }, TaskScheduler.Default);
                }
            }

            await using IMqttLink link = Create(library, port, options => options with { Tls = new TlsConfig(folder.File("ca.pem"), null, null), Username = "anna", Password = "swordfish", AnswerTimeoutMs = 3000 });
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

    private static MqttLinkOptions InSession(MqttLinkOptions options) => options with { SessionSeconds = 60, Will = null };

    private static MqttMessage Message(string topic, string payload) => new() { Topic = topic, Payload = Encoding.UTF8.GetBytes(payload), Class = MessageClass.Event };

    private static IMqttLink Create(string library, int port, Func<MqttLinkOptions, MqttLinkOptions>? options = null, string id = "test")
    {
        MqttVersion version = library.EndsWith(Old, StringComparison.Ordinal) ? MqttVersion.ThreeOneOne : MqttVersion.Five;
        var plain = new MqttLinkOptions { Host = "127.0.0.1", Port = port, ClientId = id, Version = version, Will = Message($"will/{id}", "gone") };
        return MqttLinkFactory.Create(Enum.Parse<MqttClientLibrary>(library.Replace(Old, "", StringComparison.Ordinal)), options?.Invoke(plain) ?? plain)();
    }

    private static async Task<IMqttLink> ConnectAsync(string library, int port, string id = "test", Func<MqttLinkOptions, MqttLinkOptions>? options = null)
    {
        IMqttLink link = Create(library, port, options, id);
        await link.ConnectAsync(default);
        return link;
    }

    private static async Task<int> ToolAsync(string program, params string[] args)
    {
        using var process = System.Diagnostics.Process.Start(program, args);
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
