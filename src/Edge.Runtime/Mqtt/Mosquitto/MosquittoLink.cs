using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Edge.Runtime.Configuration;

namespace Edge.Runtime.Mqtt.Mosquitto;

/// <summary>
/// libmosquitto over P/Invoke. One thread of our own runs its network loop; the library calls back on that thread. A message's
/// acknowledgement is queued before its callback and written by the loop, that is, after the callback: what holds that up holds up
/// the acknowledgement. The native client is freed when both the loop has ended and the link is disposed.
/// </summary>
internal sealed partial class MosquittoLink : IMqttLink
{
    private const int LoopTimeoutMs = 1000;
    private const int ReasonRefusedFrom = 0x80;
    private const int SubscribeRefusedFrom = 0x80;

    private static readonly Lazy<bool> LibraryFound = new(() =>
    {
        if (!NativeLibrary.TryLoad(NativeMethods.Library, typeof(MosquittoLink).Assembly, null, out _))
        {
            return false;
        }

        return NativeMethods.LibInit() == 0;
    });

    private readonly MqttLinkOptions _options;
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<int, TaskCompletionSource> _awaited = [];
    private nint _client;
    private GCHandle _self;
    private bool _loopRuns;
    private bool _isDisposed;
    private bool _isClosed;

    internal MosquittoLink(MqttLinkOptions options) => _options = options;

    public Func<MqttReceived, ValueTask<bool>>? Received { get; set; }

    public Task<string> Closed => _closed.Task;

    public int ReceiveMaximum { get; private set; } = ushort.MaxValue;

    private bool IsVersion5 => _options.Version == MqttVersion.Five;

    private string Broker => $"Broker {_options.Host}:{_options.Port}";

    /// <exception cref="InputException">libmosquitto is not installed.</exception>
    internal static void RequireLibrary()
    {
        if (!LibraryFound.Value)
        {
            throw new InputException($"{NativeMethods.Library} is not installed, and it carries the MQTT messages of this build. Install it: sudo apt-get install libmosquitto1.");
        }
    }

    public async Task ConnectAsync(CancellationToken cancel)
    {
        RequireLibrary();
        _self = GCHandle.Alloc(this);
        _client = NativeMethods.New(_options.ClientId, cleanSession: _options.SessionSeconds == 0, GCHandle.ToIntPtr(_self));
        if (_client == 0)
        {
            throw new MqttLinkException("libmosquitto could not make a client; the machine is out of memory.");
        }

        Configure();
        _loopRuns = true;
        new Thread(Loop) { IsBackground = true, Name = "mosquitto loop" }.Start();
        try
        {
            await AnswerInTimeAsync(_connected.Task, cancel).ConfigureAwait(false);
        }
        catch (MqttLinkException e) when (e is not MqttRefusedException && _options.Tls is not null)
        {
            throw await TlsDiagnosis.ExplainAsync(_options, _options.Tls, DateTimeOffset.UtcNow, cancel).ConfigureAwait(false) is { } why ? new MqttLinkException(why, e) : e;
        }
    }

