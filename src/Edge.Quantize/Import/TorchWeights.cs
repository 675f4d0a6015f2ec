using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Training.Reference;

namespace Edge.Quantize.Import;

/// <summary>
/// Weights as PyTorch names them in a safetensors file: one recurrent module (<c>weight_ih_l0</c>, <c>weight_hh_l0</c>, biases,
/// <c>weight_hr_l0</c> with a projection; any prefix) and at most one linear layer, and an embedding. An xLSTM block stack is
/// <see cref="XlstmWeights"/>'.
/// </summary>
/// <remarks>
/// A state dictionary has no graph: the kind of cell follows from the shapes, but what is between two linear layers is unknown.
/// An ambiguous file is refused; an ONNX file is never ambiguous.
/// </remarks>
internal sealed partial class TorchWeights
{
    private readonly Dictionary<string, (int[] Shape, float[] Values)> _tensors;

    private TorchWeights(Dictionary<string, (int[] Shape, float[] Values)> tensors) => _tensors = tensors;

    /// <param name="bytes">The file.</param>
    /// <param name="description">The JSON text of the manifest, whose 'xlstm' object belongs to an xLSTM block stack; or null.</param>
    /// <exception cref="InputException">The file is damaged or its weights are ambiguous.</exception>
    internal static FloatModel Import(byte[] bytes, byte[]? description = null)
    {
        TensorFile file;
        try
        {
            file = TensorFile.Parse(bytes);
        }
        catch (ModelFormatException e)
        {
            throw new InputException(e.Message, e);
        }

        if (file.Metadata.ContainsKey("edge"))
        {
            throw new InputException("This is already an int8 model. Use the float model it was made from (ONNX, safetensors or npz).");
        }

        Dictionary<string, (int[] Shape, float[] Values)> tensors = Read(file);
        string sha256 = Sha256.Hex(bytes);
        return XlstmWeights.PrefixOf(tensors.Keys) is { } prefix
            ? new XlstmWeights(tensors, prefix, XlstmOptions.Parse(description)).Build(sha256)
            : new TorchWeights(tensors).Build(sha256);
    }

    // Every tensor as float32.
    private static Dictionary<string, (int[] Shape, float[] Values)> Read(TensorFile file)
    {
        var tensors = new Dictionary<string, (int[] Shape, float[] Values)>(StringComparer.Ordinal);
        foreach ((string name, Tensor tensor) in file.Tensors)
        {
            float[]? values = tensor.DType switch
            {
                "F32" => tensor.ToArray<float>(),
                "F64" => tensor.ToArray<double>().Select(value => (float)value).ToArray(),
                "F16" => tensor.ToArray<Half>().Select(value => (float)value).ToArray(),
                "BF16" =>
                    MemoryMarshal.Cast<byte, ushort>(tensor.Bytes.Span)
                        .ToArray()
                        .Select(bits => BitConverter.Int32BitsToSingle(bits << 16))
                        .ToArray(),
                _ => null,
            };
            if (values is null)
            {
                throw new InputException($"Tensor '{name}' is {tensor.DType}; only F32, F64, F16 and BF16 weights are supported.");
            }

            int bad = Array.FindIndex(values, value => !float.IsFinite(value));
            if (bad >= 0)
            {
                throw new InputException(
                    $"Tensor '{name}' holds {values[bad]} at element {bad}; the training diverged or the file is damaged.");
            }

            tensors[name] = ([.. tensor.Shape], values);
        }

        return tensors;
    }

