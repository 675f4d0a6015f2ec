using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors.Polling;
using Edge.Streams.Limits;

namespace Edge.Runtime.Hosting;

/// <summary>What a configuration publishes and subscribes to.</summary>
internal static class DeviceTopics
{
    // Commands that a button can send: they need no value.
    private static readonly CommandName[] Buttons = [CommandName.Reset, CommandName.Snapshot, CommandName.Reload, CommandName.Rollback];

    /// <summary>The descriptions for Home Assistant, or null if it gets none.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="streams">Its streams, each with its model and the time from tick to tick.</param>
    internal static DiscoveryAnnouncement? Describe(
        EdgeConfig config,
        IEnumerable<(StreamConfig Stream, ModelManifest Manifest, TimeSpan Period)> streams) =>
        config.Discovery.For != Discovery.HomeAssistant
        ? null
        : new HomeAssistant(
            config.Device,
            config.Discovery,
            [
                .. streams.Select(
                    each => new DescribedStream
                    {
                        Name = each.Stream.Name,
                        Manifest = each.Manifest,
                        Period = each.Period,
                        Publish = each.Stream.Publish,
                        Entities = each.Stream.Entities,
                        Limits = LimitsOf(each.Stream),
                    }),
            ],
            [
                .. config.Commands.Where(Buttons.Contains).Select(
                    name => new DescribedCommand(CommandChannel.Text(name), name is CommandName.Reset or CommandName.Rollback)),
            ],
            config.StateFolder is not null).Announcement;

    /// <summary>Topics whose messages are retained, descriptions included.</summary>
    internal static IEnumerable<string> Retained(EdgeConfig config, DiscoveryAnnouncement? discovery) =>
    [
        Topics.Status(config.Device),
        Topics.Info(config.Device),
        .. config.Streams.SelectMany(stream => RetainedOf(config.Device, stream)),
        .. discovery?.Descriptions.Select(description => description.Topic) ?? [],
    ];

    /// <summary>Topics that are published, apart from descriptions.</summary>
    internal static IEnumerable<string> Published(EdgeConfig config)
    {
        foreach (string topic in Retained(config, null))
        {
            yield return topic;
        }

        foreach (StreamConfig stream in config.Streams)
        {
            yield return Topics.Anomaly(config.Device, stream.Name);
            if (stream.Publish.Readings)
            {
                yield return Topics.Reading(config.Device, stream.Name);
            }

            if (stream.Publish.Forecasts)
            {
                yield return Topics.Forecast(config.Device, stream.Name);
            }

            if (stream.Publish.Scores)
            {
                yield return Topics.Score(config.Device, stream.Name);
            }

            if (stream.Limits.Count > 0)
            {
                yield return Topics.Limit(config.Device, stream.Name);
            }

            if (config.Discovery.For == Discovery.HomeAssistant)
            {
                yield return Topics.Entities(config.Device, stream.Name);
            }

            if (config.Models is not null || stream.Learn is not null)
            {
                yield return Topics.Model(config.Device, stream.Name);
            }
        }

        foreach (CommandName command in config.Commands)
        {
            yield return Topics.CommandResponse(config.Device, CommandChannel.Text(command));
        }
    }

    /// <summary>Topics that are subscribed to. Shared subscriptions are left out: a second subscriber would take their messages.</summary>
    internal static IEnumerable<string> Subscribed(EdgeConfig config) =>
    [
        .. config.Commands.Select(command => Topics.Command(config.Device, CommandChannel.Text(command))),
        .. config.Streams.Select(stream => stream.Source).OfType<MqttRowOptions>().Select(rows => rows.Topic)
            .Concat(config.Streams.Select(stream => stream.Source).OfType<ChannelsOptions>()
                .SelectMany(channels => channels.Channels.Select(channel => channel.Device).OfType<MqttTopicOptions>())
                .Select(topic => topic.Topic))
            .Where(filter => MqttSubscriber.TopicOf(filter) == filter)
            .Distinct(),
    ];

    private static IEnumerable<string> RetainedOf(string device, StreamConfig stream)
    {
        yield return Topics.AnomalyState(device, stream.Name);
        yield return Topics.Health(device, stream.Name);
        yield return Topics.StreamStatus(device, stream.Name);
        if (stream.Limits.Count > 0)
        {
            yield return Topics.LimitState(device, stream.Name);
        }
    }

    private static IReadOnlyList<LimitState> LimitsOf(StreamConfig stream) =>
    [
        .. stream.Limits.SelectMany(
            limit => new[] { (Side: LimitSide.High, Limit: limit.High), (Side: LimitSide.Low, Limit: limit.Low) }
                .Where(side => !double.IsNaN(side.Limit))
                .Select(side => new LimitState(limit.Column, side.Side, side.Limit, LimitStage.Inside, double.NaN))),
    ];
}
