using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Onnx.Graphs;
using Edge.Training.Reference;

namespace Edge.Quantize.Onnx;

/// <summary>
/// The chain of layers that an importer has met so far. Products and sums with constants wait until a layer's weights can take
/// them in: x' = gain·x + offset.
/// </summary>
internal sealed class LayerStack
{
    private const int LayersMax = 32;

    private readonly List<FloatLayer> _layers = [];
    private FloatNormalization? _normalization;
    private FloatEmbedding? _embedding;
    private double[]? _gain;
    private double[]? _offset;

    /// <summary>Changes with every operation on the features: who reads an older stage branches off.</summary>
    internal int Stage { get; private set; }

    /// <summary>Whether a recurrent layer has been met.</summary>
    internal bool IsRecurrent => _layers.Exists(layer => layer.IsRecurrent);

    /// <summary>Values of a row now.</summary>
    internal int Width { get; private set; }

    internal void Begin(int width) => Width = width;

    internal void AddEmbedding(string label, OnnxTensor table)
    {
        if (_layers.Count > 0
            || _embedding is not null
            || table.Shape.Length != 2
            || table.Shape[0] is < 1 or > 65536
            || table.Shape[1] is < 1 or > 4096)
        {
            throw new InputException(
                $"{label}: an embedding is read as the first step only, from a table [symbols, values], not {table.ShapeText}.");
        }

        _embedding = new FloatEmbedding(table.Shape[0], table.Shape[1], table.Values);
        Width = table.Shape[1];
        Stage++;
    }

    /// <summary>x·factor + term, both of one value or of a row's.</summary>
    internal void AddAffine(string label, IReadOnlyList<double> factor, IReadOnlyList<double> term)
    {
        double[] gain = _gain ?? Enumerable.Repeat(1.0, Width).ToArray();
        double[] offset = _offset ?? new double[Width];
        for (int i = 0; i < Width; i++)
        {
            double f = factor[factor.Count == 1 ? 0 : i];
            gain[i] *= f;
            offset[i] = (offset[i] * f) + term[term.Count == 1 ? 0 : i];
            if (!float.IsFinite((float)gain[i]) || !float.IsFinite((float)offset[i]))
            {
                throw new InputException(
                    $"{label} scales value {i} beyond the range of a float. A standard deviation of 0 in the training data causes this. "
                        + $"Remove that column.");
            }
        }

        (_gain, _offset) = (gain, offset);
        Stage++;
    }

    internal void AddRecurrent(string label, Func<int, FloatLayer> read)
    {
        SettleInput(label);
        FloatLayer layer = read(Width);
        Push(label, layer switch
        {
            FloatLstm lstm => lstm with { InputWeight = Scaled(lstm.InputWeight), Bias = Shifted(lstm.InputWeight, lstm.Bias) },
            FloatGru gru => gru with { InputWeight = Scaled(gru.InputWeight), InputBias = Shifted(gru.InputWeight, gru.InputBias) },
            FloatRnn rnn => rnn with { InputWeight = Scaled(rnn.InputWeight), Bias = Shifted(rnn.InputWeight, rnn.Bias) },
            _ => throw new InvalidOperationException(layer.GetType().Name),
        });
    }

    internal void AddDense(string label, float[] weight, int outputs, float[] bias)
    {
        SettleInput(label);
        Push(label, new FloatDense(Width, outputs, Scaled(weight), Shifted(weight, bias), FloatActivation.Linear));
    }

    internal void AddActivation(string label, FloatActivation activation)
    {
        SettleInput(label);
        if (_layers.LastOrDefault() is FloatDense { Activation: { Function: FloatFunction.Affine } } dense)
        {
            Settle(dense);
            _layers[^1] = (FloatDense)_layers[^1] with { Activation = activation };
            Stage++;
            return;
        }

        // An activation of something else than a dense layer: one that changes nothing goes between.
        AddIdentity(label);
        _layers[^1] = (FloatDense)_layers[^1] with { Activation = activation };
    }

    /// <summary>The finished model.</summary>
    internal FloatModel Build(string sha256)
    {
        if (_gain is not null)
        {
            if (_layers[^1] is FloatDense { Activation.Function: FloatFunction.Affine } dense)
            {
                Settle(dense);
            }
            else if (_layers[^1] is FloatDense { Activation.Function: FloatFunction.Softmax })
            {
                throw new InputException(
                    "The graph scales or shifts the result of a Softmax, which no layer can include. Scale the outputs outside the model.");
            }
            else
            {
                AddIdentity("The last operation");
            }
        }

        // The last dense layer is the head: its outputs are floats.
        FloatDense? head = _layers[^1] as FloatDense;
        return new FloatModel(_normalization, _embedding, head is null ? [.. _layers] : [.. _layers[..^1]], head, sha256);
    }

    private void AddIdentity(string label)
    {
        var identity = new float[Width * Width];
        for (int i = 0; i < Width; i++)
        {
            identity[(i * Width) + i] = 1;
        }

        AddDense(label, identity, Width, new float[Width]);
    }

    private void Push(string label, FloatLayer layer)
    {
        if (_layers.Count == LayersMax)
        {
            throw new InputException($"{label} would be layer {LayersMax + 1}; {LayersMax} is the limit.");
        }

        _layers.Add(layer);
        (_gain, _offset) = (null, null);
        Width = layer.UnitCount;
        Stage++;
    }

    // Before the first layer a scale is the input's normalization: it shall not blur the range that the readings have.
    private void SettleInput(string label)
    {
        if (_layers.Count > 0 || _gain is null || _embedding is not null)
        {
            return;
        }

        int zero = Array.FindIndex(_gain, gain => (float)gain == 0);
        if (zero >= 0)
        {
            throw new InputException($"{label} reads input {zero} multiplied by 0. Remove that column from the model.");
        }

        _normalization = new FloatNormalization(
            _gain.Zip(_offset!, (gain, offset) => (float)(-offset / gain)).ToArray(), _gain.Select(gain => (float)gain).ToArray());
        (_gain, _offset) = (null, null);
    }

    private void Settle(FloatDense dense)
    {
        if (_gain is null)
        {
            return;
        }

        _layers[^1] = dense with
        {
            Weight = dense.Weight.Select((weight, at) => (float)(weight * _gain[at / dense.InputCount])).ToArray(),
            Bias = dense.Bias.Select((bias, r) => (float)((bias * _gain[r]) + _offset![r])).ToArray(),
        };
        (_gain, _offset) = (null, null);
    }

    private float[] Scaled(float[] weight) =>
        _gain is null ? weight : weight.Select((value, at) => (float)(value * _gain[at % Width])).ToArray();

    private float[] Shifted(float[] weight, float[] bias) => _offset is null
        ? bias
        : bias.Select((value, r) => (float)(value + Enumerable.Range(0, Width).Sum(i => weight[(r * Width) + i] * _offset[i]))).ToArray();
}
