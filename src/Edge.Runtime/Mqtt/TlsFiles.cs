using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Edge.Inference;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Reads the files of <c>mqtt.tls</c>, or of another section of a configuration, and checks that they fit together, before anything is
/// sent.
/// </summary>
internal static class TlsFiles
{
    private const long FileMaxBytes = 1 << 20;

    /// <summary>Reads the certificates that vouch for the broker.</summary>
    /// <exception cref="InputException">The file is not certificates in PEM.</exception>
    internal static X509Certificate2Collection ReadAuthorities(string path, string section = "mqtt.tls")
    {
        string pem = ReadPem($"{section}.ca", path, "CERTIFICATE");
        var trusted = new X509Certificate2Collection();
        try
        {
            trusted.ImportFromPem(pem);
        }
        catch (CryptographicException e)
        {
            throw new InputException($"{section}.ca: '{path}' has a certificate that cannot be read: {e.Message}", e);
        }

        return trusted;
    }

    /// <summary>Reads the certificate of this client with its key.</summary>
    /// <exception cref="InputException">One of them cannot be read, or they do not belong together.</exception>
    internal static X509Certificate2 ReadClient(string certificatePath, string keyPath, string section = "mqtt.tls")
    {
        string certificate = ReadPem($"{section}.certificate", certificatePath, "CERTIFICATE");
        string key = ReadPem($"{section}.key", keyPath, "KEY");
        if (key.Contains("ENCRYPTED", StringComparison.Ordinal))
        {
            throw new InputException(
                $"{section}.key: '{keyPath}' is encrypted. Decrypt it with openssl pkey -in KEY -out NEW, "
                    + "and protect the file by its mode.");
        }

        try
        {
            return X509Certificate2.CreateFromPem(certificate, key);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new InputException(
                $"{section}: the key '{keyPath}' does not belong to the certificate '{certificatePath}'. "
                    + "Give the pair that was made together.",
                e);
        }
    }

    private static string ReadPem(string setting, string path, string what)
    {
        byte[] bytes;
        try
        {
            bytes = RegularFile.ReadBytes(path, FileMaxBytes);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"{setting}: '{path}' cannot be read: {e.Message}", e);
        }

        string text = Encoding.Latin1.GetString(bytes);
        bool isThere = text.Contains("-----BEGIN ", StringComparison.Ordinal) && text.Contains($"{what}-----", StringComparison.Ordinal);
        if (isThere)
        {
            return text;
        }

        // DER, and with it PKCS#12, begins with the tag of a SEQUENCE.
        throw new InputException(bytes is [0x30, ..]
            ? $"{setting}: '{path}' is binary (PKCS#12 or DER), not PEM. Convert it with openssl pkcs12 -in FILE -nodes, or openssl x509."
            : $"{setting}: '{path}' has no {(what == "KEY" ? "private key" : "certificate")} in PEM (-----BEGIN … {what}-----).");
    }
}
