namespace Edge.Inference.Cells;

/// <summary>
/// A depthwise convolution over the last K rows of W int16 channels, and a table of its int16 sums. The state is the K - 1 rows before.
/// </summary>
internal sealed class Convolution
{
    /// <summary>Most rows.</summary>
    internal const int TapsMax = 64;

    /// <summary>W: channels.</summary>
    internal required int Width { get; init; }

    /// <summary>K: rows, 1..64.</summary>
    internal required int Taps { get; init; }

    /// <summary>int16 [K, W], the oldest row first.</summary>
    internal required short[] Weight { get; init; }

    /// <summary>int32 [W], in units of the products.</summary>
    internal required int[] Bias { get; init; }

    /// <summary>Right shift of a sum to the table's argument, 0..30.</summary>
    internal required int Shift { get; init; }

    /// <summary>Fraction bits of the output, 0..15.</summary>
    internal required int OutputFractionBits { get; init; }

    /// <summary>int16 [2049].</summary>
    internal required short[] Table { get; init; }

    /// <summary>int16 values of state.</summary>
    internal int StateCount => (Taps - 1) * Width;

    /// <summary>Refuses weights with which a sum could leave 32 bits.</summary>
    /// <exception cref="ModelFormatException">A channel's weights are too large together.</exception>
    internal void Validate(string name)
    {
        for (int j = 0; j < Width; j++)
        {
            long sum = Math.Abs((long)Bias[j]) + (1L << Math.Max(0, Shift - 1));
            for (int t = 0; t < Taps; t++)
            {
                sum += 32768L * Math.Abs((int)Weight[(t * Width) + j]);
            }

            if (sum > int.MaxValue)
            {
                throw new ModelFormatException(
                    $"{name}.weight: channel {j} could overflow its 32-bit accumulator. The file is damaged or not made by edge-quantize.");
            }
        }
    }
}
