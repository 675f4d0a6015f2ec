using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Edge.Testing;

/// <summary>A certificate authority of a test's own, a server it vouches for, and another authority that it does not know.</summary>
internal static class TestCertificates
{
    /// <param name="folder">Where.</param>
    /// <param name="address">The server's address.</param>
    /// <param name="fromDays">From when on the server's certificate is valid, from now.</param>
    /// <param name="toDays">Until when.</param>
    internal static void Write(TemporaryFolder folder, string address, double fromDays = -1, double toDays = 1)
    {
        using X509Certificate2 ca = Authority("edge test CA");
        using X509Certificate2 other = Authority("another CA");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=edge test broker", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Parse(address));
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 server = request.Create(
            ca,
            DateTimeOffset.UtcNow.AddDays(fromDays),
            DateTimeOffset.UtcNow.AddDays(toDays),
            [1, 2, 3, 4]);
        folder.Write("ca.pem", ca.ExportCertificatePem());
        folder.Write("other-ca.pem", other.ExportCertificatePem());
        folder.Write("server.pem", server.ExportCertificatePem());
        folder.Write("server.key", key.ExportPkcs8PrivateKeyPem());
        using X509Certificate2 alone = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        folder.Write("self-signed.pem", alone.ExportCertificatePem());
        using var clientKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 client = new CertificateRequest("CN=edge", clientKey, HashAlgorithmName.SHA256)
            .Create(ca, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1), [5, 6]);
        folder.Write("client.pem", client.ExportCertificatePem());
        folder.Write("client.key", clientKey.ExportPkcs8PrivateKeyPem());

        folder.ShareForReading();
    }

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(
            new X509BasicConstraintsExtension(
                certificateAuthority: true,
                hasPathLengthConstraint: false,
                pathLengthConstraint: 0,
                critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-20), DateTimeOffset.UtcNow.AddDays(20));
    }
}
