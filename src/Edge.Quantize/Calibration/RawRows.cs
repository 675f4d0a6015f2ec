using System.Runtime.InteropServices;
using Edge.Inference;

namespace Edge.Quantize.Calibration;

/// <summary>Raw little-endian matrices: .f32 of normalized values, .i64 of symbols.</summary>
internal static class RawRows
{
    /// <summary>Whether a path names such a file.</summary>
    internal static bool Is(string path) =>
        path.EndsWith(".f32", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".i64", StringComparison.OrdinalIgnoreCase);

    /// <summary>All values, row by row.</summary>
    /// <param name="path">The file; anything but .i64 is float32.</param>
    /// <param name="what">What it is to the user.</param>
    /// <param name="columns">Values a row.</param>
    /// <exception cref="InputException">
    /// The file cannot be read, is no whole number of rows, or holds a value that is not finite.
    /// </exception>
    internal static float[] Read(string path, string what, int columns)
    {
        byte[] bytes = FileBytes.Read(path, what);
        bool areSymbols = path.EndsWith(".i64", StringComparison.OrdinalIgnoreCase);
        int size = (areSymbols ? sizeof(long) : sizeof(float)) * columns;
        if (bytes.Length == 0 || bytes.Length % size != 0)
        {
            throw new InputException(
                $"{what} '{path}' has {bytes.Length} bytes; "
                    + $"it must be rows of {columns} {(areSymbols ? "int64" : "float32")} values ({size} bytes each).");
        }

        float[] values = areSymbols
            ? MemoryMarshal.Cast<byte, long>(bytes).ToArray().Select(symbol => (float)symbol).ToArray()
            : MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        int bad = Array.FindIndex(values, value => !float.IsFinite(value));
        return bad < 0
            ? values
            : throw new InputException(
                $"{what} '{path}', row {bad / columns}, column {bad % columns} is {values[bad]}; only finite values are allowed.");
    }
}
