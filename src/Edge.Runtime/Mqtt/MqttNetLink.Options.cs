using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Edge.Sensors.Polling;
using MQTTnet;
using MQTTnet.Formatter;
using MQTTnet.Protocol;

namespace Edge.Runtime.Mqtt;

/// <summary>Converts the broker options (address, credentials, TLS) to those of MQTTnet.</summary>
internal sealed partial class MqttNetLink
{
    private MqttClientOptions BuildOptions()
    {
        MqttClientOptionsBuilder builder = new MqttClientOptionsBuilder()
            .WithProtocolVersion(_options.Version == MqttVersion.Five ? MqttProtocolVersion.V500 : MqttProtocolVersion.V311)
            .WithNoKeepAlive()
            .WithClientId(_options.ClientId)
            .WithCleanStart(_options.SessionSeconds == 0)
            .WithSessionExpiryInterval(_options.Version == MqttVersion.Five ? _options.SessionSeconds : 0)
            .WithTimeout(TimeSpan.FromMilliseconds(_options.AnswerTimeoutMs));
        if (_options.Version == MqttVersion.Five)
        {
            builder.WithMaximumPacketSize(LinkAdapter.PacketMaxBytes);
        }

        if (_options.WebSocketPath is { } path)
        {
            string scheme = _options.Tls is null ? "ws" : "wss";
            builder.WithWebSocketServer(server => server.WithUri($"{scheme}://{_options.Address}{path}").WithSubProtocols(["mqtt"]));
        }
        else
        {
            builder.WithTcpServer(_options.Host, _options.Port);
        }

        if (_options.Username is not null)
        {
            builder.WithCredentials(_options.Username, _options.Password ?? "");
        }

        if (_options.Will is { } will)
        {
            builder.WithWillTopic(will.Topic)
                .WithWillPayload(will.Payload.ToArray())
                .WithWillQualityOfServiceLevel((MqttQualityOfServiceLevel)will.QualityOfService)
                .WithWillRetain(will.Retain && _options.Retain.IsOn);
        }

        if (_options.Tls is { } tls)
        {
            builder.WithTlsOptions(BuildTls(tls));
        }

        MqttClientOptions options = builder.Build();
        if (options.ChannelOptions is MqttClientTcpOptions tcp)
        {
            tcp.BufferSize = CoalescingChannel.WriteBytesMax;
        }

        return options;
    }

    private MqttClientTlsOptions BuildTls(TlsOptions tls)
    {
        MqttClientTlsOptionsBuilder builder = new MqttClientTlsOptionsBuilder()
            .UseTls()
            .WithTargetHost(_options.Host)
            .WithSslProtocols(SslProtocols.Tls12 | SslProtocols.Tls13)
            .WithRevocationMode(X509RevocationMode.NoCheck);
        if (tls.CaFile is { } caFile)
        {
            X509Certificate2Collection trusted = TlsFiles.ReadAuthorities(caFile);
            builder.WithCertificateValidationHandler(validation => IsTrusted(validation, trusted));
        }

        if (tls.CertificateFile is not null)
        {
            builder.WithClientCertificates([TlsFiles.ReadClient(tls.CertificateFile, tls.KeyFile!)]);
        }

        return builder.Build();
    }

    // Trusts what the configured CA has signed and nothing else; the name must fit in any case.
    private static bool IsTrusted(MqttClientCertificateValidationEventArgs validation, X509Certificate2Collection trusted)
    {
        if (validation.Certificate is null
            || (validation.SslPolicyErrors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(trusted);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(new X509Certificate2(validation.Certificate));
    }
}
