using Edge.Onnx;

namespace Edge.Quantize.Tests;

/// <summary>
/// The execution provider that tests of <c>engine: onnx</c> use: EDGE_TEST_ONNX_PROVIDER, or the processor. docs/tests.md has the steps for
/// a GPU.
/// </summary>
internal static class OnnxProvider
{
    internal static OnnxOptions Options { get; } = new()
    {
        Providers = [Environment.GetEnvironmentVariable("EDGE_TEST_ONNX_PROVIDER") ?? "cpu"],
    };

    /// <summary>Whether it is the processor, which reads the inputs where they are; what a GPU takes must be copied.</summary>
    internal static bool IsProcessor => Options.Providers[0] == "cpu";
}
