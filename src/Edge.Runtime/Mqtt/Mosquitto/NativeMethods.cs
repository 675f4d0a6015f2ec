using System.Runtime.InteropServices;

namespace Edge.Runtime.Mqtt.Mosquitto;

/// <summary>The calls of libmosquitto 2.0 (mosquitto.h) that the link needs. Strings are UTF-8; a return value of 0 is success.</summary>
internal static unsafe partial class NativeMethods
{
    internal const string Library = "libmosquitto.so.1";

    internal const int OptionProtocolVersion = 1;
    internal const int OptionTcpNoDelay = 11;
    internal const int OptionTlsUseOsCertificates = 13;
    internal const int ProtocolVersion5 = 5;
    internal const int ProtocolVersion311 = 4;

    internal const int ErrorErrno = 14;

    // Property identifiers of MQTT 5, section 2.2.2.2.
    internal const int PropertyMessageExpiry = 2;
    internal const int PropertyContentType = 3;
    internal const int PropertyResponseTopic = 8;
    internal const int PropertyCorrelationData = 9;
    internal const int PropertySessionExpiry = 17;
    internal const int PropertyReceiveMaximum = 33;
    internal const int PropertyUser = 38;

    [LibraryImport(Library, EntryPoint = "mosquitto_lib_init")]
    internal static partial int LibInit();

    [LibraryImport(Library, EntryPoint = "mosquitto_new", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint New(string id, [MarshalAs(UnmanagedType.U1)] bool cleanSession, nint obj);

    [LibraryImport(Library, EntryPoint = "mosquitto_destroy")]
    internal static partial void Destroy(nint client);

    [LibraryImport(Library, EntryPoint = "mosquitto_int_option")]
    internal static partial int IntOption(nint client, int option, int value);

    [LibraryImport(Library, EntryPoint = "mosquitto_threaded_set")]
    internal static partial int ThreadedSet(nint client, [MarshalAs(UnmanagedType.U1)] bool threaded);

    [LibraryImport(Library, EntryPoint = "mosquitto_username_pw_set", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int UsernamePasswordSet(nint client, string username, string? password);

    [LibraryImport(Library, EntryPoint = "mosquitto_tls_set", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int TlsSet(nint client, string? caFile, string? caPath, string? certificateFile, string? keyFile, nint passwordCallback);

    [LibraryImport(Library, EntryPoint = "mosquitto_tls_opts_set", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int TlsOptionsSet(nint client, int verifyPeer, string? version, string? ciphers);

    [LibraryImport(Library, EntryPoint = "mosquitto_will_set_v5", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int WillSet(
        nint client, string topic, int length, byte* payload, int qos, [MarshalAs(UnmanagedType.U1)] bool retain, nint properties);

    [LibraryImport(Library, EntryPoint = "mosquitto_connect_bind_v5", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Connect(nint client, string host, int port, int keepAlive, string? bindAddress, nint properties);

    [LibraryImport(Library, EntryPoint = "mosquitto_disconnect_v5")]
    internal static partial int Disconnect(nint client, int reason, nint properties);

    [LibraryImport(Library, EntryPoint = "mosquitto_socket")]
    internal static partial int Socket(nint client);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    internal static partial int Shutdown(int socket, int how);

    [LibraryImport(Library, EntryPoint = "mosquitto_loop")]
    internal static partial int Loop(nint client, int timeoutMs, int packetsMax);

    [LibraryImport(Library, EntryPoint = "mosquitto_publish_v5", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Publish(
        nint client, out int mid, string topic, int length, byte* payload, int qos, [MarshalAs(UnmanagedType.U1)] bool retain, nint properties);

    [LibraryImport(Library, EntryPoint = "mosquitto_subscribe_v5", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Subscribe(nint client, out int mid, string filter, int qos, int options, nint properties);

    [LibraryImport(Library, EntryPoint = "mosquitto_connect_v5_callback_set")]
    internal static partial void OnConnect(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, nint, void> callback);

    [LibraryImport(Library, EntryPoint = "mosquitto_disconnect_v5_callback_set")]
    internal static partial void OnDisconnect(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, nint, void> callback);

    [LibraryImport(Library, EntryPoint = "mosquitto_publish_v5_callback_set")]
    internal static partial void OnPublish(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, nint, void> callback);

    [LibraryImport(Library, EntryPoint = "mosquitto_subscribe_v5_callback_set")]
    internal static partial void OnSubscribe(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, int*, nint, void> callback);

    [LibraryImport(Library, EntryPoint = "mosquitto_message_v5_callback_set")]
    internal static partial void OnMessage(nint client, delegate* unmanaged[Cdecl]<nint, nint, NativeMessage*, nint, void> callback);

    [LibraryImport(Library, EntryPoint = "mosquitto_property_add_int32")]
    internal static partial int PropertyAddInt32(ref nint properties, int identifier, uint value);

    [LibraryImport(Library, EntryPoint = "mosquitto_property_add_string", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int PropertyAddString(ref nint properties, int identifier, string value);

    [LibraryImport(Library, EntryPoint = "mosquitto_property_add_string_pair", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int PropertyAddPair(ref nint properties, int identifier, string name, string value);

    [LibraryImport(Library, EntryPoint = "mosquitto_property_read_int16")]
    internal static partial nint PropertyReadInt16(nint properties, int identifier, out ushort value, [MarshalAs(UnmanagedType.U1)] bool skipFirst);

    [LibraryImport(Library, EntryPoint = "mosquitto_property_add_binary")]
    internal static partial int PropertyAddBinary(ref nint properties, int identifier, byte* value, ushort length);

    [LibraryImport(Library, EntryPoint = "mosquitto_property_read_string")]
    internal static partial nint PropertyReadString(nint properties, int identifier, out nint value, [MarshalAs(UnmanagedType.U1)] bool skipFirst);

    [LibraryImport(Library, EntryPoint = "mosquitto_property_read_binary")]
    internal static partial nint PropertyReadBinary(nint properties, int identifier, out nint value, out ushort length, [MarshalAs(UnmanagedType.U1)] bool skipFirst);

    [LibraryImport(Library, EntryPoint = "mosquitto_property_free_all")]
    internal static partial void PropertyFreeAll(ref nint properties);

    [LibraryImport(Library, EntryPoint = "mosquitto_strerror")]
    private static partial nint ErrorText(int code);

    [LibraryImport(Library, EntryPoint = "mosquitto_reason_string")]
    private static partial nint ReasonText(int code);

    [LibraryImport(Library, EntryPoint = "mosquitto_connack_string")]
    private static partial nint ConnackText(int code);

    internal static string Error(int code) => code == ErrorErrno
        ? Marshal.GetPInvokeErrorMessage(Marshal.GetLastSystemError())
        : (Marshal.PtrToStringUTF8(ErrorText(code)) ?? $"error {code}").TrimEnd('.');

    internal static string ConnackReason(int code) => (Marshal.PtrToStringUTF8(ConnackText(code)) ?? $"reason {code}").TrimEnd('.');

    internal static string Reason(int code) => (Marshal.PtrToStringUTF8(ReasonText(code)) ?? $"reason {code}").TrimEnd('.');

    /// <summary>struct mosquitto_message.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeMessage
    {
        internal int Mid;
        internal nint Topic;
        internal nint Payload;
        internal int PayloadLength;
        internal int QualityOfService;
        internal byte Retain;
    }
}
