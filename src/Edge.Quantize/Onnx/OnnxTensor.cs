using System.Runtime.InteropServices;
using Edge.Quantize.Onnx.Proto;

namespace Edge.Quantize.Onnx;

/// <summary>A constant of an ONNX graph as float32, checked: its shape fits its data and every value is finite.</summary>
internal sealed class OnnxTensor
{
    private const long ElementsMax = 64L << 20;

    private OnnxTensor(string name, int[] shape, float[] values)
    {
        Name = name;
        Shape = shape;
        Values = values;
    }

    internal string Name { get; }

    internal int[] Shape { get; }

    internal float[] Values { get; }

    /// <summary>Reads the element types a recurrent model uses; whole numbers become floats, which is exact for shapes and axes.</summary>
    internal static OnnxTensor Read(TensorProto proto, string name)
    {
        if (proto.DataLocation == 1 || proto.ExternalData.Count > 0)
        {
            throw new InputException($"Tensor '{name}' keeps its values in another file, which this version does not read. Save the model with its weights inside.");
        }

        int[] shape = ReadShape(proto, name, out long elements);
        float[] values = proto.DataType switch
        {
            1 => proto.HasRawData ? Raw<float>(proto, name, elements) : [.. proto.FloatData],
            7 => (proto.HasRawData ? Raw<long>(proto, name, elements) : [.. proto.Int64Data]).Select(value => (float)value).ToArray(),
            6 => (proto.HasRawData ? Raw<int>(proto, name, elements) : [.. proto.Int32Data]).Select(value => (float)value).ToArray(),
            11 => (proto.HasRawData ? Raw<double>(proto, name, elements) : [.. proto.DoubleData]).Select(value => (float)value).ToArray(),
            _ => throw new InputException($"Tensor '{name}' has ONNX element type {proto.DataType}; float32, float64, int32 and int64 are read."),
        };
        if (values.Length != elements)
        {
            throw new InputException($"Tensor '{name}' has {values.Length} values, its shape [{string.Join(", ", shape)}] needs {elements}. The file is damaged.");
        }

        int bad = Array.FindIndex(values, value => !float.IsFinite(value));
        if (bad >= 0)
        {
            throw new InputException($"Tensor '{name}' holds {values[bad]} at element {bad}; the training diverged or the file is damaged.");
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
                throw new InputException($"Tensor '{name}' claims the shape [{string.Join(", ", proto.Dims)}], which no model here can have. The file is damaged.");
            }
        }

        return proto.Dims.Select(dimension => (int)dimension).ToArray();
    }

    private static T[] Raw<T>(TensorProto proto, string name, long elements)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = proto.RawData.Span;
        if (bytes.Length != elements * Marshal.SizeOf<T>())
        {
            throw new InputException($"Tensor '{name}' has {bytes.Length} bytes, its shape needs {elements * Marshal.SizeOf<T>()}. The file is damaged.");
        }

        return MemoryMarshal.Cast<byte, T>(bytes).ToArray();
    }
}
