using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Quantize.Commands;

/// <summary>
/// <c>keygen</c>, <c>sign</c>, <c>verify</c>: ECDSA P-256 with SHA-256 over a model file's bytes, the signature (DER, base64, one line)
/// beside it in <c>MODEL.sig</c>, keys in PEM (PKCS#8, SubjectPublicKeyInfo).
/// </summary>
internal static class SignatureCommands
{
    private const string Curve = "P-256";

    internal static Command CreateKeygen(TextWriter output)
    {
        var key = new Option<string>("--key")
        {
            Description = "File for the private key, PEM. Keep it on the machine that signs.",
            DefaultValueFactory = _ => "edge-signing-key.pem",
        };
        var command = new Command("keygen", "Creates a key pair for signing models: KEY.pem, and KEY.pub.pem for the devices.") { key };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(key);
            string publicPath = Path.ChangeExtension(path, ".pub.pem");
            if (File.Exists(path) || File.Exists(publicPath))
            {
                throw new InputException(
                    $"'{(File.Exists(path) ? path : publicPath)}' already exists, and keys are not overwritten. "
                        + $"Choose another name, or remove the file.");
            }

            using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            WriteSecret(path, pair.ExportPkcs8PrivateKeyPem() + "\n");
            FileBytes.Write(publicPath, Encoding.ASCII.GetBytes(pair.ExportSubjectPublicKeyInfoPem() + "\n"));
            output.WriteLine($"private key: {path} (keep it secret)");
            output.WriteLine($"public key:  {publicPath} (give it to the devices)");
            return 0;
        });
        return command;
    }

    internal static Command CreateSign(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "The model file." };
        var key = new Option<string>("--key") { Description = "Private key of keygen, PEM.", Required = true };
        var command = new Command("sign", "Signs a model: writes the signature to MODEL.sig.") { model, key };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            using ECDsa signer = LoadPrivateKey(parsed.GetRequiredValue(key));
            byte[] signature = signer.SignData(
                FileBytes.Read(path, "Model"),
                HashAlgorithmName.SHA256,
                DSASignatureFormat.Rfc3279DerSequence);
            FileBytes.Write(path + ".sig", Encoding.ASCII.GetBytes(Convert.ToBase64String(signature) + "\n"));
            output.WriteLine($"signature: {path}.sig");
            return 0;
        });
        return command;
    }

    internal static Command CreateVerify(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "The model file; its signature is MODEL.sig." };
        var key = new Option<string>("--key") { Description = "Public key of keygen, PEM.", Required = true };
        var command = new Command("verify", "Verifies the signature of a model. Exit code 0 if it is valid for this key and file, else 1.")
        {
            model,
            key,
        };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            using ModelSignature trusted = LoadPublicKey(parsed.GetRequiredValue(key));
            byte[] file = FileBytes.Read(path, "Model");
            if (!trusted.Verifies(file, Encoding.ASCII.GetString(FileBytes.Read(path + ".sig", "Signature", 4096))))
            {
                throw new InputException(
                    $"'{path}' has no valid signature of this key. The file was changed after signing, or another key signed it. "
                        + $"Copy the model again, or sign it.");
            }

            output.WriteLine($"{path}: signature good");
            return 0;
        });
        return command;
    }

    private static ModelSignature LoadPublicKey(string path)
    {
        try
        {
            return ModelSignature.FromPublicKey(ReadKey(path));
        }
        catch (ModelFormatException e)
        {
            throw new InputException($"Key '{path}': {e.Message}", e);
        }
    }

    private static ECDsa LoadPrivateKey(string path)
    {
        string sentence = $"Key '{path}' is not a private ECDSA {Curve} key in PEM; edge-quantize keygen creates one.";
        string pem = ReadKey(path);
        ECDsa key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            if (pem.Contains("PRIVATE KEY", StringComparison.Ordinal)
                && key.ExportParameters(includePrivateParameters: false).Curve.Oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value)
            {
                return key;
            }
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new InputException(sentence, e);
        }

        key.Dispose();
        throw new InputException(sentence);
    }

    private static string ReadKey(string path) => Encoding.ASCII.GetString(FileBytes.Read(path, "Key", 64 << 10));

    // Readable by its owner only, from the first byte on.
    private static void WriteSecret(string path, string text)
    {
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using var stream = new FileStream(path, options);
            stream.Write(Encoding.ASCII.GetBytes(text));
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw FileFault.Unwritable(path, e);
        }
    }
}
