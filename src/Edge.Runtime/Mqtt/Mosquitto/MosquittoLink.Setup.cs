namespace Edge.Runtime.Mqtt.Mosquitto;

/// <summary>What is told the native client before it connects, and of each message beside its payload.</summary>
internal sealed partial class MosquittoLink
{
    private unsafe void Configure()
    {
        Check(NativeMethods.IntOption(_client, NativeMethods.OptionProtocolVersion, IsVersion5 ? NativeMethods.ProtocolVersion5 : NativeMethods.ProtocolVersion311), "choosing the version of MQTT");
        Check(NativeMethods.IntOption(_client, NativeMethods.OptionTcpNoDelay, 1), "setting TCP_NODELAY");
        Check(NativeMethods.ThreadedSet(_client, threaded: true), "turning on threads");
        if (_options.Username is not null)
        {
            Check(NativeMethods.UsernamePasswordSet(_client, _options.Username, _options.Password), "setting the credentials");
        }

        if (_options.Tls is { } tls)
        {
            if (tls.CaFile is null)
            {
                Check(NativeMethods.IntOption(_client, NativeMethods.OptionTlsUseOsCertificates, 1), "using the system's certificates");
            }

            Check(
                NativeMethods.TlsSet(_client, tls.CaFile, null, tls.CertificateFile, tls.KeyFile, 0),
                $"reading the TLS files (ca {tls.CaFile ?? "the system's"}, certificate {tls.CertificateFile ?? "none"}, key {tls.KeyFile ?? "none"})");
            Check(NativeMethods.TlsOptionsSet(_client, verifyPeer: 1, "tlsv1.2", null), "requiring TLS 1.2");
        }

        if (_options.Will is { } will)
        {
            fixed (byte* payload = will.Payload.Span)
            {
                Check(NativeMethods.WillSet(_client, will.Topic, will.Payload.Length, payload, will.QualityOfService, will.Retain, 0), "setting the last will");
            }
        }

        NativeMethods.OnConnect(_client, &HandleConnect);
        NativeMethods.OnDisconnect(_client, &HandleDisconnect);
        NativeMethods.OnPublish(_client, &HandlePublish);
        NativeMethods.OnSubscribe(_client, &HandleSubscribe);
        NativeMethods.OnMessage(_client, &HandleMessage);
    }

    private static unsafe void AddProperties(ref nint properties, MqttMessage message)
    {
        if (message.CorrelationData.Length is > 0 and <= ushort.MaxValue)
        {
            fixed (byte* data = message.CorrelationData.Span)
            {
                Check(NativeMethods.PropertyAddBinary(ref properties, NativeMethods.PropertyCorrelationData, data, (ushort)message.CorrelationData.Length), "setting the correlation data");
            }
        }

        if (message.ContentType is { } contentType)
        {
            Check(NativeMethods.PropertyAddString(ref properties, NativeMethods.PropertyContentType, contentType), "setting the content type");
        }

        if (message.ExpirySeconds is { } expiry)
        {
            Check(NativeMethods.PropertyAddInt32(ref properties, NativeMethods.PropertyMessageExpiry, expiry), "setting the expiry");
        }

        foreach ((string name, string value) in message.UserProperties)
        {
            Check(NativeMethods.PropertyAddPair(ref properties, NativeMethods.PropertyUser, name, value), "setting a user property");
        }
    }
}
