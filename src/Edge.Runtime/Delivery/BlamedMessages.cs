using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Messages after which the broker ends the connection: some brokers refuse a topic or a size in no other way. A message that was the
/// only one under way twice when the connection ended is dropped. So are later ones on its topic, from half of its size on, for an hour.
/// Not thread-safe: only the loop of the <see cref="Publisher"/> uses it.
/// </summary>
/// <param name="clock">Time.</param>
internal sealed class BlamedMessages(TimeProvider clock)
{
    private const int HangUpsMax = 2;
    private static readonly TimeSpan BarredTime = TimeSpan.FromHours(1);

    private readonly Dictionary<string, (int SizeBytes, long At)> _barred = [];
    private (string Topic, ReadOnlyMemory<byte> Payload)? _suspect;
    private int _hangUps;

    /// <summary>Whether messages are to be sent one at a time, so that the one to blame is known.</summary>
    internal bool IsSearching => _suspect is not null;

    /// <summary>Whether a message is to be dropped, because one like it ended the connection.</summary>
    internal bool IsBarred(MqttMessage message) =>
        _barred.Count > 0 && _barred.TryGetValue(message.Topic, out (int SizeBytes, long At) barred)
        && message.Payload.Length >= barred.SizeBytes / 2 && clock.GetElapsedTime(barred.At) < BarredTime;

    /// <summary>The oldest message under way was settled: the broker continues.</summary>
    internal void NoteProgress() => (_suspect, _hangUps) = (null, 0);

    /// <summary>A message of the device itself was settled.</summary>
    internal void NoteAnnounced(MqttMessage message)
    {
        if (IsSuspect(message))
        {
            NoteProgress();
        }
    }

    /// <summary>Notes that the connection ended while this message was the oldest one under way.</summary>
    /// <returns>Whether the message is to blame and is barred from now on.</returns>
    internal bool NoteHangUp(MqttMessage oldest)
    {
        if (!IsSuspect(oldest))
        {
            // From the next connection on messages go one at a time, and count.
            (_suspect, _hangUps) = ((oldest.Topic, oldest.Payload), 0);
            return false;
        }

        if (++_hangUps < HangUpsMax)
        {
            return false;
        }

        _barred[oldest.Topic] = (oldest.Payload.Length, clock.GetTimestamp());
        NoteProgress();
        return true;
    }

    // A retained message is written again for each connection; its topic tells it.
    private bool IsSuspect(MqttMessage message) => _suspect is { } suspect && suspect.Topic == message.Topic
        && (message.Retain || suspect.Payload.Equals(message.Payload));
}
