using System.Security.Cryptography;

namespace Edge.Inference.Models;

/// <summary>
/// A model file's signature as <c>edge-quantize sign</c> writes it: ECDSA P-256 with SHA-256 over the file's bytes, DER, base64.
/// </summary>
public sealed class ModelSignature : IDisposable
{
    private readonly ECDsa _key;

    private ModelSignature(ECDsa key) => _key = key;

    /// <summary>Reads a public key.</summary>
    /// <param name="pem">SubjectPublicKeyInfo in PEM, as <c>edge-quantize keygen</c> writes it.</param>
    /// <exception cref="ModelFormatException">It is no public P-256 key.</exception>
    public static ModelSignature FromPublicKey(string pem)
    {
        const string Sentence = "This is not a public ECDSA P-256 key in PEM; edge-quantize keygen creates one.";
        if (pem.Contains("PRIVATE KEY", StringComparison.Ordinal))
        {
            throw new ModelFormatException("This is a private key, which must stay on the machine that signs. Use the public key.");
        }

        ECDsa key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            if (key.ExportParameters(includePrivateParameters: false).Curve.Oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value)
            {
                return new ModelSignature(key);
            }
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new ModelFormatException(Sentence, e);
        }

        key.Dispose();
        throw new ModelFormatException(Sentence);
    }

    /// <summary>Whether a text is this key's signature over a file.</summary>
    public bool Verifies(ReadOnlySpan<byte> file, string signature)
    {
        byte[] bytes = new byte[signature.Length];
        return Convert.TryFromBase64String(signature.Trim(), bytes, out int length)
            && _key.VerifyData(file, bytes.AsSpan(0, length), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();
}
