using Edge.Onnx.Proto;

namespace Edge.Quantize.Tests;

/// <summary>Nodes and tensors of the graph, and the order of its dimensions.</summary>
internal sealed partial class RandomGraph
{
    private void ToOrder(Order to)
    {
        if (to == _order)
        {
            return;
        }

        // From the present places to time, batch, values.
        int[] from = Places(_order);
        int[] target = Places(to);
        long[] permutation = new long[3];
        for (int what = 0; what < 3; what++)
        {
            permutation[target[what]] = from[what];
        }

        Put("Transpose", _value).Attribute.Add(Ints("perm", permutation));
        _order = to;
    }

    // Of time, batch and values.
    private static int[] Places(Order order) => order switch
    {
        Order.TimeFirst => [0, 1, 2],
        Order.BatchFirst => [1, 0, 2],
        _ => [2, 0, 1],
    };

    private int Axis(bool values) => Places(_order)[values ? 2 : 0];

    // A constant with one value, or one for each value of a row, where the present order has them.
    private string OfRow(int count) => _order == Order.ChannelsFirst ? Tensor(count, 1) : Tensor(count);

    private Node Put(string type, params string[] inputs)
    {
        _value = Name();
        var node = new Node { OpType = type, Name = _value, Input = { inputs }, Output = { _value } };
        _graph.Node.Add(node);
        return node;
    }

    private string Named(string type, string input, Edge.Onnx.Proto.Attribute[] attributes, params string[] more)
    {
        string before = _value;
        Node node = Put(type, [input, .. more]);
        node.Attribute.Add(attributes);
        string name = _value;
        _value = before;
        return name;
    }

    private string Name() => $"v{_names++}";

    private string Tensor(params int[] shape)
    {
        int count = shape.Aggregate(1, (product, size) => product * size);
        string name = Name();
        _graph.Initializer.Add(new TensorProto
        {
            Name = name,
            DataType = 1,
            Dims = { shape.Select(size => (long)size) },
            FloatData = { Enumerable.Range(0, count).Select(_ => (_random.NextSingle() * 1.6f) - 0.8f) },
        });
        return name;
    }

    private string Scalar(float value)
    {
        string name = Name();
        _graph.Initializer.Add(new TensorProto { Name = name, DataType = 1, FloatData = { value } });
        return name;
    }

    private string Whole(string what, long[] shape, params long[] values)
    {
        string name = $"{what}{_names++}";
        _graph.Initializer.Add(new TensorProto { Name = name, DataType = 7, Dims = { shape }, Int64Data = { values } });
        return name;
    }

    private static Edge.Onnx.Proto.Attribute Int(string name, long value) => new() { Name = name, Type = 2, I = value };

    private static Edge.Onnx.Proto.Attribute Ints(string name, params long[] values) => new() { Name = name, Type = 7, Ints = { values } };

    private static ValueInfo Typed(string name, Dimension[] shape) => new()
    {
        Name = name,
        Type = new Edge.Onnx.Proto.Type { TensorType = new TensorType { ElemType = 1, Shape = new Shape { Dim = { shape } } } },
    };
}
