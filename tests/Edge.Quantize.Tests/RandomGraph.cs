using Edge.Onnx.Proto;
using Google.Protobuf;

namespace Edge.Quantize.Tests;

/// <summary>
/// Makes ONNX graphs of sequences from a seed: a chain of operators that keep rows apart or remember them causally, and in some of them
/// one that mixes rows. The dimensions stand in several orders, as exporters have them.
/// </summary>
internal sealed partial class RandomGraph
{
    private readonly Random _random;
    private readonly Graph _graph = new() { Name = "random" };
    private int _names;

    // Where the time stands: [time, 1, values], [1, time, values] or [1, values, time].
    private Order _order;
    private string _value = "x";
    private int _width;

    private enum Order
    {
        TimeFirst,
        BatchFirst,
        ChannelsFirst,
    }

    /// <param name="seed">The same seed gives the same graph.</param>
    internal RandomGraph(int seed)
    {
        _random = new Random(seed);
        _width = Width = _random.Next(1, 5);
        _order = _random.Next(2) == 0 ? Order.TimeFirst : Order.BatchFirst;
        WindowRows = _random.Next(8) == 0 ? _random.Next(2, 7) : 0;
        Dimension time = WindowRows > 0 ? new Dimension { DimValue = WindowRows } : new Dimension { DimParam = "time" };
        Dimension one = _random.Next(3) == 0 ? new Dimension { DimParam = "batch" } : new Dimension { DimValue = 1 };
        Dimension[] outer = _order == Order.TimeFirst ? [time, one] : [one, time];
        _graph.Input.Add(Typed("x", [.. outer, new Dimension { DimValue = _width }]));
        int count = _random.Next(1, 7);
        int mixAt = _random.Next(2) == 0 ? _random.Next(count) : -1;
        for (int i = 0; i < count; i++)
        {
            if (i == mixAt)
            {
                Mixes = true;
                Mix();
            }
            else
            {
                Keep();
            }
        }

        Finish();
    }

    /// <summary>Values of a row.</summary>
    internal int Width { get; }

    /// <summary>Rows of the fixed window that the graph takes; 0 where their number is open.</summary>
    internal int WindowRows { get; }

    /// <summary>Whether an output row depends on other rows in a way that no step has.</summary>
    internal bool Mixes { get; private set; }

    /// <summary>The file.</summary>
    internal byte[] ToBytes() => new Model
    {
        IrVersion = 8,
        Graph = _graph,
        OpsetImport = { new OperatorSet { Domain = "", Version = 17 } },
    }.ToByteArray();

    private void Keep()
    {
        switch (_random.Next(17))
        {
            case 0 or 1:
                Dense();
                break;
            case 2:
                Put(_random.Next(2) == 0 ? "Tanh" : "Sigmoid", _value);
                break;
            case 3:
                Put(new[] { "Relu", "Elu", "Softplus", "HardSwish", "Abs", "Selu" }[_random.Next(6)], _value);
                break;
            case 4:
                Put(new[] { "Add", "Mul", "Sub", "Max" }[_random.Next(4)], _value, OfRow(_random.Next(2) == 0 ? 1 : _width));
                break;
            case 5:
                Put(_random.Next(3) == 0 ? "LogSoftmax" : "Softmax", _value).Attribute.Add(Int("axis", Axis(values: true)));
                break;
            case 6:
                ToOrder(_random.Next(2) == 0 ? Order.TimeFirst : Order.BatchFirst);
                Node norm = Put("LayerNormalization", _value, Tensor(_width), Tensor(_width));
                norm.Attribute.Add(Int("axis", -1));
                break;
            case 7:
                string before = _value;
                Order order = _order;
                string mean = Named("ReduceMean", before, [Ints("axes", Axis(values: true)), Int("keepdims", 1)]);
                (_value, _order) = (before, order);
                Put("Sub", before, mean);
                break;
            case 8 or 9:
                Recurrent();
                break;
            case 10 or 11:
                CausalConvolution();
                break;
            case 12:
                ToOrder((Order)_random.Next(3));
                break;
            case 13:
                Residual();
                break;
            case 14:
                SplitAndJoin();
                break;
            case 15:
                NormOfParts();
                break;
            default:
                Reshapes();
                break;
        }
    }

