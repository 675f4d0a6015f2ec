using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Edge.Runtime.Mqtt.Mosquitto;

/// <summary>What the library calls, on the loop's thread.</summary>
internal sealed partial class MosquittoLink
{
    private static MosquittoLink Of(nint handle) => (MosquittoLink)GCHandle.FromIntPtr(handle).Target!;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void HandleConnect(nint client, nint handle, int reason, int flags, nint properties)
    {
        MosquittoLink link = Of(handle);
        if (reason != 0)
        {
            MqttRefusedException refused = link._options.Refused(reason, link.IsVersion5 ? NativeMethods.Reason(reason) : NativeMethods.ConnackReason(reason));
            link._connected.TrySetException(refused);
            link.Close(refused.Message);
            return;
        }

        if (NativeMethods.PropertyReadInt16(properties, NativeMethods.PropertyReceiveMaximum, out ushort receiveMaximum, skipFirst: false) != 0)
        {
            link.ReceiveMaximum = receiveMaximum;
        }

        link._connected.TrySetResult();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void HandleDisconnect(nint client, nint handle, int reason, nint properties)
    {
        MosquittoLink link = Of(handle);
        link.Close(reason == 0 ? "Disconnected." : $"{link.Broker} closed the connection: {(reason >= ReasonRefusedFrom ? NativeMethods.Reason(reason) : NativeMethods.Error(reason))}.");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void HandlePublish(nint client, nint handle, int mid, int reason, nint properties)
    {
        MosquittoLink link = Of(handle);
        link.Answer(mid, reason >= ReasonRefusedFrom ? new MqttRefusedException($"{NativeMethods.Reason(reason)}.") : null);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void HandleSubscribe(nint client, nint handle, int mid, int count, int* granted, nint properties) =>
        Of(handle).Answer(mid, count < 1 || granted[0] >= SubscribeRefusedFrom ? new MqttRefusedException("The broker refuses the subscription.") : null);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void HandleMessage(nint client, nint handle, NativeMethods.NativeMessage* message, nint properties)
    {
        MosquittoLink link = Of(handle);
        byte[] payload = new ReadOnlySpan<byte>((void*)message->Payload, message->PayloadLength).ToArray();
        string? responseTopic = null;
        byte[] correlation = [];
        if (NativeMethods.PropertyReadString(properties, NativeMethods.PropertyResponseTopic, out nint text, skipFirst: false) != 0)
        {
            responseTopic = Marshal.PtrToStringUTF8(text);
            NativeMemory.Free((void*)text);
        }

        if (NativeMethods.PropertyReadBinary(properties, NativeMethods.PropertyCorrelationData, out nint data, out ushort length, skipFirst: false) != 0)
        {
            correlation = new ReadOnlySpan<byte>((void*)data, length).ToArray();
            NativeMemory.Free((void*)data);
        }

        link.Take(new MqttReceived(Marshal.PtrToStringUTF8(message->Topic) ?? "", payload, message->Retain != 0, responseTopic, correlation));
    }

    private void Take(MqttReceived message)
    {
        // What came behind a message that was not taken must not overtake it.
        string? why = Volatile.Read(ref _isClosed) ? "Closed." : TryTake(message);
        if (why is not null)
        {
            // Its acknowledgement stands in the queue already.
            _ = NativeMethods.Shutdown(NativeMethods.Socket(_client), how: 2);
            Close(why);
        }
    }

    // Why it was not taken, or null.
    private string? TryTake(MqttReceived message)
    {
        try
        {
            return Received?.Invoke(message).AsTask().GetAwaiter().GetResult() == false ? "A message was not taken." : null;
        }
        catch (Exception e)
        {
            return $"A message on '{message.Topic}' could not be taken: a bug of ours ({e.GetType().Name}): {e.Message}";
        }
    }
}
