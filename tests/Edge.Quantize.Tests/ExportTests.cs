using System.Runtime.InteropServices;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>What PyTorch's exporter, state dictionaries and NumPy write (Exports/generate.py), in float and in int8.</summary>
public sealed class ExportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Streamable => [.. Models(name => !name.StartsWith("refuse", StringComparison.Ordinal))];

    public static TheoryData<string> Others => [.. Models(name => name.StartsWith("refuse", StringComparison.Ordinal))];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Streamable))]
    public void Float_gives_the_outputs_of_training_and_int8_stays_close(string file)
    {
        CommandLine.Done("infer", Path(file), "--engine", "float", "--input", Path("x.f32"), "--output", _folder.File("float.f32"));
        float[] expected = Floats(Path(System.IO.Path.ChangeExtension(file, ".y")));
        float[] actual = Floats(_folder.File("float.f32"));
        Assert.InRange(expected.Zip(actual[^expected.Length..], (a, b) => Math.Abs(a - b)).Max(), 0, 1e-5f);

        CommandLine.Done("quantize", Path(file), "--calibration", Path("x.f32"), "-o", _folder.File("m.safetensors"));
        CommandLine.Done("infer", _folder.File("m.safetensors"), "--input", Path("x.f32"), "--output", _folder.File("int8.f32"));
        float[] int8 = Floats(_folder.File("int8.f32"));
        double deviation = Math.Sqrt(actual.Average(value => Math.Pow(value - actual.Average(), 2)));
        double rms = Math.Sqrt(actual.Zip(int8, (a, b) => Math.Pow(a - b, 2)).Average());
        Assert.InRange(rms, 0, 0.02 * deviation);
    }

    [Theory]
    [MemberData(nameof(Others))]
    public void What_cannot_stream_is_refused_with_one_sentence(string file) => CommandLine.Refuses(["inspect", Path(file)], file);

    private static IEnumerable<string> Models(Func<string, bool> isMeant) =>
        Directory.GetFiles(Path(""))
            .Select(path => System.IO.Path.GetFileName(path))
            .Where(name => !name.EndsWith(".y", StringComparison.Ordinal)
                && !name.EndsWith(".py", StringComparison.Ordinal)
                && !name.EndsWith(".f32", StringComparison.Ordinal)
                && !name.StartsWith("tiny", StringComparison.Ordinal)
                && isMeant(name))
            .Order();

    private static string Path(string file) => RepositoryFile.Path($"tests/Edge.Quantize.Tests/Exports/{file}");

    private static float[] Floats(string path) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();
}
