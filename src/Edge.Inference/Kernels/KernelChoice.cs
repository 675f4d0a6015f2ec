using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>One kernel that can be asked for by name.</summary>
/// <param name="Name">As in <c>EDGE_KERNEL</c> and <c>--kernel</c>.</param>
/// <param name="IsSupported">Whether this processor has what it needs.</param>
/// <param name="IsChosen">Whether it takes part in the automatic choice; emulations for tests do not.</param>
/// <param name="Create">Makes a stepper for so many states in a call.</param>
internal sealed record KernelEntry(string Name, bool IsSupported, bool IsChosen, Func<EdgeModel, int, ModelStepper> Create);

/// <summary>The kernels of this build in one ordered list: the first that the processor supports is used.</summary>
internal static class KernelChoice
{
    /// <summary>The environment variable that forces a kernel by name.</summary>
    internal const string Variable = "EDGE_KERNEL";

    /// <summary>Every kernel, the fastest first.</summary>
    internal static readonly KernelEntry[] All =
    [
        // 32 products an instruction, accumulated in int32: Alder Lake, Sapphire Rapids, Zen 5 and later.
        new("avxvnni", AvxVnni.IsSupported, true, (model, states) => new VectorStepper<VectorKernel256<Vnni256>>(model, states)),

        // Twice the width, four instructions for one: Zen 4, Ice Lake. Not where 512 bits slow the processor down.
        new(
            "avx512",
            Avx512BW.IsSupported,
            Vector512.IsHardwareAccelerated,
            (model, states) => new VectorStepper<VectorKernel256<SignedPairs512>>(model, states)),

        // The same with 256 bits.
        new("avx2", Avx2.IsSupported, true, (model, states) => new VectorStepper<VectorKernel256<SignedPairs256>>(model, states)),

        // The packing and loops of avxvnni on a processor without the instruction.
        new(
            "avxvnni-emulated",
            Avx2.IsSupported,
            false,
            (model, states) => new VectorStepper<VectorKernel256<EmulatedVnni256>>(model, states)),

        // sdot: Raspberry Pi 5, Jetson Orin.
        new(
            "advsimd-dot",
            Dp.IsSupported && AdvSimd.Arm64.IsSupported,
            true,
            (model, states) => new VectorStepper<VectorKernel128<AdvSimdDot128>>(model, states)),

        // Raspberry Pi 4, Jetson Nano.
        new("advsimd", AdvSimd.Arm64.IsSupported, true, (model, states) => new VectorStepper<VectorKernel128<AdvSimd128>>(model, states)),

        // The loops and packing of the ARM kernels in plain vector operations; without any hardware for them, right but slow.
        new(
            "vector128",
            true,
            Vector128.IsHardwareAccelerated,
            (model, states) => new VectorStepper<VectorKernel128<Portable128>>(model, states)),

        // The specification: runs everywhere.
        new("scalar", true, true, (model, _) => new ScalarStepper(model)),
    ];

    /// <summary>The names that this processor can run.</summary>
    internal static IEnumerable<string> Supported => All.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name);

    /// <summary>The kernel asked for, else the one the environment forces, else the first that is supported.</summary>
    /// <exception cref="ArgumentException">No kernel of this name runs on this processor.</exception>
    internal static KernelEntry Choose(string? name = null)
    {
        name ??= Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(name))
        {
            return All.First(kernel => kernel.IsSupported && kernel.IsChosen);
        }

        return All.FirstOrDefault(kernel => kernel.Name == name && kernel.IsSupported)
            ?? throw new ArgumentException(
                $"Kernel '{name}' does not run on this processor. Kernels that do: {string.Join(", ", Supported)}.");
    }
}
