using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>What a device says of itself whenever it connects, and when it leaves.</summary>
/// <param name="Online">Says that it is there.</param>
/// <param name="Offline">Says that it leaves.</param>
/// <param name="Info">Says what runs there; made anew each time.</param>
/// <param name="Description">Describes it to a home automation, or null.</param>
internal sealed record Announcements(MqttMessage Online, MqttMessage Offline, Func<MqttMessage> Info, DeviceDescription? Description = null);

/// <summary>A retained description of the device for a home automation.</summary>
/// <param name="Topic">Where it stands.</param>
/// <param name="BirthTopic">Where the home automation says that it has started; then it is described again.</param>
/// <param name="Write">Writes it, given what stood there before, empty for nothing: what is no longer configured is taken back.</param>
internal sealed record DeviceDescription(string Topic, string BirthTopic, Func<ReadOnlyMemory<byte>, MqttMessage> Write);
