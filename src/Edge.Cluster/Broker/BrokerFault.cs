using System.Net.Sockets;
using System.Security.Authentication;
using Edge.Inference;
using Edge.Runtime;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Edge.Cluster.Broker;

/// <summary>What the client of the broker throws, as a sentence.</summary>
internal static class BrokerFault
{
    /// <summary>Whether an exception is the broker's or the network's: neither a bug, nor the wish of the caller.</summary>
    /// <param name="e">What was thrown.</param>
    /// <param name="cancel">The caller's; the client also cancels what takes too long.</param>
    internal static bool Is(Exception e, CancellationToken cancel = default) =>
        e is RabbitMQClientException or IOException or SocketException or TimeoutException or ObjectDisposedException
            or System.Threading.Channels.ChannelClosedException
        || (e is OperationCanceledException && !cancel.IsCancellationRequested);

    /// <summary>The same as an outage.</summary>
    /// <param name="e">What was thrown.</param>
    /// <param name="options">The broker.</param>
    /// <param name="whileDoing">What was tried, such as <c>cannot be reached</c>.</param>
    internal static OutageException Of(Exception e, BrokerOptions options, string whileDoing) =>
        new($"RabbitMQ at {string.Join(", ", options.Nodes)} {whileDoing}: {Reason(e, options)}.", e);

    /// <summary>Closes a channel, which may be closed already.</summary>
    internal static async ValueTask CloseAsync(IChannel channel)
    {
        try
        {
            await channel.CloseAsync().ConfigureAwait(false);
            await channel.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (Is(e))
        {
            // It is closed, and so may its connection be.
        }
    }

    private static string Reason(Exception e, BrokerOptions options)
    {
        Exception[] chain = [.. Chain(e)];
        if (chain.OfType<AuthenticationFailureException>().Any() || chain.OfType<PossibleAuthenticationFailureException>().Any())
        {
            return $"it refuses the user '{options.Username}' or its password; check rabbitmq.username and rabbitmq.password";
        }

        if (chain.OfType<AuthenticationException>().FirstOrDefault() is { } tls)
        {
            return $"TLS failed ({PrintableText.Of(tls.Message, 200).TrimEnd('.')}); "
                + "check that the port in rabbitmq.hosts is the one for TLS";
        }

        if (chain.OfType<OperationInterruptedException>().FirstOrDefault() is { ShutdownReason: { } reason })
        {
            return PrintableText.Of(reason.ReplyText, 200).TrimEnd('.');
        }

        Exception last = chain.OfType<SocketException>().FirstOrDefault() ?? chain[^1];
        return last is OperationCanceledException ? "it does not answer" : PrintableText.Of(last.Message, 200).TrimEnd('.');
    }

    private static IEnumerable<Exception> Chain(Exception? e)
    {
        for (; e is not null; e = e.InnerException)
        {
            yield return e;
            if (e is AggregateException { InnerExceptions.Count: > 1 } many)
            {
                foreach (Exception each in many.InnerExceptions.Skip(1).SelectMany(Chain))
                {
                    yield return each;
                }
            }
        }
    }
}
