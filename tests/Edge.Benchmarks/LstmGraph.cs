using System.Runtime.InteropServices;
using Edge.Onnx.Proto;
using Edge.Sensors.Polling;
using Edge.Training.Reference;
using Google.Protobuf;

namespace Edge.Benchmarks;

/// <summary>Step graphs for ONNX Runtime: x and each layer's h and c in, y and each layer's new h and c out; random weights.</summary>
internal sealed class LstmGraph
{
    private const int Float = 1;
    private const int Int8 = 3;
    private const int AttributeInt = 2;
    private readonly Graph _graph = new() { Name = "step" };
    private readonly Random _random = new(1);

    /// <summary>LSTM nodes in float32.</summary>
    internal static byte[] FloatModel(int input, int hidden, int layers, int outputs) =>
        new LstmGraph().Build(input, hidden, layers, outputs, quantized: false);

    /// <summary>DynamicQuantizeLSTM nodes: int8 weights, activations quantized at every step.</summary>
    internal static byte[] QuantizedModel(int input, int hidden, int layers, int outputs) =>
        new LstmGraph().Build(input, hidden, layers, outputs, quantized: true);

    private byte[] Build(int input, int hidden, int layers, int outputs, bool quantized)
    {
        AddValue(_graph.Input, "x", 1, 1, input);
        string below = "x";
        for (int l = 0; l < layers; l++)
        {
            AddValue(_graph.Input, $"h{l}", 1, 1, hidden);
            AddValue(_graph.Input, $"c{l}", 1, 1, hidden);
            AddValue(_graph.Output, $"hn{l}", 1, 1, hidden);
            AddValue(_graph.Output, $"cn{l}", 1, 1, hidden);
            int width = l == 0 ? input : hidden;
            AddFloats($"b{l}", 8 * hidden);
            _graph.Initializer[^1].Dims.Insert(0, 1);
            var node = new Node
            {
                OpType = quantized ? "DynamicQuantizeLSTM" : "LSTM",
                Name = $"lstm{l}",
                Domain = quantized ? "com.microsoft" : "",
            };
            if (quantized)
            {
                AddInt8($"w{l}", 1, width, 4 * hidden);
                AddInt8($"r{l}", 1, hidden, 4 * hidden);
                AddScale($"w{l}");
                AddScale($"r{l}");
                node.Input.Add(
                    [below, $"w{l}", $"r{l}", $"b{l}", "", $"h{l}", $"c{l}", "", $"w{l}_scale", $"w{l}_zero", $"r{l}_scale", $"r{l}_zero"]);
            }
            else
            {
                AddFloats($"w{l}", 1, 4 * hidden, width);
                AddFloats($"r{l}", 1, 4 * hidden, hidden);
                node.Input.Add([below, $"w{l}", $"r{l}", $"b{l}", "", $"h{l}", $"c{l}"]);
            }

            node.Output.Add([$"y{l}", $"hn{l}", $"cn{l}"]);
            node.Attribute.Add(new Edge.Onnx.Proto.Attribute { Name = "hidden_size", I = hidden, Type = AttributeInt });
            _graph.Node.Add(node);
            below = $"s{l}";
            _graph.Node.Add(new Node { OpType = "Squeeze", Name = $"squeeze{l}", Input = { $"y{l}", "axis" }, Output = { below } });
        }

        _graph.Initializer.Add(new TensorProto { Name = "axis", DataType = 7, Dims = { 1 }, Int64Data = { 1 } });
        AddFloats("head_w", hidden, outputs);
        AddFloats("head_b", outputs);
        _graph.Node.Add(new Node { OpType = "MatMul", Name = "head", Input = { below, "head_w" }, Output = { "head_out" } });
        _graph.Node.Add(new Node { OpType = "Add", Name = "bias", Input = { "head_out", "head_b" }, Output = { "y" } });
        AddValue(_graph.Output, "y", 1, 1, outputs);
        var model = new Model { IrVersion = 8, Graph = _graph };
        model.OpsetImport.Add(new OperatorSet { Domain = "", Version = 15 });
        model.OpsetImport.Add(new OperatorSet { Domain = "com.microsoft", Version = 1 });
        return model.ToByteArray();
    }

    private static void AddValue(ICollection<ValueInfo> values, string name, params long[] shape)
    {
        var dimensions = new Shape();
        dimensions.Dim.Add(shape.Select(size => new Dimension { DimValue = size }));
        values.Add(
            new ValueInfo
            {
                Name = name,
                Type = new Edge.Onnx.Proto.Type { TensorType = new TensorType { ElemType = Float, Shape = dimensions } },
            });
    }

    private void AddFloats(string name, params long[] shape)
    {
        float[] values = Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b))
            .Select(_ => 0.2f * (_random.NextSingle() - 0.5f))
            .ToArray();
        AddTensor(name, Float, MemoryMarshal.AsBytes<float>(values), shape);
    }

    private void AddInt8(string name, params long[] shape)
    {
        byte[] values = new byte[shape.Aggregate((a, b) => a * b)];
        _random.NextBytes(values);
        AddTensor(name, Int8, values, shape);
    }

    private void AddScale(string name)
    {
        AddTensor($"{name}_scale", Float, MemoryMarshal.AsBytes<float>([0.1f / 127]), 1);
        AddTensor($"{name}_zero", Int8, [0], 1);
    }

    private void AddTensor(string name, int type, ReadOnlySpan<byte> bytes, params long[] shape)
    {
        var tensor = new TensorProto { Name = name, DataType = type, RawData = ByteString.CopyFrom(bytes) };
        tensor.Dims.Add(shape);
        _graph.Initializer.Add(tensor);
    }
}
