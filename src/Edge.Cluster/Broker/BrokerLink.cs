using Edge.Runtime.Mqtt;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Edge.Cluster.Broker;

/// <summary>The connection of a worker to the broker: made when it is asked for, and again after it is lost. For any thread.</summary>
/// <param name="options">The broker.</param>
/// <param name="name">Name of the connection, for those who look at the broker.</param>
internal sealed class BrokerLink(BrokerOptions options, string name) : IAsyncDisposable
{
    private const string Section = "rabbitmq.tls";
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(20);

    private readonly SemaphoreSlim _gate = new(1);
    private IConnection? _connection;

    internal BrokerOptions Options => options;

    /// <summary>Opens a channel.</summary>
    /// <param name="confirms">Whether the broker confirms what is published on it.</param>
    /// <param name="cancel">Stops.</param>
    /// <exception cref="OutageException">The broker cannot be reached, or refuses.</exception>
    internal async Task<IChannel> OpenAsync(bool confirms, CancellationToken cancel)
    {
        try
        {
            IConnection connection = await ConnectAsync(cancel).ConfigureAwait(false);
            return await connection.CreateChannelAsync(
                new CreateChannelOptions(publisherConfirmationsEnabled: confirms, publisherConfirmationTrackingEnabled: false),
                cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (BrokerFault.Is(e, cancel))
        {
            throw BrokerFault.Of(e, options, "cannot be reached");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is { } connection)
        {
            try
            {
                await connection.CloseAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
                await connection.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (BrokerFault.Is(e))
            {
                // It is gone already.
            }
        }

        _gate.Dispose();
    }

    private async Task<IConnection> ConnectAsync(CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            if (_connection is { IsOpen: true } open)
            {
                return open;
            }

            if (_connection is { } lost)
            {
                _connection = null;
                try
                {
                    await lost.DisposeAsync().ConfigureAwait(false);
                }
                catch (Exception e) when (BrokerFault.Is(e, cancel))
                {
                    // It is gone, and says so.
                }
            }

            var factory = new ConnectionFactory
            {
                UserName = options.Username,
                Password = options.Password,
                VirtualHost = options.VirtualHost,
                RequestedHeartbeat = options.Heartbeat,
                RequestedConnectionTimeout = ConnectTimeout,
                ContinuationTimeout = AnswerTimeout,
                HandshakeContinuationTimeout = AnswerTimeout,

                // A lost connection is recovered as a killed worker is: from what is committed.
                AutomaticRecoveryEnabled = false,
            };
            (BrokerNode Node, ServerCertificate? Certificate)[] nodes =
            [
                .. options.Nodes.Select(node => (node, options.Tls is { } tls ? new ServerCertificate(node.Host, tls, Section) : null)),
            ];
            Random.Shared.Shuffle(nodes);
            AmqpTcpEndpoint[] endpoints =
            [
                .. nodes.Select(each => new AmqpTcpEndpoint(each.Node.Host, each.Node.Port, Ssl(each.Node, options.Tls, each.Certificate))),
            ];
            try
            {
                return _connection = await factory.CreateConnectionAsync(endpoints, name, cancel).ConfigureAwait(false);
            }
            catch (BrokerUnreachableException e)
                when (Array.Find(nodes, each => each.Certificate?.Problem is not null) is { Node: { } node } bad)
            {
                throw new OutageException($"RabbitMQ at {node} {bad.Certificate!.Problem}; nothing was sent to it.", e);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private static SslOption Ssl(BrokerNode node, TlsOptions? tls, ServerCertificate? certificate)
    {
        if (tls is null || certificate is null)
        {
            return new SslOption();
        }

        var ssl = new SslOption(node.Host, enabled: true) { CertificateValidationCallback = certificate.IsTrusted };
        if (tls is { CertificateFile: { } file, KeyFile: { } key })
        {
            ssl.Certs = [TlsFiles.ReadClient(file, key, Section)];
        }

        return ssl;
    }
}
