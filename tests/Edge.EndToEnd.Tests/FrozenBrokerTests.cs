using System.Globalization;
using System.Text;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Streams.Forecasting;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// A broker that neither answers nor goes away: its machine is out of memory, or the network between is gone without a word.
/// </summary>
public sealed class FrozenBrokerTests
{
    private const int Before = 500;
    private const int During = 2000;

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_that_freezes_is_left_and_found_again_and_nothing_is_lost(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t");
        var options = new MqttLinkOptions
        {
            Host = "127.0.0.1",
            Port = broker.Port,
            ClientId = "house",
            AnswerTimeoutMs = 500,
            Version = MqttLinkContractTests.VersionOf(version),
        };
        var outbox = new Outbox(long.MaxValue);
        var publisher = new Publisher(
            outbox, () => new MqttNetLink(options), new Announcements(
                StatusMessage.Write("house", isOnline: true),
                StatusMessage.Write("house", isOnline: false),
                () => StatusMessage.Write("info", isOnline: true)),
                TimeProvider.System,
                NullLogger.Instance,
                patience: TimeSpan.FromSeconds(1));
        Task run = publisher.RunAsync(default);
        Enqueue(outbox, 0, Before);
        await subscriber.UntilAsync(seen => seen.Count == Before);

        broker.Freeze();
        Enqueue(outbox, Before, During);
        await Eventually.Async(() => !publisher.IsConnected);

        broker.Thaw();
        outbox.Complete();
        await run.WaitAsync(Eventually.Bound);
        await subscriber.UntilAsync(seen => seen.Select(item => item.Payload).Distinct().Count() == Before + During);
        int[] first = [.. subscriber.All.Select(item => item.Payload).Distinct().Select(Number)];
        Assert.Equal(Enumerable.Range(0, Before + During), first);
    }

    private static void Enqueue(Outbox outbox, int from, int count)
    {
        for (int i = from; i < from + count; i++)
        {
            outbox.Enqueue(
                new MqttMessage
                {
                    Topic = "t",
                    Payload = Encoding.UTF8.GetBytes($"{i}{new string(' ', 200)}"),
                    Class = MessageClass.Forecast,
                });
        }
    }

    private static int Number(string payload) => int.Parse(payload, CultureInfo.InvariantCulture);
}
