using MQTTnet.Exceptions;
using MQTTnet.Packets;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Pings the broker when nothing was sent for the keep-alive time, and detects a broker that does not answer within half of it. Its timer
/// fires at most twice in that time: MQTTnet's own wakes four times a second, and does not see what is published past its client.
/// </summary>
internal sealed class KeepAlive : IDisposable
{
    private readonly LinkAdapter _adapter;
    private readonly Action<string> _lost;
    private readonly long _silenceMs;
    private readonly Timer _timer;
    private long _pingedAtMs;

    /// <param name="adapter">The connection.</param>
    /// <param name="lost">Called, with what is wrong, if the broker does not answer.</param>
    internal KeepAlive(LinkAdapter adapter, Action<string> lost)
    {
        _adapter = adapter;
        _lost = lost;
        _silenceMs = adapter.KeepAliveSeconds * 1000L;
        _timer = new Timer(_ => Look(), null, _silenceMs, Timeout.Infinite);
    }

    private long AnswerMs => _silenceMs / 2;

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        long now = Environment.TickCount64;
        if (_adapter.Received.IsFull)
        {
            // The answer to a ping may have come and waits behind messages that are not processed yet.
            _pingedAtMs = 0;
        }

        if (_pingedAtMs > 0 && _adapter.Channel.ReceivedAtMs < _pingedAtMs && now - _pingedAtMs >= AnswerMs)
        {
            _lost($"It did not answer a ping within {AnswerMs / 1000.0:0.#} s");
            return;
        }

        if (_pingedAtMs > 0 && _adapter.Channel.ReceivedAtMs >= _pingedAtMs)
        {
            _pingedAtMs = 0;
        }

        long due = _pingedAtMs > 0 ? _pingedAtMs + AnswerMs - now : _adapter.Channel.SentAtMs + _silenceMs - now;
        if (due <= 0)
        {
            _pingedAtMs = now;
            due = AnswerMs;
            _ = PingAsync();
        }

        try
        {
            _timer.Change(due, Timeout.Infinite);
        }
        catch (ObjectDisposedException)
        {
            // The link was disposed meanwhile.
        }
    }

    // A connection that takes no bytes holds this up; then no answer comes either, and that is noticed.
    private async Task PingAsync()
    {
        try
        {
            await _adapter.SendPacketAsync(MqttPingReqPacket.Instance, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is MqttCommunicationException or ObjectDisposedException or OperationCanceledException)
        {
            // The reader of the connection notices that it is lost.
        }
    }
}