    private FloatModel Build(string sha256)
    {
        string[] prefixes = _tensors.Keys.Select(name => RecurrentName().Match(name))
            .Where(match => match.Success)
            .Select(match => match.Groups[1].Value)
            .Distinct()
            .ToArray();
        if (prefixes.Length != 1)
        {
            throw new InputException(prefixes.Length == 0
                ? "The file has no recurrent weights under PyTorch's names (weight_ih_l0, weight_hh_l0). "
                    + "Save a model's state_dict, or export it to ONNX."
                : $"The file has {prefixes.Length} recurrent modules ({string.Join(", ", prefixes.Select(name => $"'{name}'"))}), and a "
                    + $"state_dict does not say how they are connected. Export the model to ONNX.");
        }

        string prefix = prefixes[0];
        string? reverse = _tensors.Keys.FirstOrDefault(
            name => name.StartsWith(prefix, StringComparison.Ordinal) && name.EndsWith("_reverse", StringComparison.Ordinal));
        if (reverse is not null)
        {
            throw new InputException(
                $"'{reverse}' belongs to a bidirectional module: it needs future readings, so it cannot stream. "
                    + $"Train it with bidirectional=False.");
        }

        var layers = new List<FloatLayer>();
        float[]? projection = null;
        while (_tensors.ContainsKey($"{prefix}weight_ih_l{layers.Count}"))
        {
            layers.Add(ReadLayer(prefix, layers, ref projection));
        }

        if (layers.Count == 0)
        {
            throw new InputException($"'{prefix}weight_ih_l0' is missing, though other layers are there. The file is incomplete.");
        }

        int width = projection is null ? layers[^1].UnitCount : projection.Length / layers[^1].UnitCount;
        FloatDense? head = ReadHead(layers[^1].UnitCount, width, projection, out string? headName);
        FloatEmbedding? embedding = ReadEmbedding(layers[0].InputCount, headName);
        string? stray = _tensors.Keys.FirstOrDefault();
        if (stray is not null)
        {
            throw new InputException(
                $"Tensor '{stray}' belongs to no supported layer of a state_dict: "
                    + $"an embedding, one recurrent module, one linear layer after it. Export the model to ONNX.");
        }

        return new FloatModel(null, embedding, layers, head, sha256);
    }

    // A projection, h = W_hr·y, becomes part of the weights that read h: the state is then y, of the cell's own size.
    private FloatLayer ReadLayer(string prefix, List<FloatLayer> below, ref float[]? projection)
    {
        int number = below.Count;
        string suffix = $"_l{number}";
        (int[] Shape, float[] Values) ih = Take($"{prefix}weight_ih{suffix}", 2);
        (int[] Shape, float[] Values) hh = Take($"{prefix}weight_hh{suffix}", 2);
        bool isProjected = _tensors.ContainsKey($"{prefix}weight_hr{suffix}");
        int rows = ih.Shape[0];
        int read = hh.Shape[1];
        int units = isProjected ? rows / 4 : read;
        int gates = units > 0 && rows % units == 0 ? rows / units : 0;
        if (hh.Shape[0] != rows || gates is not (1 or 3 or 4) || units > 4096 || ih.Shape[1] is < 1 or > 4096)
        {
            throw new InputException(
                $"'{prefix}weight_ih{suffix}' is [{string.Join(", ", ih.Shape)}] and '{prefix}weight_hh{suffix}' "
                    + $"[{string.Join(", ", hh.Shape)}]: these are not the shapes of an LSTM, GRU or RNN.");
        }

        int expected = number == 0 ? ih.Shape[1] : projection is null ? below[^1].UnitCount : projection.Length / below[^1].UnitCount;
        if (ih.Shape[1] != expected)
        {
            throw new InputException(
                $"'{prefix}weight_ih{suffix}' reads {Quantity.Of(ih.Shape[1], "value")}, but the layer below has {expected}.");
        }

        float[] input = projection is null ? ih.Values : Product(ih.Values, projection, expected);
        int inputs = projection is null ? expected : below[^1].UnitCount;
        projection = null;
        float[] recurrent = hh.Values;
        if (isProjected)
        {
            (int[] Shape, float[] Values) hr = Take($"{prefix}weight_hr{suffix}", 2);
            if (!hr.Shape.AsSpan().SequenceEqual([read, units]))
            {
                throw new InputException(
                    $"'{prefix}weight_hr{suffix}' is [{string.Join(", ", hr.Shape)}] where [{read}, {units}] is expected.");
            }

            projection = hr.Values;
            recurrent = Product(hh.Values, projection, read);
        }

        float[] inputBias = TakeBias($"{prefix}bias_ih{suffix}", rows);
        float[] recurrentBias = TakeBias($"{prefix}bias_hh{suffix}", rows);
        float[] bias = inputBias.Zip(recurrentBias, (a, b) => a + b).ToArray();
        return gates switch
        {
            4 => new FloatLstm(inputs, units, input, recurrent, bias),
            3 => new FloatGru(inputs, units, input, recurrent, inputBias, recurrentBias, ResetAfterProduct: true),
            _ => new FloatRnn(inputs, units, input, recurrent, bias, FloatActivation.Tanh),
        };
    }