    public ValueTask SendAsync(MqttDelivery delivery)
    {
        _ = PublishAsync(delivery.Message).ContinueWith(
            published => delivery.Settle(published.Exception?.InnerException as MqttLinkException), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return ValueTask.CompletedTask;
    }

    public ValueTask FlushAsync() => ValueTask.CompletedTask;

    public unsafe Task PublishAsync(MqttMessage message)
    {
        nint properties = 0;
        try
        {
            if (IsVersion5)
            {
                AddProperties(ref properties, message);
            }

            fixed (byte* payload = message.Payload.Span)
            {
                lock (_gate)
                {
                    RequireOpen();
                    Check(
                        NativeMethods.Publish(_client, out int mid, message.Topic, message.Payload.Length, payload, message.QualityOfService, message.Retain, properties),
                        $"publishing on '{message.Topic}'");

                    // QoS 0 is done when libmosquitto has it: its queue goes out before what follows.
                    return message.QualityOfService == 0 ? Task.CompletedTask : Await(mid);
                }
            }
        }
        finally
        {
            NativeMethods.PropertyFreeAll(ref properties);
        }
    }

    public async Task SubscribeAsync(string filter, CancellationToken cancel)
    {
        Task granted;
        lock (_gate)
        {
            RequireOpen();
            Check(NativeMethods.Subscribe(_client, out int mid, filter, qos: 1, options: 0, properties: 0), $"subscribing to '{filter}'");
            granted = Await(mid);
        }

        await AnswerInTimeAsync(granted, cancel).ConfigureAwait(false);
    }

    public async Task DisconnectAsync()
    {
        lock (_gate)
        {
            if (_isClosed || _client == 0)
            {
                return;
            }

            _ = NativeMethods.Disconnect(_client, 0, 0);
        }

        await _closed.Task.ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        // The loop may sit in a connect that the kernel gives up after minutes: nobody waits for it, it frees the client itself.
        Close("The link was disposed.");
        lock (_gate)
        {
            _isDisposed = true;
            FreeIfDone();
        }

        return ValueTask.CompletedTask;
    }

    // The network loop, on its own thread from connect to close.
    private void Loop()
    {
        nint properties = 0;
        int code = _options.SessionSeconds == 0 || !IsVersion5 ? 0 : NativeMethods.PropertyAddInt32(ref properties, NativeMethods.PropertySessionExpiry, _options.SessionSeconds);
        if (code == 0)
        {
            code = NativeMethods.Connect(_client, _options.Host, _options.Port, _options.KeepAliveSeconds, null, properties);
        }

        NativeMethods.PropertyFreeAll(ref properties);
        if (code != 0)
        {
            Close($"{Broker} cannot be reached: {NativeMethods.Error(code)}.");
        }

        while (!Volatile.Read(ref _isClosed))
        {
            code = NativeMethods.Loop(_client, LoopTimeoutMs, packetsMax: 1);
            if (code != 0)
            {
                Close($"The connection to {_options.Host}:{_options.Port} was lost: {NativeMethods.Error(code)}.");
            }
        }

        lock (_gate)
        {
            _loopRuns = false;
            FreeIfDone();
        }
    }

    // Called with the gate held. The native client goes when both its loop and its owner are done with it.
    private void FreeIfDone()
    {
        if (_loopRuns || !_isDisposed || !_self.IsAllocated)
        {
            return;
        }

        NativeMethods.Destroy(_client);
        _client = 0;
        _self.Free();
    }

    private void Close(string reason)
    {
        TaskCompletionSource[] awaited;
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            Volatile.Write(ref _isClosed, true);
            awaited = [.. _awaited.Values];
            _awaited.Clear();
        }

        var lost = new MqttLinkException(reason);
        _connected.TrySetException(lost);
        _closed.TrySetResult(reason);
        foreach (TaskCompletionSource waiting in awaited)
        {
            waiting.TrySetException(lost);
        }
    }

    private void RequireOpen()
    {
        if (_isClosed || _client == 0)
        {
            throw new MqttLinkException(_closed.Task.IsCompleted ? _closed.Task.Result : $"{Broker} is not connected.");
        }
    }

    private async Task AnswerInTimeAsync(Task answer, CancellationToken cancel)
    {
        try
        {
            await answer.WaitAsync(TimeSpan.FromMilliseconds(_options.AnswerTimeoutMs), cancel).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new MqttLinkException($"{Broker} did not answer within {_options.AnswerTimeoutMs / 1000.0:0.#} s.", e);
        }
    }

    // Called with the gate held from before the packet's number exists, so its answer cannot come first.
    private Task Await(int mid)
    {
        var awaited = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _awaited[mid] = awaited;
        return awaited.Task;
    }

    // Nobody awaits a QoS 0 message, which libmosquitto reports like the others.
    private void Answer(int mid, Exception? refused)
    {
        TaskCompletionSource? awaited;
        lock (_gate)
        {
            _awaited.Remove(mid, out awaited);
        }

        if (refused is null)
        {
            awaited?.TrySetResult();
        }
        else
        {
            awaited?.TrySetException(refused);
        }
    }

    private static void Check(int code, string doing)
    {
        if (code != 0)
        {
            throw new MqttLinkException($"libmosquitto failed at {doing}: {NativeMethods.Error(code)}.");
        }
    }
}
