using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Inference;

/// <summary>
/// Readings to int16: x_q = clamp(round_half_even((x - offset) / scale), -32767, 32767), the one float line of a step's way in. A symbol
/// after them becomes its row of the embedding.
/// </summary>
internal static class InputQuantizer
{
    /// <summary>
    /// Refuses a NaN or an infinity, which a cast would turn into a plausible number, and what is no symbol of an embedding.
    /// </summary>
    /// <exception cref="ArgumentException">A reading cannot be used; the message names it.</exception>
    internal static void RequireUsable(EdgeModel model, ReadOnlySpan<float> inputs)
    {
        for (int at = model.InputCount - 1; model.Embedding is { } embedding && at < inputs.Length; at += model.InputCount)
        {
            embedding.Require(inputs[at]);
        }

        int i = 0;
        ref float first = ref MemoryMarshal.GetReference(inputs);
        for (; i + 4 <= inputs.Length; i += 4)
        {
            if (!Vector128.LessThanOrEqualAll(Vector128.Abs(Vector128.LoadUnsafe(ref first, (nuint)i)), Vector128.Create(float.MaxValue)))
            {
                break;
            }
        }

        for (; i < inputs.Length; i++)
        {
            if (!float.IsFinite(inputs[i]))
            {
                throw new ArgumentException(
                    $"Input {i} ('{NameOf(model, i % model.InputCount)}') is {inputs[i]}; only finite readings are allowed.");
            }
        }
    }

    private static string NameOf(EdgeModel model, int input) =>
        input < model.Manifest.Columns.Count ? model.Manifest.Columns[input] : "calendar";

    /// <summary>Quantizes one row of usable readings, and looks the symbol after them up.</summary>
    /// <param name="model">Offsets and scales, and the embedding.</param>
    /// <param name="inputs">[I].</param>
    /// <param name="x">Receives what the first layer reads.</param>
    /// <param name="saturations">Counts clipped readings per input; empty for none.</param>
    internal static void Quantize(EdgeModel model, ReadOnlySpan<float> inputs, Span<short> x, Span<long> saturations)
    {
        int readings = model.ReadingCount;
        model.Embedding?.Row(inputs[readings]).CopyTo(x[readings..]);
        int i = 0;
        ref float first = ref MemoryMarshal.GetReference(inputs);
        ref float offset = ref MemoryMarshal.GetArrayDataReference(model.InputOffset);
        ref float scale = ref MemoryMarshal.GetArrayDataReference(model.InputScale);
        Vector128<float> limit = Vector128.Create((float)short.MaxValue);
        for (; i + 4 <= readings; i += 4)
        {
            nuint at = (nuint)i;
            Vector128<float> steps = (Vector128.LoadUnsafe(ref first, at) - Vector128.LoadUnsafe(ref offset, at))
                / Vector128.LoadUnsafe(ref scale, at);
            steps = Vector128.Round(steps);
            if (Vector128.GreaterThanAny(Vector128.Abs(steps), limit))
            {
                QuantizeEach(model, inputs, x, saturations, i, i + 4);
                continue;
            }

            Vector128<int> whole = Vector128.ConvertToInt32(steps);
            Vector128.Narrow(whole, whole).GetLower().CopyTo(x[i..]);
        }

        QuantizeEach(model, inputs, x, saturations, i, readings);
    }

    private static void QuantizeEach(EdgeModel model, ReadOnlySpan<float> inputs, Span<short> x, Span<long> saturations, int begin, int end)
    {
        for (int i = begin; i < end; i++)
        {
            float steps = MathF.Round((inputs[i] - model.InputOffset[i]) / model.InputScale[i]);
            if (MathF.Abs(steps) > short.MaxValue)
            {
                steps = MathF.CopySign(short.MaxValue, steps);
                if (saturations.Length > 0)
                {
                    saturations[i]++;
                }
            }

            x[i] = (short)steps;
        }
    }
}
