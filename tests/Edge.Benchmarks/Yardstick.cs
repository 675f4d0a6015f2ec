using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Edge.Inference.Kernels;

namespace Edge.Benchmarks;

/// <summary>gemv.c, compiled by the C compiler of this machine.</summary>
internal sealed unsafe class Yardstick
{
    /// <summary>Steps of a call.</summary>
    internal const int Steps = 32;

    // Bytes that the product may read behind weights and activations.
    private const int Padding = 64;

    private readonly delegate* unmanaged<sbyte*, byte*, int, int*, int, int, int, long, void> _steps;

    private Yardstick(nint library) =>
        _steps = (delegate* unmanaged<sbyte*, byte*, int, int*, int, int, int, long, void>)NativeLibrary.GetExport(library, "gemv_steps");

    /// <summary>Compiles and loads it; null where there is no compiler or no AVX2.</summary>
    /// <param name="processor">gcc's name of the processor whose instructions it may use: x86-64-v3 has AVX2 and nothing later.</param>
    internal static Yardstick? Load(string processor)
    {
        if (!System.Runtime.Intrinsics.X86.Avx2.IsSupported)
        {
            return null;
        }

        string library = Path.Combine(Directory.CreateTempSubdirectory("edge-yardstick-").FullName, "gemv.so");
        try
        {
            using Process compiler = Process.Start(
                "cc",
                [
                    "-O3", $"-march={processor}", "-mtune=native", "-shared", "-fPIC", "-o", library,
                    Path.Combine(Folder(), "Yardstick", "gemv.c"),
                ]);
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? new Yardstick(NativeLibrary.Load(library)) : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary><see cref="Steps"/> steps' worth of the product.</summary>
    internal Action Of(int input, int hidden, int layers)
    {
        int products = (4 * hidden * (input + hidden)) + ((layers - 1) * 8 * hidden * hidden) + (4 * hidden);
        var weights = new PinnedBuffer(products + Padding);
        new Random(1).NextBytes(weights.As<byte>());

        // Of each product, and zeros behind.
        int stride = (Math.Max(2 * hidden, input + hidden) + (2 * Padding) - 1) / Padding * Padding;
        var activations = new PinnedBuffer((layers + 1) * stride);
        var random = new Random(2);
        for (int l = 0; l <= layers; l++)
        {
            random.NextBytes(activations.As<byte>().Slice(l * stride, l == layers ? hidden : (l == 0 ? input : hidden) + hidden));
        }

        var sums = new PinnedBuffer(4 * hidden * sizeof(int));
        return () =>
        {
            _steps((sbyte*)weights.Pointer, activations.Pointer, stride, (int*)sums.Pointer, input, hidden, layers, Steps);
            GC.KeepAlive(weights);
            GC.KeepAlive(activations);
            GC.KeepAlive(sums);
        };
    }

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
