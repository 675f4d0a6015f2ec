using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Why a broker's certificate is not good enough, in words: client libraries say that TLS failed and no more. A second connection looks
/// at the certificate, says nothing but the greeting, and is closed.
/// </summary>
internal static class TlsDiagnosis
{
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(3);

    /// <summary>A sentence, or null if the certificate is not the problem.</summary>
    internal static async Task<string?> ExplainAsync(MqttLinkOptions options, TlsOptions tls, DateTimeOffset now, CancellationToken cancel)
    {
        string? found = null;
        bool isCertificateSeen = false;
        bool wantsCertificate = false;
        try
        {
            X509Certificate2Collection? authorities = tls.CaFile is { } file ? TlsFiles.ReadAuthorities(file) : null;
            using var timed = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            timed.CancelAfter(TimeMax);
            using var client = new TcpClient();
            await client.ConnectAsync(options.Host, options.Port, timed.Token).ConfigureAwait(false);
            await using var stream = new SslStream(client.GetStream());
            await stream.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = options.Host,
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                    {
                        isCertificateSeen = true;
                        found = certificate is null
                            ? "shows no certificate"
                            : Problem(options.Host, tls.CaFile, authorities, new X509Certificate2(certificate), chain: null, errors, now);
                        return found is null;
                    },

                    // Called with the broker's certificate if the broker asks for one of ours. None is given.
                    LocalCertificateSelectionCallback = (_, _, _, remote, _) =>
                    {
                        wantsCertificate |= remote is not null;
                        return null!;
                    },
                },
                timed.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is AuthenticationException or IOException or SocketException
            or OperationCanceledException or CryptographicException)
        {
            // It was refused, as it should be; what was found is what counts.
            found ??= !isCertificateSeen && e is (AuthenticationException or IOException)
                ? "does not speak TLS 1.2 or later on this port"
                : null;
        }

        if (found is null && isCertificateSeen && wantsCertificate)
        {
            return tls.CertificateFile is { } file
                ? $"Broker {options.Address} does not accept the client certificate '{file}'. Check that its authority trusts it."
                : $"Broker {options.Address} asks for a client certificate. Set mqtt.tls.certificate and mqtt.tls.key.";
        }

        return found is null ? null : $"Broker {options.Address} {found}. Nothing was sent to it.";
    }

    /// <summary>What is wrong with the certificate of a server.</summary>
    /// <param name="host">Name or address by which the server is reached.</param>
    /// <param name="caFile">The file of <paramref name="authorities"/>; null for those that the system trusts.</param>
    /// <param name="authorities">Who may vouch for it; null for those that the system trusts.</param>
    /// <param name="certificate">The certificate.</param>
    /// <param name="chain">As TLS has built it, with the certificates in between that the server has sent; null for none.</param>
    /// <param name="errors">What TLS has found.</param>
    /// <param name="now">The time now.</param>
    /// <returns>A clause such as <c>shows a certificate that …</c>; null if nothing is wrong.</returns>
    internal static string? Problem(
        string host,
        string? caFile,
        X509Certificate2Collection? authorities,
        X509Certificate2 certificate,
        X509Chain? chain,
        SslPolicyErrors errors,
        DateTimeOffset now)
    {
        using (certificate)
        {
            if (now < certificate.NotBefore)
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"shows a certificate that is valid from {certificate.NotBefore.ToUniversalTime():yyyy-MM-dd} on, and this machine's "
                        + $"clock says {now.UtcDateTime:yyyy-MM-dd}: set the clock, or wait for time synchronization");
            }

            if (now > certificate.NotAfter)
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"shows a certificate that expired on {certificate.NotAfter.ToUniversalTime():yyyy-MM-dd}, by this machine's clock "
                        + $"({now.UtcDateTime:yyyy-MM-dd})");
            }

            if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            {
                return $"shows a certificate of another name ({certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false)}), not of "
                    + $"'{host}'";
            }

            return IsSignedBy(authorities, certificate, chain) ? null
                : $"shows a certificate of '{certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: true)}' that "
                    + $"{(caFile is { } file ? $"'{file}'" : "the system's certificates")} {(caFile is null ? "do" : "does")} not "
                    + $"vouch for";
        }
    }

    private static bool IsSignedBy(X509Certificate2Collection? authorities, X509Certificate2 certificate, X509Chain? built)
    {
        using X509Chain? own = built is null ? new X509Chain() : null;
        X509Chain chain = built ?? own!;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        if (authorities is not null)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        }

        return chain.Build(certificate);
    }
}
