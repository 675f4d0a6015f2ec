using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>Messages about the device itself: published when it connects and when it leaves.</summary>
/// <param name="Online">The <c>online</c> message.</param>
/// <param name="Offline">The <c>offline</c> message.</param>
/// <param name="Info">Writes the <c>info</c> message, again for each connection.</param>
/// <param name="Discovery">Descriptions for a home automation, or null.</param>
internal sealed record Announcements(
    MqttMessage Online,
    MqttMessage Offline,
    Func<MqttMessage> Info,
    DiscoveryAnnouncement? Discovery = null)
{
    /// <summary>
    /// Topics whose messages may be retained; null for all. What an earlier configuration left in the outbox is delivered and not retained.
    /// </summary>
    public IReadOnlySet<string>? Retained { get; init; }

    /// <summary>Topics that an earlier configuration retained and this one does not use: they are cleared.</summary>
    public IReadOnlyCollection<string> Stale { get; init; } = [];

    /// <summary>Called once the topics of <see cref="Stale"/> are cleared.</summary>
    public Action? Cleared { get; init; }
}

/// <summary>Descriptions of the device and its streams for a home automation.</summary>
/// <param name="BirthTopic">Topic on which the home automation announces its start; the descriptions are then published again.</param>
/// <param name="Descriptions">Each a retained message.</param>
internal sealed record DiscoveryAnnouncement(string BirthTopic, IReadOnlyList<DeviceDescription> Descriptions);

/// <summary>A retained description for a home automation.</summary>
/// <param name="Topic">Topic of the description.</param>
/// <param name="Write">
/// Writes the description, given the retained one (empty for none), so that it can remove what is no longer configured.
/// </param>
internal sealed record DeviceDescription(string Topic, Func<ReadOnlyMemory<byte>, MqttMessage> Write);
