using Edge.Onnx.Proto;
using Google.Protobuf;

namespace Edge.Quantize.Tests;

/// <summary>Damage that keeps an ONNX file well-formed: wrong operators, shapes, names, attributes and types in a valid encoding.</summary>
internal static class GraphMutation
{
    private static readonly string[] Operators =
    [
        "LSTM", "GRU", "RNN", "Squeeze", "Unsqueeze", "Transpose", "Reshape", "Gather", "Slice", "MatMul", "Gemm", "Add", "Sub",
        "Mul", "Div", "Softmax", "Relu", "Concat", "Split", "Shape", "Constant", "ConstantOfShape", "Flatten", "Identity", "Cast",
        "BatchNormalization", "ReduceMean", "Expand", "Loop", "Sqrt", "Neg", "Nonsense", "",
    ];

    private static readonly long[] Numbers =
    [
        0, 1, -1, 2, 3, -2, 7, 24, 255, 4096, 65536, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue,
    ];

    internal static byte[] Of(byte[] file, Random random)
    {
        Model model = Model.Parser.ParseFrom(file);
        Graph graph = model.Graph;
        for (int times = random.Next(1, 4); times > 0; times--)
        {
            Node node = graph.Node[random.Next(graph.Node.Count)];
            TensorProto? tensor = graph.Initializer.Count == 0 ? null : graph.Initializer[random.Next(graph.Initializer.Count)];
            switch (random.Next(14))
            {
                case 0:
                    node.OpType = Operators[random.Next(Operators.Length)];
                    break;
                case 1 when node.Input.Count > 0:
                    node.Input[random.Next(node.Input.Count)] = Name(graph, random);
                    break;
                case 2 when node.Input.Count > 0:
                    node.Input.RemoveAt(random.Next(node.Input.Count));
                    break;
                case 3:
                    node.Input.Add(Name(graph, random));
                    break;
                case 4 when node.Output.Count > 0:
                    node.Output[random.Next(node.Output.Count)] = Name(graph, random);
                    break;
                case 5 when node.Attribute.Count > 0:
                    Mutate(node.Attribute[random.Next(node.Attribute.Count)], random);
                    break;
                case 6:
                    node.Attribute.Add(
                        Mutate(
                            new Edge.Onnx.Proto.Attribute
                            {
                                Name = new[]
                                {
                                    "axis",
                                    "perm",
                                    "axes",
                                    "hidden_size",
                                    "direction",
                                    "clip",
                                    "layout",
                                    "activations",
                                    "transB",
                                    "starts",
                                    "value",
                                }[random.Next(11)],
                            },
                            random));
                    break;
                case 7 when tensor?.Dims.Count > 0:
                    tensor.Dims[random.Next(tensor.Dims.Count)] = Numbers[random.Next(Numbers.Length)];
                    break;
                case 8 when tensor is not null:
                    tensor.DataType = random.Next(0, 20);
                    break;
                case 9 when tensor is not null:
                    tensor.Dims.Insert(random.Next(tensor.Dims.Count + 1), Numbers[random.Next(4)]);
                    break;
                case 10:
                    graph.Node.Insert(random.Next(graph.Node.Count + 1), node.Clone());
                    break;
                case 11 when graph.Node.Count > 1:
                    graph.Node.Remove(node);
                    break;
                case 12 when graph.Input.Count > 0 && graph.Input[0].Type?.TensorType?.Shape is { Dim.Count: > 0 } shape:
                    shape.Dim[random.Next(shape.Dim.Count)].DimValue = Numbers[random.Next(Numbers.Length)];
                    break;
                case 13 when tensor is not null:
                    tensor.RawData = ByteString.CopyFrom(new byte[random.Next(64)]);
                    break;
            }
        }

        return model.ToByteArray();
    }

    private static Edge.Onnx.Proto.Attribute Mutate(Edge.Onnx.Proto.Attribute attribute, Random random)
    {
        attribute.I = Numbers[random.Next(Numbers.Length)];
        attribute.F = new[] { 0f, -1f, 1f, 1e38f, float.NaN, float.PositiveInfinity }[random.Next(6)];
        attribute.S = ByteString.CopyFromUtf8(new[] { "forward", "reverse", "bidirectional", "", "Tanh" }[random.Next(5)]);
        if (random.Next(2) == 0)
        {
            attribute.Ints.Add(Numbers[random.Next(Numbers.Length)]);
            attribute.Strings.Add(ByteString.CopyFromUtf8(new[] { "Relu", "HardSigmoid", "Elu", "Tanh", "?" }[random.Next(5)]));
        }

        return attribute;
    }

    // Some name of the graph, so that edges are crossed rather than cut.
    private static string Name(Graph graph, Random random)
    {
        string[] names = graph.Node.SelectMany(node => node.Output)
            .Concat(graph.Initializer.Select(tensor => tensor.Name))
            .Concat(graph.Input.Select(input => input.Name))
            .Append("")
            .Append("nowhere")
            .ToArray();
        return names[random.Next(names.Length)];
    }
}
