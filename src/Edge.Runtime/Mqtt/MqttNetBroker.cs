using System.Net;
using System.Net.Sockets;
using Edge.Inference;
using MQTTnet.Server;

namespace Edge.Runtime.Mqtt;

/// <summary>MQTTnet's broker in this process, on the loopback interface only.</summary>
internal sealed class MqttNetBroker : IAsyncDisposable
{
    private readonly MqttServer _server;

    private MqttNetBroker(MqttServer server) => _server = server;

    /// <param name="port">A free port.</param>
    /// <param name="cancel">Not used: starting does not wait.</param>
    /// <exception cref="InputException">The port is taken.</exception>
    internal static async Task<IAsyncDisposable> StartAsync(int port, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        MqttServerOptions options = new MqttServerOptionsBuilder()
            .WithDefaultEndpoint()
            .WithDefaultEndpointBoundIPAddress(IPAddress.Loopback)
            .WithDefaultEndpointBoundIPV6Address(IPAddress.None)
            .WithDefaultEndpointPort(port)
            .WithMaxPendingMessagesPerClient(100_000)
            .Build();
        MqttServer server = new MqttServerFactory().CreateMqttServer(options);

        // MQTT 5 lets a client leave its name to the broker, as mosquitto_sub does; MQTTnet refuses it unless it is given one.
        server.ValidatingConnectionAsync += connection =>
        {
            if (string.IsNullOrEmpty(connection.ClientId))
            {
                connection.AssignedClientIdentifier = $"assigned-{Guid.NewGuid():N}";
            }

            return Task.CompletedTask;
        };
        try
        {
            await server.StartAsync().ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            server.Dispose();
            throw new InputException($"The broker cannot listen on port {port}: {e.Message}. Choose another with --port.", e);
        }

        return new MqttNetBroker(server);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.StopAsync(new MqttServerStopOptionsBuilder().Build()).ConfigureAwait(false);
        _server.Dispose();
    }
}