    private void Mix()
    {
        switch (_random.Next(12))
        {
            case 0:
                Put("Softmax", _value).Attribute.Add(Int("axis", Axis(values: false)));
                break;
            case 1:
                string before = _value;
                string mean = Named("ReduceMean", before, [Ints("axes", Axis(values: false)), Int("keepdims", 1)]);
                Put("Sub", before, mean);
                break;
            case 2:
                Attention();
                break;
            case 3:
                ToOrder(Order.ChannelsFirst);
                int width = _random.Next(1, 5);
                Node conv = Put("Conv", _value, Tensor(width, _width, 3));
                conv.Attribute.Add(Ints("pads", 1, 1));
                _width = width;
                break;
            case 4:
                Put("CumSum", _value, Whole("axis", [], Axis(values: false)));
                break;
            case 5:
                Put("Slice", _value, Whole("starts", [1], -1), Whole("ends", [1], long.MinValue + 1),
                    Whole("axes", [1], Axis(values: false)), Whole("steps", [1], -1));
                break;
            case 6:
                string rows = _value;
                string last = Named("Gather", rows, [Int("axis", Axis(values: false))], Whole("last", [1], -1));
                Put("Add", rows, last);
                break;
            case 7:
                ToOrder(Order.ChannelsFirst);
                Node pool = Put("AveragePool", _value);
                pool.Attribute.Add([Ints("kernel_shape", 3), Ints("pads", 1, 1)]);
                break;
            case 8:
                ToOrder(Order.TimeFirst);
                Node node = Put("GRU", _value, Tensor(1, 9, _width), Tensor(1, 9, 3), Tensor(1, 18));
                node.Attribute.Add(
                    [Int("hidden_size", 3), new() { Name = "direction", Type = 3, S = ByteString.CopyFromUtf8("reverse") }]);
                _width = 3;
                Put("Squeeze", _value, Whole("directions", [1], 1));
                break;
            case 9:
                string[] quantized = [Name(), Name(), Name()];
                _graph.Node.Add(new Node
                {
                    OpType = "DynamicQuantizeLinear",
                    Name = quantized[0],
                    Input = { _value },
                    Output =
                    { quantized }
                });
                Put("DequantizeLinear", quantized);
                break;
            case 10:
                // The place of a row in its sequence.
                ToOrder(Order.TimeFirst);
                string values = _value;
                string size = Named("Gather", Named("Shape", values, []), [], Whole("which", [], 0));
                string places = Named("Range", Whole("zero", [], 0), [], size, Whole("one", [], 1));
                string floats = Named("Cast", places, [Int("to", 1)]);
                Put("Add", values, Named("Unsqueeze", floats, [], Whole("behind", [2], 1, 2)));
                break;
            default:
                ToOrder(Order.ChannelsFirst);
                Put("InstanceNormalization", _value, Tensor(_width), Tensor(_width));
                break;
        }
    }

    private void Dense()
    {
        ToOrder(_random.Next(2) == 0 ? Order.TimeFirst : Order.BatchFirst);
        int width = _random.Next(1, 6);
        Put("MatMul", _value, Tensor(_width, width));
        _width = width;
        if (_random.Next(2) == 0)
        {
            Put("Add", _value, Tensor(width));
        }
    }

    private void Recurrent()
    {
        ToOrder(Order.TimeFirst);
        (string type, int gates) = new[] { ("LSTM", 4), ("GRU", 3), ("RNN", 1) }[_random.Next(3)];
        int units = _random.Next(1, 6);
        Node node = Put(type, _value, Tensor(1, gates * units, _width), Tensor(1, gates * units, units), Tensor(1, 2 * gates * units));
        node.Attribute.Add(Int("hidden_size", units));
        _width = units;
        Put("Squeeze", _value, Whole("directions", [1], 1));
    }

    private void CausalConvolution()
    {
        ToOrder(Order.ChannelsFirst);
        int kernel = _random.Next(1, 4);
        int dilation = _random.Next(1, 3);
        int reach = (kernel - 1) * dilation;
        bool isDepthwise = _random.Next(4) == 0;
        int width = isDepthwise ? _width : _random.Next(1, 5);
        int style = _random.Next(3);
        if (style == 0 && reach > 0)
        {
            Put("Pad", _value, Whole("pads", [6], 0, 0, reach, 0, 0, 0));
        }

        Node node = Put("Conv", _value, Tensor(width, isDepthwise ? 1 : _width, kernel));
        node.Attribute.Add([Ints("dilations", dilation), Int("group", isDepthwise ? _width : 1)]);
        node.Attribute.Add(Ints("pads", style == 0 ? 0 : reach, style == 2 ? reach : 0));
        if (style == 2 && reach > 0)
        {
            Put("Slice", _value, Whole("starts", [1], 0), Whole("ends", [1], -reach), Whole("axes", [1], 2));
        }

        _width = width;
    }

