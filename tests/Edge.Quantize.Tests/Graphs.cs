using Edge.Onnx.Proto;
using Google.Protobuf;

namespace Edge.Quantize.Tests;

/// <summary>Parts of ONNX graphs.</summary>
internal static class Graphs
{
    internal static Node Apply(string type, string output, params string[] inputs) => new()
    {
        OpType = type,
        Name = output,
        Input = { inputs },
        Output = { output },
    };

    /// <summary>A float32 value; a dimension of 0 is open.</summary>
    internal static ValueInfo Value(string name, params long[] shape) => new()
    {
        Name = name,
        Type = new Edge.Onnx.Proto.Type
        {
            TensorType = new TensorType
            {
                ElemType = 1,
                Shape = new Shape
                {
                    Dim = { shape.Select((size, at) => size == 0 ? new Dimension { DimParam = $"d{at}" }
                        : new Dimension { DimValue = size }) },
                },
            },
        },
    };

    internal static TensorProto Tensor(string name, float[] values, params long[] shape) => new()
    {
        Name = name,
        DataType = 1,
        Dims = { shape },
        FloatData = { values },
    };

    internal static TensorProto Random(Random random, string name, params long[] shape) => Tensor(
        name,
        [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (product, size) => product * size)).Select(_ =>
            (random.NextSingle() * 1.6f) - 0.8f)],
        shape);

    internal static TensorProto Whole(string name, params long[] values) =>
        new() { Name = name, DataType = 7, Dims = { values.Length }, Int64Data = { values } };

    internal static Edge.Onnx.Proto.Attribute Int(string name, long value) => new() { Name = name, Type = 2, I = value };

    internal static byte[] File(Graph graph, long operators = 17) => new Model
    {
        IrVersion = 8,
        Graph = graph,
        OpsetImport = { new OperatorSet { Domain = "", Version = operators } },
    }.ToByteArray();
}