    private FloatDense? ReadHead(int units, int width, float[]? projection, out string? name)
    {
        string[] candidates = _tensors
            .Where(entry => entry.Key.EndsWith("weight", StringComparison.Ordinal)
                && entry.Value.Shape.Length == 2
                && entry.Value.Shape[1] == width
                && !IsEmbedding(entry.Key))
            .Select(entry => entry.Key)
            .ToArray();
        name = candidates.FirstOrDefault();
        if (candidates.Length > 1)
        {
            throw new InputException(
                $"The file has {candidates.Length} linear layers ({string.Join(", ", candidates.Select(each => $"'{each}'"))}), and a "
                    + $"state_dict does not say what is between them. Export the model to ONNX.");
        }

        if (name is null)
        {
            return projection is null ? null : new FloatDense(units, width, projection, new float[width], FloatActivation.Linear);
        }

        (int[] Shape, float[] Values) weight = Take(name, 2);
        if (weight.Shape[0] is < 1 or > 4096)
        {
            throw new InputException($"'{name}' is [{string.Join(", ", weight.Shape)}]; 1 to 4096 outputs are read.");
        }

        float[] bias = TakeBias(string.Concat(name.AsSpan(0, name.Length - "weight".Length), "bias"), weight.Shape[0]);
        return new FloatDense(
            units,
            weight.Shape[0],
            projection is null ? weight.Values : Product(weight.Values, projection, width),
            bias,
            FloatActivation.Linear);
    }

    private FloatEmbedding? ReadEmbedding(int inputs, string? headName)
    {
        string? name = _tensors.Keys.FirstOrDefault(key => key != headName && IsEmbedding(key));
        if (name is null)
        {
            return null;
        }

        (int[] Shape, float[] Values) table = Take(name, 2);
        return table.Shape[1] == inputs && table.Shape[0] is >= 1 and <= 65536
            ? new FloatEmbedding(table.Shape[0], inputs, table.Values)
            : throw new InputException($"'{name}' is [{string.Join(", ", table.Shape)}] where [symbols, {inputs}] is expected.");
    }

    private (int[] Shape, float[] Values) Take(string name, int rank)
    {
        if (!_tensors.Remove(name, out (int[] Shape, float[] Values) tensor))
        {
            throw new InputException($"Tensor '{name}' is missing. The file is incomplete.");
        }

        return tensor.Shape.Length == rank
            ? tensor
            : throw new InputException($"Tensor '{name}' is [{string.Join(", ", tensor.Shape)}] where {rank} dimensions are expected.");
    }

    private float[] TakeBias(string name, int rows)
    {
        if (!_tensors.ContainsKey(name))
        {
            return new float[rows];
        }

        (int[] Shape, float[] Values) bias = Take(name, 1);
        return bias.Values.Length == rows
            ? bias.Values
            : throw new InputException($"Tensor '{name}' has {Quantity.Of(bias.Values.Length, "value")} where {rows} are expected.");
    }

    // Not linear layers: nn.Embedding has no bias, and a name that says so.
    private bool IsEmbedding(string name) =>
        name.Contains("emb", StringComparison.OrdinalIgnoreCase)
            && !_tensors.ContainsKey(string.Concat(name.AsSpan(0, Math.Max(0, name.Length - "weight".Length)), "bias"));

    // a [R, inner]·b [inner, C].
    private static float[] Product(float[] a, float[] b, int inner)
    {
        int rows = a.Length / inner;
        int columns = b.Length / inner;
        var product = new float[rows * columns];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
            {
                double sum = 0;
                for (int k = 0; k < inner; k++)
                {
                    sum += a[(r * inner) + k] * (double)b[(k * columns) + c];
                }

                product[(r * columns) + c] = (float)sum;
            }
        }

        return product;
    }

    [GeneratedRegex(@"^(.*?)(?:weight|bias)_(?:ih|hh|hr)_l\d+(?:_reverse)?$")]
    private static partial Regex RecurrentName();
}
