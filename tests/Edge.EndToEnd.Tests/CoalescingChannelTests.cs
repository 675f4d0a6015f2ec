using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Edge.Runtime.Mqtt;
using Edge.Testing;
using MQTTnet.Exceptions;
using MQTTnet.Implementations;

namespace Edge.EndToEnd.Tests;

/// <summary>What is gathered leaves whole and in order over a real connection, or the connection is of no more use.</summary>
public sealed class CoalescingChannelTests : IDisposable
{
    private readonly Socket _far;
    private readonly Socket _near;
    private readonly CoalescingChannel _channel;

    public CoalescingChannelTests()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _near = new Socket(SocketType.Stream, ProtocolType.Tcp) { SendBufferSize = 4096 };
        _near.Connect(listener.LocalEndpoint);
        _far = listener.AcceptSocket();
        _far.ReceiveBufferSize = 64 * 1024;
        _channel = new CoalescingChannel(new MqttTcpChannel(new NetworkStream(_near, ownsSocket: true), null, null, null));
    }

    public void Dispose()
    {
        _channel.Dispose();
        _near.Dispose();
        _far.Dispose();
    }

    [Fact]
    public async Task Nothing_leaves_before_a_flush_and_then_all_of_it()
    {
        await WriteAsync([1, 2]);
        await WriteAsync([3]);
        await Task.Delay(50);
        Assert.Equal(0, _far.Available);
        await _channel.FlushAsync(default);
        Assert.Equal([1, 2, 3], await ReceiveAsync(3));
    }

    // Pieces from a byte to larger than what is gathered, through a kernel that takes a few kilobytes at a time.
    [Fact]
    public async Task Whatever_the_sizes_and_however_slow_the_reader_the_bytes_are_the_same()
    {
        var random = new Random(3);
        byte[] sent = new byte[3 << 20];
        random.NextBytes(sent);
        Task<byte[]> receiving = ReceiveAsync(sent.Length);
        for (int from = 0; from < sent.Length;)
        {
            int most = random.Next(4) == 0 ? 2 * CoalescingChannel.WriteBytesMax : 500;
            int count = Math.Min(random.Next(1, most), sent.Length - from);
            await WriteAsync(sent.AsMemory(from, count));
            from += count;
            if (random.Next(10) == 0)
            {
                await _channel.FlushAsync(default);
            }
        }

        await _channel.FlushAsync(default);
        byte[] received = await receiving.WaitAsync(Eventually.Bound);
        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public async Task What_arrives_is_handed_out_in_pieces_of_any_size()
    {
        var random = new Random(4);
        byte[] sent = new byte[200_000];
        random.NextBytes(sent);
        Task sending = Task.Run(() => _far.Send(sent));
        byte[] got = new byte[sent.Length];
        for (int from = 0; from < got.Length;)
        {
            from += await _channel.ReadAsync(got, from, Math.Min(random.Next(1, 6000), got.Length - from), default);
        }

        await sending;
        Assert.True(sent.AsSpan().SequenceEqual(got));
    }

    [Fact]
    public async Task A_send_that_is_given_up_leaves_a_connection_that_nothing_follows_on()
    {
        using var patience = new CancellationTokenSource(200);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => WriteAsync(new byte[8 << 20], patience.Token));
        await Assert.ThrowsAsync<MqttCommunicationException>(() => WriteAsync([1]));
        await Assert.ThrowsAsync<MqttCommunicationException>(() => _channel.FlushAsync(default).AsTask());
    }

    [Fact]
    public async Task A_connection_that_is_reset_in_the_middle_fails_the_send_and_all_after_it()
    {
        Task sending = WriteAsync(new byte[8 << 20]);
        await Task.Delay(50);
        Assert.False(sending.IsCompleted);
        _far.LingerState = new LingerOption(true, 0);
        _far.Close();
        await Assert.ThrowsAsync<MqttCommunicationException>(() => sending.WaitAsync(Eventually.Bound));
        await Assert.ThrowsAsync<MqttCommunicationException>(() => WriteAsync([1]));
    }

    // While a send waits for the reader, others wait for their turn; both leave whole.
    [Fact]
    public async Task Who_writes_while_a_send_waits_comes_behind_it()
    {
        byte[] large = new byte[8 << 20];
        Task first = WriteAsync(large);
        Task second = WriteAsync([7]);
        Assert.False(first.IsCompleted || second.IsCompleted);
        Task<byte[]> receiving = ReceiveAsync(large.Length + 1);
        await Task.WhenAll(first, second).WaitAsync(Eventually.Bound);
        await _channel.FlushAsync(default);
        Assert.Equal(7, (await receiving.WaitAsync(Eventually.Bound))[^1]);
    }

    private Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancel = default) =>
        _channel.WriteAsync(new ReadOnlySequence<byte>(bytes), true, cancel);

    private Task WriteAsync(byte[] bytes) => WriteAsync(bytes.AsMemory());

    private async Task<byte[]> ReceiveAsync(int count)
    {
        byte[] bytes = new byte[count];
        for (int from = 0; from < count;)
        {
            int read = await _far.ReceiveAsync(bytes.AsMemory(from));
            Assert.NotEqual(0, read);
            from += read;
        }

        return bytes;
    }
}
