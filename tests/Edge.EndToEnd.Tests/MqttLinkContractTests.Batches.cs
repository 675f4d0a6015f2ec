using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>Messages that go out together, and connections on which nothing goes out for long.</summary>
public sealed partial class MqttLinkContractTests
{
    private const int Together = 200;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task What_is_sent_waits_for_the_flush_and_arrives_in_order(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t");
        await using IMqttLink link = await ConnectAsync(version, broker.Port);
        List<MqttDelivery> deliveries = await SendAsync(link, Together, payloadBytes: 200);
        await Task.Delay(100);
        Assert.DoesNotContain(deliveries, delivery => delivery.IsSettled);
        await link.FlushAsync();
        await Task.WhenAll(deliveries.Select(delivery => delivery.SettledAsync())).WaitAsync(Eventually.Bound);
        Assert.All(deliveries, delivery => Assert.True(delivery.IsDelivered));
        await subscriber.UntilAsync(seen => seen.Count == Together);
        Assert.Equal(Enumerable.Range(0, Together).Select(i => $"{i}"), subscriber.All.Select(seen => seen.Payload.Trim()));
    }

    [Theory]
    [InlineData("5", "max_inflight_messages 30", 30)]
    [InlineData("5", "max_inflight_messages 0", ushort.MaxValue)]
    [InlineData("3.1.1", "max_inflight_messages 30", ushort.MaxValue)]
    public async Task The_receive_maximum_is_the_brokers_and_without_one_that_of_the_standard(string version, string line, int expected)
    {
        await using TestBroker broker = await TestBroker.StartAsync($"allow_anonymous true\n{line}\n");
        await using IMqttLink link = await ConnectAsync(version, broker.Port);
        Assert.Equal(expected, link.ReceiveMaximum);
    }

    // More than is gathered, and in the middle one message that is larger than all of it.
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Over_tls_small_and_large_messages_arrive_in_order(string version)
    {
        using var folder = new TemporaryFolder();
        TestCertificates.Write(folder, "127.0.0.1");
        await using TestBroker broker = await TestBroker.StartAsync(
            $"certfile {folder.File("server.pem")}\nkeyfile {folder.File("server.key")}\nallow_anonymous true");
        var tls = new TlsOptions(folder.File("ca.pem"), null, null);
        await using IMqttLink link = await ConnectAsync(version, broker.Port, options: options => options with { Tls = tls });
        var received = new List<int>();
        var all = new TaskCompletionSource();
        link.Received = message =>
        {
            received.Add(message.Payload.Length);
            return new ValueTask<bool>(received.Count < (2 * Together) + 1 || all.TrySetResult());
        };
        await link.SubscribeAsync("t", default);
        List<MqttDelivery> deliveries = await SendAsync(link, Together, payloadBytes: 600);
        var large = new MqttDelivery(Message("t", "") with { Payload = new byte[1_000_000] });
        await link.SendAsync(large);
        deliveries.AddRange(await SendAsync(link, Together, payloadBytes: 700));
        await link.FlushAsync();
        deliveries.Add(large);
        await Task.WhenAll([.. deliveries.Select(delivery => delivery.SettledAsync()), all.Task]).WaitAsync(Eventually.Bound);
        Assert.Equal([.. Enumerable.Repeat(600, Together), 1_000_000, .. Enumerable.Repeat(700, Together)], received);
    }

    // A broker closes a connection that is silent for one and a half times the keep-alive time.
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_silent_link_is_kept_alive_and_one_to_a_frozen_broker_is_closed(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink link = await ConnectAsync(version, broker.Port, "test", options => options with { KeepAliveSeconds = 5 });
        await Task.Delay(9000);
        Assert.False(link.Closed.IsCompleted);
        await link.PublishAsync(Message("t", "x")).WaitAsync(Eventually.Bound);
        broker.Freeze();
        string why = await link.Closed.WaitAsync(Eventually.Bound);
        Assert.EndsWith("was lost: It did not answer a ping within 2.5 s.", why, StringComparison.Ordinal);
        broker.Thaw();
    }

    private static async Task<List<MqttDelivery>> SendAsync(IMqttLink link, int count, int payloadBytes)
    {
        var deliveries = new List<MqttDelivery>();
        for (int i = 0; i < count; i++)
        {
            var delivery = new MqttDelivery(Message("t", $"{i}".PadRight(payloadBytes)));
            deliveries.Add(delivery);
            await link.SendAsync(delivery);
        }

        return deliveries;
    }
}
