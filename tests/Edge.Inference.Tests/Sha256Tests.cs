using System.Security.Cryptography;
using System.Text;

namespace Edge.Inference.Tests;

/// <summary>The name of a model is the SHA-256 that <c>sha256sum</c> prints.</summary>
public sealed class Sha256Tests
{
    // FIPS 180-4, the examples of NIST.
    [Theory]
    [InlineData("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData(
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")]
    public void The_published_examples_come_out(string text, string hash) =>
        Assert.Equal(hash, Models.Sha256.Hex(Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void Every_length_up_to_five_blocks_and_a_megabyte_hash_as_the_base_class_library_does()
    {
        var random = new Random(7);
        foreach (int length in Enumerable.Range(0, 321).Append(1_000_003))
        {
            byte[] bytes = new byte[length];
            random.NextBytes(bytes);
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), Models.Sha256.Hex(bytes));
        }
    }
}
