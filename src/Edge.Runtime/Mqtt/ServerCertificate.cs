using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Edge.Inference;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Checks the certificate that a server shows, as <c>tls</c> of a configuration demands, and keeps in words why it is refused: client
/// libraries say that TLS failed and no more. For any thread.
/// </summary>
/// <param name="host">Name or address by which the server is reached; the certificate must have it.</param>
/// <param name="tls">Who vouches for it.</param>
/// <param name="section">The section of the configuration that this is, such as <c>postgresql.tls</c>.</param>
/// <exception cref="InputException">The file of authorities is not certificates in PEM.</exception>
internal sealed class ServerCertificate(string host, TlsOptions tls, string section)
{
    private readonly X509Certificate2Collection? _authorities =
        tls.CaFile is { } file ? TlsFiles.ReadAuthorities(file, section) : null;

    private string? _problem;

    /// <summary>Why the last certificate was refused, a clause such as <c>shows a certificate that …</c>; null if it was good.</summary>
    internal string? Problem => Volatile.Read(ref _problem);

    /// <summary>A <see cref="RemoteCertificateValidationCallback"/>.</summary>
    internal bool IsTrusted(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        string? problem = certificate is null
            ? "shows no certificate"
            : TlsDiagnosis.Problem(host, tls.CaFile, _authorities, new X509Certificate2(certificate), chain, errors, DateTimeOffset.UtcNow);
        Volatile.Write(ref _problem, problem);
        return problem is null;
    }
}
