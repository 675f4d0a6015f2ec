using System.Security.Cryptography;
using Edge.Inference.Reference;
using Edge.Quantize.Onnx.Proto;
using Google.Protobuf;

namespace Edge.Quantize.Onnx;

/// <summary>
/// Reads an ONNX graph into a <see cref="FloatModel"/>. The graph is walked once in its own order with every value known as
/// one of three things: a constant, the features that stream through the model, or plumbing (shapes and initial states).
/// Whatever touches the features and is not understood is refused with the node's name.
/// </summary>
internal sealed class OnnxImporter
{
    internal const long FileMaxBytes = 256L << 20;

    private readonly Dictionary<string, Value> _values = new(StringComparer.Ordinal);
    private readonly List<FloatLstm> _layers = [];
    private int _inputCount;
    private float[]? _headWeight;
    private float[]? _headBias;

    private OnnxImporter()
    {
    }

    // What a name in the graph stands for while the graph is walked.
    private abstract record Value;

    private sealed record Constant(OnnxTensor Tensor) : Value;

    /// <summary>Features [.., Width] after <paramref name="Stage"/> recurrent and dense steps.</summary>
    private sealed record Features(int Width, int Stage) : Value;

    private sealed record Plumbing(bool IsZero) : Value;

    /// <summary>Reads a model file.</summary>
    /// <exception cref="InputException">The file is not a model that can be imported; the message says what and where.</exception>
    internal static FloatModel Load(string path)
    {
        byte[] bytes;
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
            {
                throw new InputException($"Model '{path}' does not exist. Check the path.");
            }

            if (file.Length > FileMaxBytes)
            {
                throw new InputException($"Model '{path}' has {file.Length} bytes; {FileMaxBytes} is the limit.");
            }

            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"Model '{path}' cannot be read: {e.Message}", e);
        }

        try
        {
            return Import(bytes);
        }
        catch (InputException e)
        {
            throw new InputException($"Model '{path}': {e.Message}", e);
        }
    }

    internal static FloatModel Import(byte[] bytes)
    {
        Model model;
        try
        {
            model = Model.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new InputException("This is not a whole ONNX file: its encoding breaks off or is damaged. Export or copy it again.", e);
        }

        if (model.Graph is null || model.Graph.Node.Count == 0)
        {
            throw new InputException("This file holds no ONNX graph. Export the model again, for instance with torch.onnx.export.");
        }

        return new OnnxImporter().Walk(model.Graph) with { Sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes)) };
    }

    private FloatModel Walk(Graph graph)
    {
        if (!graph.Node.Any(node => node.OpType is "LSTM" or "GRU" or "RNN"))
        {
            throw new InputException("The graph has no recurrent node (LSTM), so it keeps no state from row to row. Run such a model with engine: onnx.");
        }

        foreach (TensorProto initializer in graph.Initializer)
        {
            _values[initializer.Name] = new Constant(OnnxTensor.Read(initializer, initializer.Name));
        }

        BindInputs(graph);
        for (int i = 0; i < graph.Node.Count; i++)
        {
            Visit(new OnnxNode(graph.Node[i], i));
        }

        if (_headWeight is null || !graph.Output.Any(output => _values.GetValueOrDefault(output.Name) is Features { Stage: int stage } && stage == Stage))
        {
            throw new InputException("No graph output is a dense layer over the last recurrent layer. Export the model with its output layer (torch.nn.Linear) included.");
        }

        int hidden = _layers[^1].HiddenCount;
        int outputs = _headWeight.Length / hidden;
        return new FloatModel(_inputCount, _layers, new FloatDense(hidden, outputs, _headWeight, _headBias ?? new float[outputs]), "");
    }

    private int Stage => _layers.Count + (_headWeight is null ? 0 : 1) + (_headBias is null ? 0 : 1);

    // The features are the first input that is no constant; every other one is an initial state.
    private void BindInputs(Graph graph)
    {
        ValueInfo[] inputs = graph.Input.Where(input => !_values.ContainsKey(input.Name)).ToArray();
        if (inputs.Length == 0)
        {
            throw new InputException("The graph has no input for the readings.");
        }

        Shape? shape = inputs[0].Type?.TensorType?.Shape;
        if (shape is null || shape.Dim.Count == 0 || shape.Dim[^1].DimValue is < 1 or > 4096)
        {
            throw new InputException($"Input '{inputs[0].Name}' does not say how many features a row has. Export with a fixed last dimension.");
        }

        _inputCount = (int)shape.Dim[^1].DimValue;
        _values[inputs[0].Name] = new Features(_inputCount, 0);
        foreach (ValueInfo state in inputs[1..])
        {
            _values[state.Name] = new Plumbing(IsZero: true);
        }
    }

    private void Visit(OnnxNode node)
    {
        if (node.Outputs.Count == 0)
        {
            throw new InputException($"{node.Label} has no output. The file is damaged.");
        }

        if (!node.IsStandard)
        {
            throw new InputException($"{node.Label} is of a private operator set. Export with standard ONNX operators.");
        }

        switch (node.Type)
        {
            case "Constant":
                TensorProto tensor = node.Tensor("value") ?? throw new InputException($"{node.Label} has no tensor value.");
                Bind(node, new Constant(OnnxTensor.Read(tensor, node.Outputs[0])));
                break;
            case "ConstantOfShape":
                bool isZero = node.Tensor("value") is not { } fill || Array.TrueForAll(OnnxTensor.Read(fill, node.Label).Values, value => value == 0);
                Bind(node, new Plumbing(isZero));
                break;
            case "LSTM":
                AddLstm(node);
                break;
            case "MatMul":
            case "Gemm":
                AddDense(node);
                break;
            case "Add":
                AddBias(node);
                break;
            case "Identity" or "Dropout" or "Squeeze" or "Unsqueeze" or "Transpose" or "Reshape" or "Cast" or "Flatten":
                Bind(node, Get(node, 0));
                break;
            case "Shape":
                Bind(node, new Plumbing(IsZero: false));
                break;
            case "GRU" or "RNN":
                throw new InputException($"{node.Label}: this version quantises LSTM layers only. Train the model with torch.nn.LSTM, or run it with engine: onnx.");
            default:
                if (Enumerable.Range(0, node.InputCount).Any(at => node.Input(at).Length > 0 && Get(node, at) is Features))
                {
                    throw new InputException($"{node.Label} changes the features in a way this version cannot stream. Move it out of the model, or run the model with engine: onnx.");
                }

                bool zero = Enumerable.Range(0, node.InputCount).All(at => _values.GetValueOrDefault(node.Input(at)) is Constant or Plumbing { IsZero: true });
                foreach (string output in node.Outputs)
                {
                    _values[output] = new Plumbing(zero && node.Type is "Slice" or "Split" or "Expand" or "Tile");
                }

                break;
        }
    }

    private void AddLstm(OnnxNode node)
    {
        RequireNewest(node, out Features features);
        if (_headWeight is not null)
        {
            throw new InputException($"{node.Label} follows a dense layer; this version wants recurrent layers first, then the head.");
        }

        FloatLstm layer = LstmNode.Read(node, features.Width, at => Get(node, at) is Constant constant ? constant.Tensor : null);
        foreach (int state in new[] { 5, 6 })
        {
            if (node.Input(state).Length > 0 && !IsZero(Get(node, state)))
            {
                throw new InputException($"{node.Label} starts from a learned state ('{node.Input(state)}'), which this version does not keep. Export with zero or input states.");
            }
        }

        _layers.Add(layer);
        Bind(node, new Features(layer.HiddenCount, Stage));
        for (int i = 1; i < node.Outputs.Count; i++)
        {
            _values[node.Outputs[i]] = new Plumbing(IsZero: false);
        }
    }

    private void AddDense(OnnxNode node)
    {
        RequireNewest(node, out Features features);
        if (_layers.Count == 0 || _headWeight is not null)
        {
            throw new InputException($"{node.Label}: this version takes one dense layer, after the recurrent ones.");
        }

        if (Get(node, 1) is not Constant { Tensor: { Shape.Length: 2 } weight })
        {
            throw new InputException($"{node.Label}: its weight '{node.Input(1)}' is not a constant matrix.");
        }

        bool transposed = node.Type == "Gemm" && node.Int("transB", 0) != 0;
        if (node.Type == "Gemm" && (node.Int("transA", 0) != 0 || node.Float("alpha", 1) != 1 || node.Float("beta", 1) != 1))
        {
            throw new InputException($"{node.Label}: transA, alpha and beta other than 0, 1 and 1 are not read.");
        }

        int inputs = weight.Shape[transposed ? 1 : 0];
        int outputs = weight.Shape[transposed ? 0 : 1];
        if (inputs != features.Width || outputs is < 1 or > 4096)
        {
            throw new InputException($"{node.Label}: weight '{weight.Name}' is [{string.Join(", ", weight.Shape)}], but {features.Width} features come in.");
        }

        var rows = new float[outputs * inputs];
        for (int r = 0; r < outputs; r++)
        {
            for (int j = 0; j < inputs; j++)
            {
                rows[(r * inputs) + j] = weight.Values[transposed ? (r * inputs) + j : (j * outputs) + r];
            }
        }

        _headWeight = rows;
        if (node.Type == "Gemm" && node.Input(2).Length > 0)
        {
            _headBias = BiasOf(node, 2, outputs);
        }

        Bind(node, new Features(outputs, Stage));
    }

    private void AddBias(OnnxNode node)
    {
        Value left = Get(node, 0);
        Value right = Get(node, 1);
        if (left is not Features && right is not Features)
        {
            Bind(node, new Plumbing(IsZero: false));
            return;
        }

        Features features = left as Features ?? (Features)right;
        if (_headWeight is null || _headBias is not null || features.Stage != Stage)
        {
            throw new InputException($"{node.Label}: an addition to the features is read only as the bias of the dense layer just before it.");
        }

        _headBias = BiasOf(node, left is Features ? 1 : 0, features.Width);
        Bind(node, features with { Stage = Stage });
    }

    private float[] BiasOf(OnnxNode node, int at, int width)
    {
        if (Get(node, at) is not Constant { Tensor: { } bias } || bias.Values.Length != width)
        {
            throw new InputException($"{node.Label}: its bias '{node.Input(at)}' is not a constant of {width} values.");
        }

        return bias.Values;
    }

    private void RequireNewest(OnnxNode node, out Features features)
    {
        features = Get(node, 0) as Features
            ?? throw new InputException($"{node.Label} does not read the model's features ('{node.Input(0)}'), so it cannot be part of a stream.");
        if (features.Stage != Stage)
        {
            throw new InputException($"{node.Label} branches off an earlier layer; this version takes one chain of layers from input to output.");
        }
    }

    private Value Get(OnnxNode node, int at) =>
        _values.GetValueOrDefault(node.Input(at))
        ?? throw new InputException($"{node.Label} reads '{node.Input(at)}', which no earlier node makes. The file is damaged.");

    private void Bind(OnnxNode node, Value value) => _values[node.Outputs[0]] = value;

    private static bool IsZero(Value value) => value switch
    {
        Plumbing plumbing => plumbing.IsZero,
        Constant constant => Array.TrueForAll(constant.Tensor.Values, element => element == 0),
        _ => false,
    };
}
