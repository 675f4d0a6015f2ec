using System.Diagnostics;
using Edge.Inference;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>How the JIT treats the kernels, seen from outside: the runtime writes down each method that it compiles, and how.</summary>
public sealed class FirstStepTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Kernels_are_compiled_in_full_at_the_first_step()
    {
        string model = _folder.File("m.safetensors");
        await File.WriteAllBytesAsync(model, RandomModels.Int8(seed: 1, inputs: 4, hidden: 20, layers: 2, outputs: 3));
        string compiled = _folder.File("compiled");
        string program = Path.Combine(AppContext.BaseDirectory, "edge-quantize.dll");
        var start = new ProcessStartInfo("dotnet", [program, "bench", model]) { RedirectStandardOutput = true };
        start.Environment["DOTNET_JitStdOutFile"] = compiled;
        start.Environment["DOTNET_JitDisasmSummary"] = "1";
        start.Environment.Remove("DOTNET_TC_QuickJit");
        using Process bench = Process.Start(start)!;
        string said = await bench.StandardOutput.ReadToEndAsync();
        await bench.WaitForExitAsync();

        Assert.Equal(0, bench.ExitCode);
        Assert.All(InferenceSession.Kernels, kernel => Assert.Contains($" {kernel} ", said, StringComparison.Ordinal));
        string[] kernels = [.. File.ReadLines(compiled).Where(line => line.Contains(" Edge.Inference.Kernels.", StringComparison.Ordinal))];
        Assert.Contains(kernels, line => line.Contains("ScalarKernel:StepLstm", StringComparison.Ordinal));
        Assert.DoesNotContain(kernels, line => line.Contains("Tier0", StringComparison.Ordinal));
    }
}
