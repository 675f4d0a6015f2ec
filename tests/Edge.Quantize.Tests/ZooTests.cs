using System.Runtime.InteropServices;
using System.Text.Json;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>Every file of the zoo by what its catalog says of it.</summary>
public sealed class ZooTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Valid => Named(description => description.StartsWith("valid", StringComparison.Ordinal));

    public static TheoryData<string> Others => Named(description => !description.StartsWith("valid", StringComparison.Ordinal));

    public void Dispose() => _folder.Dispose();

    [SharedDataTheory]
    [MemberData(nameof(Valid))]
    public void A_valid_model_gives_ONNX_Runtimes_outputs_in_float_and_stays_close_in_int8(string name)
    {
        string model = SharedData.Zoo($"{name}.onnx");
        string input = SharedData.Zoo(name.StartsWith("embedding", StringComparison.Ordinal) ? "symbols.i64" : "input.f32");
        CommandLine.Done("infer", model, "--engine", "float", "--input", input, "--output", _folder.File("float.f32"));
        float[] expected = Floats(SharedData.Zoo($"{name}.expected.f32"));
        float[] actual = Floats(_folder.File("float.f32"));

        // Some graphs give the last step only; a stream gives them all.
        float range = actual.Max() - actual.Min();
        Assert.InRange(expected.Zip(actual[^expected.Length..], (a, b) => Math.Abs(a - b)).Max(), 0, 1e-4f * range);

        CommandLine.Done("quantize", model, "--calibration", input, "-o", _folder.File("m.safetensors"));
        CommandLine.Done("infer", _folder.File("m.safetensors"), "--input", input, "--output", _folder.File("int8.f32"));
        float[] int8 = Floats(_folder.File("int8.f32"));
        int outputs = actual.Length / 400;
        for (int k = 0; k < outputs; k++)
        {
            double[] column = Enumerable.Range(0, 400).Select(row => (double)actual[(row * outputs) + k]).ToArray();
            double mean = column.Average();
            double deviation = Math.Sqrt(column.Average(value => (value - mean) * (value - mean)));
            double rms = Math.Sqrt(column.Select((value, row) => Math.Pow(int8[(row * outputs) + k] - value, 2)).Average());
            Assert.InRange(rms, 0, 0.02 * deviation);
        }
    }

    [SharedDataTheory]
    [MemberData(nameof(Others))]
    public void Everything_else_is_refused_with_one_sentence(string name) =>
        CommandLine.Refuses(["inspect", SharedData.Zoo($"{name}.onnx")], $"{name}.onnx");

    private static TheoryData<string> Named(Func<string, bool> isMeant)
    {
        if (!SharedData.IsThere)
        {
            return ["absent"];
        }

        using JsonDocument catalog = JsonDocument.Parse(File.ReadAllBytes(SharedData.Zoo("catalog.json")));
        return
        [
            .. catalog.RootElement.GetProperty("models")
                .EnumerateObject()
                .Where(entry => isMeant(entry.Value.GetString()!))
                .Select(entry => entry.Name),
        ];
    }

    private static float[] Floats(string path) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();
}
