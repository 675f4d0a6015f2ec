using System.Runtime.InteropServices;
using Edge.Inference.Models;

namespace Edge.Inference.Reference;

/// <summary>One stream through a <see cref="FloatModel"/>, in plain float32: i, f, o = sigmoid, g = tanh, c = f·c + i·g, h = o·tanh(c).</summary>
internal sealed class FloatSession
{
    private readonly float[] _state;
    private readonly float[] _z;
    private readonly int _units;

    internal FloatSession(FloatModel model)
    {
        Model = model;
        _units = model.Layers.Sum(layer => layer.HiddenCount);
        _state = new float[2 * _units];
        _z = new float[4 * model.Layers.Max(layer => layer.HiddenCount)];
    }

    internal FloatModel Model { get; }

    /// <summary>Hidden state of every layer, then cell state of every layer.</summary>
    internal ReadOnlySpan<float> State => _state;

    internal ReadOnlySpan<float> Hidden(int layer) => _state.AsSpan(Offset(layer), Model.Layers[layer].HiddenCount);

    internal ReadOnlySpan<float> Cell(int layer) => _state.AsSpan(_units + Offset(layer), Model.Layers[layer].HiddenCount);

    internal void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        ReadOnlySpan<float> x = inputs;
        int offset = 0;
        for (int l = 0; l < Model.Layers.Count; l++)
        {
            FloatLstm layer = Model.Layers[l];
            Span<float> h = _state.AsSpan(offset, layer.HiddenCount);
            StepLstm(layer, x, h, _state.AsSpan(_units + offset, layer.HiddenCount));
            x = h;
            offset += layer.HiddenCount;
        }

        FloatDense head = Model.Head;
        for (int r = 0; r < head.OutputCount; r++)
        {
            outputs[r] = head.Bias[r] + Dot(head.Weight.AsSpan(r * head.InputCount, head.InputCount), x);
        }
    }

    internal byte[] Save() => StateFormat.Wrap(MemoryMarshal.AsBytes<float>(_state), StateKind.Float32, Model.Sha256);

    /// <exception cref="ModelFormatException">The bytes are damaged or another model's.</exception>
    internal void Restore(ReadOnlySpan<byte> saved) =>
        StateFormat.Unwrap(saved, StateKind.Float32, Model.Sha256, MemoryMarshal.AsBytes(_state.AsSpan()));

    private void StepLstm(FloatLstm layer, ReadOnlySpan<float> x, Span<float> h, Span<float> c)
    {
        int units = layer.HiddenCount;
        for (int r = 0; r < 4 * units; r++)
        {
            _z[r] = layer.Bias[r]
                + Dot(layer.InputWeight.AsSpan(r * layer.InputCount, layer.InputCount), x)
                + Dot(layer.RecurrentWeight.AsSpan(r * units, units), h);
        }

        for (int j = 0; j < units; j++)
        {
            float i = Sigmoid(_z[j]);
            float f = Sigmoid(_z[units + j]);
            float g = MathF.Tanh(_z[(2 * units) + j]);
            float o = Sigmoid(_z[(3 * units) + j]);
            c[j] = (f * c[j]) + (i * g);
            h[j] = o * MathF.Tanh(c[j]);
        }
    }

    private int Offset(int layer) => Model.Layers.Take(layer).Sum(below => below.HiddenCount);

    private static float Sigmoid(float z) => 1 / (1 + MathF.Exp(-z));

    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        float sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }
}
