using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>A constant of an ONNX graph as float32, checked: its shape fits its data and every value is finite.</summary>
internal sealed class OnnxTensor
{
    /// <summary>Most elements of one tensor: 2,000 units fit four times over.</summary>
    internal const long ElementsMax = 16L << 20;

    internal OnnxTensor(string name, int[] shape, float[] values)
    {
        Name = name;
        Shape = shape;
        Values = values;
    }

    internal string Name { get; }

    internal int[] Shape { get; }

    internal float[] Values { get; }

    /// <summary>How messages write the shape.</summary>
    internal string ShapeText => $"[{string.Join(", ", Shape)}]";

    internal bool IsZero => Array.TrueForAll(Values, value => value == 0);

    /// <summary>Reads the element types a recurrent model uses; whole numbers become floats, which is exact for shapes and axes.</summary>
    internal static OnnxTensor Read(TensorProto proto, string name, ExternalData external)
    {
        int[] shape = ReadShape(proto, name, out long elements);
        float[] values = proto.DataType switch
        {
            1 => Elements<float>(proto, name, elements, external) ?? [.. proto.FloatData],
            10 => Elements<Half>(proto, name, elements, external)?.Select(value => (float)value).ToArray()
                ?? proto.Int32Data.Select(bits => (float)BitConverter.UInt16BitsToHalf((ushort)bits)).ToArray(),
            16 =>
                Elements<ushort>(proto, name, elements, external)?.Select(BFloat16).ToArray()
                    ?? proto.Int32Data.Select(bits => BFloat16((ushort)bits)).ToArray(),
            11 =>
                Elements<double>(proto, name, elements, external)?.Select(value => (float)value).ToArray()
                    ?? proto.DoubleData.Select(value => (float)value).ToArray(),
            7 =>
                Elements<long>(proto, name, elements, external)?.Select(value => (float)value).ToArray()
                    ?? proto.Int64Data.Select(value => (float)value).ToArray(),
            6 =>
                Elements<int>(proto, name, elements, external)?.Select(value => (float)value).ToArray()
                    ?? proto.Int32Data.Select(value => (float)value).ToArray(),
            3 =>
                Elements<sbyte>(proto, name, elements, external)?.Select(value => (float)value).ToArray()
                    ?? proto.Int32Data.Select(value => (float)value).ToArray(),
            4 =>
                Elements<ushort>(proto, name, elements, external)?.Select(value => (float)value).ToArray()
                    ?? proto.Int32Data.Select(value => (float)value).ToArray(),
            5 =>
                Elements<short>(proto, name, elements, external)?.Select(value => (float)value).ToArray()
                    ?? proto.Int32Data.Select(value => (float)value).ToArray(),
            9 or 2 =>
                Elements<byte>(proto, name, elements, external)?.Select(value => (float)value).ToArray()
                    ?? proto.Int32Data.Select(value => (float)value).ToArray(),
            _ =>
                throw new InputException(
                    $"Tensor '{name}' has ONNX element type {proto.DataType}; "
                        + $"only floats of 16, 32 and 64 bits and whole numbers of 8 to 64 bits are supported."),
        };
        if (values.Length != elements)
        {
            throw new InputException(
                $"Tensor '{name}' has {values.Length} values, its shape [{string.Join(", ", shape)}] needs {elements}. "
                    + $"The file is damaged.");
        }

        int bad = Array.FindIndex(values, value => !float.IsFinite(value));
        if (bad >= 0)
        {
            throw new InputException(
                $"Tensor '{name}' holds {values[bad]} at element {bad}; the training diverged or the file is damaged.");
        }

        return new OnnxTensor(name, shape, values);
    }

    private static int[] ReadShape(TensorProto proto, string name, out long elements)
    {
        elements = 1;
        foreach (long dimension in proto.Dims)
        {
            if (dimension < 0 || dimension > ElementsMax || (elements *= dimension) > ElementsMax)
            {
                throw new InputException(
                    $"Tensor '{name}' claims the shape [{string.Join(", ", proto.Dims)}], which is larger than any supported model. "
                        + $"The file is damaged.");
            }
        }

        if (proto.Dims.Count > 8)
        {
            throw new InputException(
                $"Tensor '{name}' claims {proto.Dims.Count} dimensions, which is larger than any supported model. The file is damaged.");
        }

        return proto.Dims.Select(dimension => (int)dimension).ToArray();
    }

    // Raw elements, of the file itself or of one beside it; null where they are in a typed list.
    private static T[]? Elements<T>(TensorProto proto, string name, long elements, ExternalData external)
        where T : unmanaged
    {
        int size = Marshal.SizeOf<T>();
        if (proto.DataLocation == 1 || proto.ExternalData.Count > 0)
        {
            return MemoryMarshal.Cast<byte, T>(external.Read(proto, name, elements * size)).ToArray();
        }

        if (!proto.HasRawData)
        {
            return null;
        }

        ReadOnlySpan<byte> bytes = proto.RawData.Span;
        if (bytes.Length != elements * size)
        {
            throw new InputException($"Tensor '{name}' has {bytes.Length} bytes, its shape needs {elements * size}. The file is damaged.");
        }

        return MemoryMarshal.Cast<byte, T>(bytes).ToArray();
    }

    private static float BFloat16(ushort bits) => BitConverter.Int32BitsToSingle(bits << 16);
}
