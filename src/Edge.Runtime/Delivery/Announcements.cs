using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>Messages about the device itself: published when it connects and when it leaves.</summary>
/// <param name="Online">The <c>online</c> message.</param>
/// <param name="Offline">The <c>offline</c> message.</param>
/// <param name="Info">Writes the <c>info</c> message, again for each connection.</param>
/// <param name="Description">Description for a home automation, or null.</param>
internal sealed record Announcements(
    MqttMessage Online,
    MqttMessage Offline,
    Func<MqttMessage> Info,
    DeviceDescription? Description = null);

/// <summary>A retained description of the device for a home automation.</summary>
/// <param name="Topic">Topic of the description.</param>
/// <param name="BirthTopic">Topic on which the home automation announces its start; the description is then published again.</param>
/// <param name="Write">
/// Writes the description, given the retained one (empty for none), so that it can remove what is no longer configured.
/// </param>
internal sealed record DeviceDescription(string Topic, string BirthTopic, Func<ReadOnlyMemory<byte>, MqttMessage> Write);
