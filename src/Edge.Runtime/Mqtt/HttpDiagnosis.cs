using System.Net.Sockets;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Whether a port that answers no MQTT is that of an HTTP server. A second connection asks for a page, reads how the answer begins, and is
/// closed.
/// </summary>
internal static class HttpDiagnosis
{
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(3);

    /// <summary>A sentence, or null if no HTTP server answers there.</summary>
    internal static async Task<string?> ExplainAsync(MqttLinkOptions options, CancellationToken cancel)
    {
        try
        {
            using var timed = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            timed.CancelAfter(TimeMax);
            using var client = new TcpClient();
            await client.ConnectAsync(options.Host, options.Port, timed.Token).ConfigureAwait(false);
            NetworkStream stream = client.GetStream();
            await stream.WriteAsync("GET / HTTP/1.0\r\n\r\n"u8.ToArray(), timed.Token).ConfigureAwait(false);
            var begin = new byte["HTTP/"u8.Length];
            await stream.ReadExactlyAsync(begin, timed.Token).ConfigureAwait(false);
            return !begin.AsSpan().SequenceEqual("HTTP/"u8)
                ? null
                : $"An HTTP server answers at {options.Address}, and not an MQTT broker. Correct mqtt.host or mqtt.port; "
                    + "if the broker takes WebSockets there, set mqtt.websocket.";
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            return null;
        }
    }
}
