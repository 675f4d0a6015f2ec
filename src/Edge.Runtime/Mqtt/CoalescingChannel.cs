using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using MQTTnet.Channel;
using MQTTnet.Exceptions;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// A connection that gathers what is written and sends it with one call. MQTTnet writes the head and the payload of every packet apart and
/// reads packets a byte or two at a time: on a socket each of these is a system call.
/// </summary>
internal sealed class CoalescingChannel(IMqttChannel inner) : IMqttChannel
{
    /// <summary>Gathered bytes are sent when they exceed this size.</summary>
    internal const int WriteBytesMax = 64 * 1024;

    // A kilobyte holds the acknowledgments of 256 messages, which is the window.
    private const int ReadBytesMax = 4096;

    // Held while bytes are added or sent, so that they leave in the order in which they were added.
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly byte[] _gathered = new byte[WriteBytesMax];
    private readonly byte[] _read = new byte[ReadBytesMax];
    private int _gatheredCount;
    private int _readFrom;
    private int _readTo;
    private bool _isBroken;
    private long _sentAtMs = Environment.TickCount64;
    private long _receivedAtMs;

    /// <summary>When bytes were sent last; <see cref="Environment.TickCount64"/>.</summary>
    internal long SentAtMs => Volatile.Read(ref _sentAtMs);

    /// <summary>When bytes arrived last; <see cref="Environment.TickCount64"/>, or 0 for never.</summary>
    internal long ReceivedAtMs => Volatile.Read(ref _receivedAtMs);

    public X509Certificate2 ClientCertificate => inner.ClientCertificate;

    public EndPoint RemoteEndPoint => inner.RemoteEndPoint;

    public EndPoint LocalEndPoint => inner.LocalEndPoint;

    public bool IsSecureConnection => inner.IsSecureConnection;

    public Task ConnectAsync(CancellationToken cancellationToken) => inner.ConnectAsync(cancellationToken);

    public Task DisconnectAsync(CancellationToken cancellationToken) => inner.DisconnectAsync(cancellationToken);

    /// <summary>Gathers bytes; waits only if there is no space and bytes must be sent first.</summary>
    /// <exception cref="MqttCommunicationException">The connection is lost.</exception>
    public Task WriteAsync(ReadOnlySequence<byte> buffer, bool isEndOfPacket, CancellationToken cancellationToken)
    {
        if (!_turn.Wait(0, CancellationToken.None))
        {
            return WriteInTurnAsync(buffer, hasTurn: false, cancellationToken);
        }

        if (buffer.Length > WriteBytesMax - _gatheredCount || _isBroken)
        {
            return WriteInTurnAsync(buffer, hasTurn: true, cancellationToken);
        }

        Gather(buffer);
        _turn.Release();
        return Task.CompletedTask;
    }

    /// <summary>Sends what was gathered.</summary>
    /// <exception cref="MqttCommunicationException">The connection is lost.</exception>
    internal async ValueTask FlushAsync(CancellationToken cancel)
    {
        await TakeTurnAsync(cancel).ConfigureAwait(false);
        try
        {
            await SendGatheredAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        if (_readFrom < _readTo)
        {
            return Task.FromResult(TakeRead(buffer.AsSpan(offset, count)));
        }

        // The body of a large message goes straight to where it is wanted.
        return count >= ReadBytesMax
            ? ReadStraightAsync(buffer, offset, count, cancellationToken)
            : ReadMoreAsync(buffer, offset, count, cancellationToken);
    }

    public void Dispose() => inner.Dispose();

    private async Task WriteInTurnAsync(ReadOnlySequence<byte> buffer, bool hasTurn, CancellationToken cancel)
    {
        if (!hasTurn)
        {
            await TakeTurnAsync(cancel).ConfigureAwait(false);
        }

        try
        {
            if (buffer.Length > WriteBytesMax - _gatheredCount)
            {
                await SendGatheredAsync(cancel).ConfigureAwait(false);
            }

            if (buffer.Length > WriteBytesMax)
            {
                await SendAsync(buffer, cancel).ConfigureAwait(false);
            }
            else
            {
                RequireWhole();
                Gather(buffer);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask TakeTurnAsync(CancellationToken cancel)
    {
        try
        {
            await _turn.WaitAsync(cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The head of this packet may have been gathered already.
            Volatile.Write(ref _isBroken, true);
            throw;
        }
    }

    private ValueTask SendGatheredAsync(CancellationToken cancel)
    {
        if (_gatheredCount == 0)
        {
            RequireWhole();
            return ValueTask.CompletedTask;
        }

        var bytes = new ReadOnlySequence<byte>(_gathered, 0, _gatheredCount);
        _gatheredCount = 0;
        return SendAsync(bytes, cancel);
    }

    // Called with the turn held. A send that fails or is canceled may have sent half a packet, so nothing may follow it.
    private async ValueTask SendAsync(ReadOnlySequence<byte> bytes, CancellationToken cancel)
    {
        RequireWhole();
        bool isSent = false;
        try
        {
            Volatile.Write(ref _sentAtMs, Environment.TickCount64);
            await inner.WriteAsync(bytes, true, cancel).ConfigureAwait(false);
            isSent = true;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            throw new MqttCommunicationException(e);
        }
        finally
        {
            if (!isSent)
            {
                Volatile.Write(ref _isBroken, true);
            }
        }
    }

    private void RequireWhole()
    {
        if (Volatile.Read(ref _isBroken))
        {
            throw new MqttCommunicationException("The connection broke in the middle of a packet.");
        }
    }

    private void Gather(ReadOnlySequence<byte> bytes)
    {
        bytes.CopyTo(_gathered.AsSpan(_gatheredCount));
        _gatheredCount += (int)bytes.Length;
    }

    private async Task<int> ReadMoreAsync(byte[] buffer, int offset, int count, CancellationToken cancel)
    {
        int read = await ReadStraightAsync(_read, 0, ReadBytesMax, cancel).ConfigureAwait(false);
        _readFrom = 0;
        _readTo = read;
        return TakeRead(buffer.AsSpan(offset, count));
    }

    private async Task<int> ReadStraightAsync(byte[] buffer, int offset, int count, CancellationToken cancel)
    {
        int read = await inner.ReadAsync(buffer, offset, count, cancel).ConfigureAwait(false);
        Volatile.Write(ref _receivedAtMs, Environment.TickCount64);
        return read;
    }

    private int TakeRead(Span<byte> into)
    {
        int count = Math.Min(into.Length, _readTo - _readFrom);
        _read.AsSpan(_readFrom, count).CopyTo(into);
        _readFrom += count;
        return count;
    }
}
