using Edge.Cluster.Broker;
using Edge.Runtime.Mqtt;

namespace Edge.Cluster.Tests.Servers;

/// <summary>
/// Devices that send rows: in order, with confirmations, and again from the last confirmed chunk on if the broker did not confirm one, as
/// an MQTT client at quality of service 1 does.
/// </summary>
internal sealed class RowSender(BrokerOptions options) : IAsyncDisposable
{
    private readonly BrokerLink _link = new(options, "devices");
    private ConfirmedPublisher? _publisher;

    /// <summary>Chunks that were sent again.</summary>
    internal int Repeated { get; private set; }

    internal async Task SendAsync(IReadOnlyList<MqttMessage> rows)
    {
        while (true)
        {
            try
            {
                _publisher ??= await ConfirmedPublisher.OpenAsync(_link, default);
                await _publisher.PublishAsync(rows, default);
                return;
            }
            catch (OutageException)
            {
                Repeated++;
                if (_publisher is { } broken)
                {
                    _publisher = null;
                    await broken.DisposeAsync();
                }

                await Task.Delay(200);
            }
        }
    }

    /// <summary>Row <paramref name="index"/> of streams: <c>ROOT/PREFIXn/rows</c>.</summary>
    internal static MqttMessage[] Round(string root, string prefix, int streams, int index) =>
    [
        .. Enumerable.Range(0, streams).Select(stream => new MqttMessage
        {
            Topic = $"{root}/{prefix}{stream}/rows",
            Payload = Rows.Json(stream, index),
            Class = MessageClass.Reading,
        }),
    ];

    public async ValueTask DisposeAsync()
    {
        if (_publisher is { } publisher)
        {
            await publisher.DisposeAsync();
        }

        await _link.DisposeAsync();
    }
}