    private void Residual()
    {
        (string before, Order order, int width) = (_value, _order, _width);
        if (_random.Next(3) == 0)
        {
            NormOfParts();
        }

        if (_random.Next(2) == 0)
        {
            Recurrent();
        }
        else
        {
            Dense();
        }

        if (_width != width && _random.Next(3) > 0)
        {
            ToOrder(_random.Next(2) == 0 ? Order.TimeFirst : Order.BatchFirst);
            Put("MatMul", _value, Tensor(_width, width));
            _width = width;
        }

        ToOrder(order);
        if (_width != width)
        {
            Put("ReduceMax", _value).Attribute.Add([Ints("axes", Axis(values: true)), Int("keepdims", 1)]);
        }

        _width = width;
        Put(_random.Next(4) == 0 ? "Sum" : "Add", _random.Next(2) == 0 ? [before, _value] : [_value, before]);
    }

    // A layer norm as exporters write it before operator set 17.
    private void NormOfParts()
    {
        string before = _value;
        Edge.Onnx.Proto.Attribute[] axes = [Ints("axes", _random.Next(2) == 0 && _order != Order.ChannelsFirst ? -1 : Axis(values: true))];
        string difference = Named("Sub", before, [], Named("ReduceMean", before, axes));
        string square = _random.Next(2) == 0 ? Named("Mul", difference, [], difference) : Named("Pow", difference, [], Scalar(2));
        string root = Named("Sqrt", Named("Add", Named("ReduceMean", square, axes), [], Scalar(1e-3f)), []);
        if (_random.Next(2) == 0)
        {
            Put("Div", difference, root);
        }
        else
        {
            Put("Mul", difference, Named("Reciprocal", root, []));
        }

        Put("Mul", _value, OfRow(_width));
        Put("Add", _value, OfRow(_width));
    }

    private void SplitAndJoin()
    {
        if (_width < 2)
        {
            return;
        }

        int first = _random.Next(1, _width);
        string[] parts = [Name(), Name()];
        Node split = new()
        {
            OpType = "Split",
            Name = parts[0],
            Input = { _value, Whole("sizes", [2], first, _width - first) },
            Output =
            { parts }
        };
        split.Attribute.Add(Int("axis", Axis(values: true)));
        _graph.Node.Add(split);
        Put("Concat", parts[1], parts[0]).Attribute.Add(Int("axis", Axis(values: true)));
    }

    // Rows of all sequences below each other, and back, as exporters do for a linear layer.
    private void Reshapes()
    {
        ToOrder(Order.BatchFirst);
        string shape = Named("Shape", _value, []);
        Put("Reshape", _value, Whole("rows", [2], -1, _width));
        Put("Tanh", _value);
        Put("Reshape", _value, shape);
    }

    private void Attention()
    {
        ToOrder(Order.BatchFirst);
        string rows = _value;
        string keys = Named("Transpose", rows, [Ints("perm", 0, 2, 1)]);
        string scores = Named("MatMul", rows, [], keys);
        string weights = Named("Softmax", scores, [Int("axis", -1)]);
        Put("MatMul", weights, rows);
    }

    private void Finish()
    {
        if (_graph.Node.Count == 0)
        {
            Put("Identity", _value);
        }

        // One output, the last row only, or two.
        int kind = _random.Next(5);
        Dimension[] shape = [.. Enumerable.Range(0, 3).Select(at => at == Axis(values: true) ? new Dimension { DimValue = _width }
            : at == Axis(values: false) && WindowRows > 0 ? new Dimension { DimValue = WindowRows }
                : new Dimension { DimParam = $"d{at}" })];
        if (kind == 0)
        {
            shape = [.. shape.Where((_, at) => at != Axis(values: false))];
            Put("Gather", _value, Whole("newest", [], -1)).Attribute.Add(Int("axis", Axis(values: false)));
        }
        else if (kind == 1)
        {
            string first = _value;
            Put("Tanh", _value);
            _graph.Output.Add(Typed(first, shape));
        }

        _graph.Output.Add(Typed(_value, shape));
    }
}
