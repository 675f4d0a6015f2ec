using System.Net;
using System.Net.Sockets;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Web;
using Edge.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.EndToEnd.Tests;

/// <summary>A broker that says no, says nothing, or is not there.</summary>
public sealed partial class MqttLinkContractTests
{
    // A broker of MQTT 3.1.1 answers one of 5 in its own way; and one of 5 alone the other way round.
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_of_another_version_is_said_with_what_to_set(string version)
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
        await using IMqttLink link = Create(version, ((IPEndPoint)listener.LocalEndpoint).Port);
        MqttRefusedException e = await Assert.ThrowsAsync<MqttRefusedException>(() => link.ConnectAsync(default))
            .WaitAsync(Eventually.Bound);
        Assert.Contains(
            version == "3.1.1" ? "does not speak MQTT 3.1.1. Set mqtt.version: 5." : "does not speak MQTT 5. Set mqtt.version: 3.1.1.",
            e.Message,
            StringComparison.Ordinal);
        await answering;
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_wrong_password_is_a_refusal_that_names_the_user(string version)
    {
        using var folder = new TemporaryFolder();
        string passwords = folder.File("passwords");
        Assert.Equal(0, await ToolAsync("mosquitto_passwd", "-c", "-b", passwords, "alice", "right"));
        folder.ShareForReading();
        await using TestBroker broker = await TestBroker.StartAsync($"allow_anonymous false\npassword_file {passwords}");
        await using (IMqttLink right = await ConnectAsync(
            version,
            broker.Port,
            options: options => options with { Username = "alice", Password = "right" }))
        {
            await right.PublishAsync(Message("t", "x"));
        }

        await using IMqttLink wrong = Create(version, broker.Port, options => options with { Username = "alice", Password = "wrong" });
        MqttRefusedException e = await Assert.ThrowsAsync<MqttRefusedException>(() => wrong.ConnectAsync(default));
        Assert.Contains("refuses the connection of user 'alice'", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_that_is_not_there_is_one_sentence(string version)
    {
        int port = TestBroker.FreePort();
        await using IMqttLink link = Create(version, port);
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default));
        Assert.StartsWith($"Broker 127.0.0.1:{port} cannot be reached: ", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task An_http_server_is_no_broker(string version)
    {
        int port = TestBroker.FreePort();
        using var server = new WebServer(
            [new WebEndpoint("web", new IPEndPoint(IPAddress.Loopback, port), context => context.Response.WriteAsync("hello"))],
            NullLogger.Instance);
        await using IMqttLink link = Create(version, port, options => options with { AnswerTimeoutMs = 2000 });
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default)).WaitAsync(Eventually.Bound);
        Assert.StartsWith(
            $"An HTTP server answers at 127.0.0.1:{port}, and not an MQTT broker. ", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_host_that_does_not_answer_is_given_up_in_time_and_holds_nobody_up(string version)
    {
        // A listener whose queue is full and never emptied: the kernel drops what else comes, as a host that is off does.
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        Socket[] queue = Enumerable.Range(0, 4)
            .Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
            .ToArray();
        foreach (Socket waiting in queue)
        {
            _ = waiting.ConnectAsync(listener.LocalEndPoint!).ContinueWith(task => task.Exception, TaskScheduler.Default);
        }

        await Task.Delay(100);
        IMqttLink link = Create(version, ((IPEndPoint)listener.LocalEndPoint!).Port, options => options with { AnswerTimeoutMs = 500 });
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(default))
            .WaitAsync(Eventually.Bound);
        Assert.Contains("did not answer within 0.5 s", e.Message, StringComparison.Ordinal);
        await link.DisposeAsync().AsTask().WaitAsync(Eventually.Bound);
        Array.ForEach(queue, waiting => waiting.Dispose());
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_that_takes_the_connection_and_says_nothing_is_given_up_in_time(string version)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = new CancellationTokenSource();
        await using IMqttLink link = Create(
            version,
            ((IPEndPoint)listener.LocalEndpoint).Port,
            options => options with { AnswerTimeoutMs = 500 });
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.ConnectAsync(stop.Token))
            .WaitAsync(Eventually.Bound);
        Assert.Contains("did not answer within 0.5 s", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_subscription_that_is_not_answered_is_given_up_in_time(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        using var stop = new CancellationTokenSource();
        await using IMqttLink link = await ConnectAsync(version, broker.Port, options: options => options with { AnswerTimeoutMs = 4000 });
        broker.Freeze();
        MqttLinkException e = await Assert.ThrowsAsync<MqttLinkException>(() => link.SubscribeAsync("t", stop.Token))
            .WaitAsync(Eventually.Bound);
        Assert.Contains("did not answer within 4 s", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_that_dies_closes_the_link_and_fails_what_is_in_flight(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink link = await ConnectAsync(version, broker.Port);
        await broker.KillAsync();
        Assert.NotEmpty(await link.Closed.WaitAsync(Eventually.Bound));
        await Assert.ThrowsAsync<MqttLinkException>(() => link.PublishAsync(Message("t", "x")));
    }

    private static async Task<int> ToolAsync(string program, params string[] args)
    {
        using var process = System.Diagnostics.Process.Start(program, args);
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
