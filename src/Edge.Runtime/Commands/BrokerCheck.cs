using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Commands;

/// <summary>Tries the broker as the service would use it: connects, publishes on its topics, subscribes.</summary>
/// <param name="config">The configuration.</param>
/// <param name="streams">Its streams whose models could be loaded.</param>
internal sealed class BrokerCheck(
    EdgeConfig config,
    IReadOnlyList<(StreamConfig Stream, ModelManifest Manifest, TimeSpan Period)> streams)
{
    private static readonly TimeSpan AnswerWait = TimeSpan.FromSeconds(10);

    /// <summary>Connects, and publishes and subscribes if that is wanted.</summary>
    /// <param name="withTopics">
    /// Whether to publish: an empty message that is not retained on each topic, and the descriptions for Home Assistant as they are.
    /// </param>
    /// <param name="cancel">Cancels it.</param>
    /// <returns>Why the broker cannot be used, or null; and what it refuses, a sentence each.</returns>
    internal async Task<(string? Problem, IReadOnlyList<string> Refused)> RunAsync(bool withTopics, CancellationToken cancel)
    {
        try
        {
            return (null, await TryAsync(withTopics, cancel).ConfigureAwait(false));
        }
        catch (Exception e) when (e is MqttLinkException or InputException or TimeoutException)
        {
            return (e.Message, []);
        }
    }

    private async Task<List<string>> TryAsync(bool withTopics, CancellationToken cancel)
    {
        // A separate client id and no last will, so that a running service is not disturbed.
        Func<IMqttLink> create = BrokerLinks.Create(config, $"check-{Environment.ProcessId}", TimeSpan.Zero);
        await using IMqttLink link = create();
        await link.ConnectAsync(cancel).ConfigureAwait(false);
        var refused = new List<string>();
        if (withTopics)
        {
            foreach (MqttMessage message in Messages())
            {
                await ReportAsync(refused, message.Topic, link.PublishAsync(message).WaitAsync(AnswerWait, cancel)).ConfigureAwait(false);
            }

            foreach (string filter in DeviceTopics.Subscribed(config))
            {
                await ReportAsync(refused, filter, link.SubscribeAsync(filter, cancel)).ConfigureAwait(false);
            }
        }

        await link.DisconnectAsync().ConfigureAwait(false);
        return refused;
    }

    private IEnumerable<MqttMessage> Messages() =>
    [
        .. DeviceTopics.Published(config).Select(
            topic => new MqttMessage { Topic = topic, Payload = default, Class = MessageClass.Event }),

        // An empty description would remove the device from Home Assistant.
        .. DeviceTopics.Describe(config, streams)?.Descriptions.Select(description => description.Write(default)) ?? [],
    ];

    private static async Task ReportAsync(List<string> refused, string topic, Task attempt)
    {
        try
        {
            await attempt.ConfigureAwait(false);
        }
        catch (MqttRefusedException e)
        {
            refused.Add($"The broker refuses '{topic}': {e.Message}");
        }
    }
}
