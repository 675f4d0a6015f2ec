using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Edge.Benchmarks;

/// <summary>gemv.c, compiled by the C compiler of this machine, if it has one and runs AVX2.</summary>
internal sealed unsafe class Yardstick
{
    private readonly delegate* unmanaged<sbyte*, byte*, int*, int, int, int, long, void> _steps;

    private Yardstick(nint library) =>
        _steps = (delegate* unmanaged<sbyte*, byte*, int*, int, int, int, long, void>)NativeLibrary.GetExport(library, "gemv_steps");

    /// <summary>Compiles and loads it; null where that cannot be.</summary>
    internal static Yardstick? Load()
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
                ["-O3", "-mavx2", "-shared", "-fPIC", "-o", library, Path.Combine(Folder(), "Yardstick", "gemv.c")]);
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? new Yardstick(NativeLibrary.Load(library)) : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary>Nanoseconds for one step's worth of the product, the median of nine rounds.</summary>
    internal double Measure(int input, int hidden, int layers)
    {
        sbyte[] weights =
            new sbyte[(4 * hidden * (input + hidden + 32)) + ((layers - 1) * 4 * hidden * ((2 * hidden) + 32)) + (4 * (hidden + 32))];
        byte[] activations = new byte[(2 * hidden) + input + 64];
        int[] sums = new int[4 * hidden];
        new Random(1).NextBytes(MemoryMarshal.AsBytes(weights.AsSpan()));
        new Random(2).NextBytes(activations);
        fixed (sbyte* w = weights)
        fixed (byte* a = activations)
        fixed (int* s = sums)
        {
            long count = 1;
            while (Time(w, a, s, input, hidden, layers, count) < TimeSpan.FromMilliseconds(20))
            {
                count *= 2;
            }

            double[] rounds = new double[9];
            for (int i = 0; i < rounds.Length; i++)
            {
                rounds[i] = Time(w, a, s, input, hidden, layers, count).TotalNanoseconds / count;
            }

            Array.Sort(rounds);
            return rounds[rounds.Length / 2];
        }
    }

    private TimeSpan Time(sbyte* weights, byte* activations, int* sums, int input, int hidden, int layers, long count)
    {
        long started = Stopwatch.GetTimestamp();
        _steps(weights, activations, sums, input, hidden, layers, count);
        return Stopwatch.GetElapsedTime(started);
    }

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
