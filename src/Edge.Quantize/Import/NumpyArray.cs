using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Edge.Inference;

namespace Edge.Quantize.Import;

/// <summary>One array of NumPy's .npy format, versions 1 to 3 (numpy.lib.format), as finite float32 in row-major order.</summary>
internal sealed partial class NumpyArray
{
    private NumpyArray(int[] shape, float[] values)
    {
        Shape = shape;
        Values = values;
    }

    internal int[] Shape { get; }

    internal float[] Values { get; }

    internal string ShapeText => $"[{string.Join(", ", Shape)}]";

    /// <exception cref="InputException">The bytes are not a whole array of floats.</exception>
    internal static NumpyArray Parse(string name, byte[] bytes)
    {
        if (bytes.Length < 12 || bytes[0] != 0x93 || !bytes.AsSpan(1).StartsWith("NUMPY"u8))
        {
            throw new InputException($"Array '{name}' is not in NumPy's format. The file is damaged.");
        }

        bool isLong = bytes[6] >= 2;
        int begin = isLong ? 12 : 10;
        long length = isLong ? BitConverter.ToUInt32(bytes, 8) : BitConverter.ToUInt16(bytes, 8);
        if (bytes[6] is < 1 or > 3 || length > bytes.Length - begin)
        {
            throw new InputException($"Array '{name}' has an incomplete header. The file is damaged.");
        }

        string header = Encoding.UTF8.GetString(bytes, begin, (int)length);
        ReadOnlySpan<byte> data = bytes.AsSpan(begin + (int)length);
        Match type = Descr().Match(header);
        Match shapeText = ShapePattern().Match(header);
        if (!type.Success || !shapeText.Success)
        {
            throw new InputException(
                $"Array '{name}' has no type or shape. The file is damaged or holds objects, which are not supported.");
        }

        int[] shape = ReadShape(name, shapeText.Groups[1].Value, out long elements);
        float[] values = type.Groups[1].Value switch
        {
            "<f4" => Elements<float>(name, data, elements),
            "<f8" => Elements<double>(name, data, elements).Select(value => (float)value).ToArray(),
            "<f2" => Elements<Half>(name, data, elements).Select(value => (float)value).ToArray(),
            var other =>
                throw new InputException(
                    $"Array '{name}' has the type '{other}'; only little-endian floats (<f2, <f4, <f8) are supported."),
        };
        int bad = Array.FindIndex(values, value => !float.IsFinite(value));
        if (bad >= 0)
        {
            throw new InputException($"Array '{name}' holds {values[bad]} at element {bad}; the training diverged or the file is damaged.");
        }

        return new NumpyArray(
            shape,
            header.Contains("'fortran_order': True", StringComparison.Ordinal) && shape.Length == 2 ? RowMajor(values, shape) : values);
    }

    private static int[] ReadShape(string name, string text, out long elements)
    {
        elements = 1;
        var shape = new List<int>();
        foreach (string part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int size)
                || (elements *= size) > 16 << 20
                || shape.Count == 4)
            {
                throw new InputException(
                    $"Array '{name}' claims the shape ({text}), which is larger than any supported model. The file is damaged.");
            }

            shape.Add(size);
        }

        return [.. shape];
    }

    private static T[] Elements<T>(string name, ReadOnlySpan<byte> data, long elements)
        where T : unmanaged => data.Length == elements * Marshal.SizeOf<T>()
        ? MemoryMarshal.Cast<byte, T>(data).ToArray()
        : throw new InputException(
            $"Array '{name}' has {data.Length} bytes of data, its shape needs {elements * Marshal.SizeOf<T>()}. The file is damaged.");

    private static float[] RowMajor(float[] values, int[] shape) =>
        Enumerable.Range(0, values.Length).Select(at => values[(at % shape[1] * shape[0]) + (at / shape[1])]).ToArray();

    [GeneratedRegex(@"'descr':\s*'([^']{1,16})'")]
    private static partial Regex Descr();

    [GeneratedRegex(@"'shape':\s*\(([0-9,\s]{0,64})\)")]
    private static partial Regex ShapePattern();
}
