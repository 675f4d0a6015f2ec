using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Cells;

namespace Edge.Training.Reference;

/// <summary>One stream through a <see cref="FloatModel"/>, in plain float32.</summary>
internal sealed class FloatSession
{
    private readonly float[] _initial;
    private readonly float[] _state;
    private readonly float[] _features;
    private readonly float[] _scratch;
    private readonly float[][] _output;
    private readonly int[] _hidden;
    private readonly int[] _cell;
    private readonly int _lags;

    /// <summary>Starts from the model's initial state.</summary>
    internal FloatSession(FloatModel model)
    {
        Model = model;
        _hidden = new int[model.Layers.Count];
        _cell = new int[model.Layers.Count];
        int at = 0;
        for (int l = 0; l < _hidden.Length; l++)
        {
            _hidden[l] = at;
            at += model.Layers[l].IsRecurrent ? model.Layers[l].UnitCount : 0;
        }

        for (int l = 0; l < _cell.Length; l++)
        {
            _cell[l] = at;
            at += model.Layers[l].CellCount;
        }

        _lags = at;
        at += model.Lags?.StateCount ?? 0;
        _initial = new float[at];
        for (int l = 0; l < _hidden.Length; l++)
        {
            model.Layers[l].InitialHidden?.CopyTo(_initial, _hidden[l]);
            (model.Layers[l] as FloatLstm)?.InitialCell?.CopyTo(_initial, _cell[l]);
        }

        _state = [.. _initial];
        _features = new float[model.FeatureCount];
        _output = model.Layers.Select(layer => layer.IsRecurrent ? [] : new float[layer.UnitCount]).ToArray();
        _scratch = new float[model.Layers.Max(layer => layer.ScratchCount)];
    }

    internal FloatModel Model { get; }

    /// <summary>Called after each layer's step with its number and what the step left: the gates.</summary>
    internal Action<int, ReadOnlySpan<float>>? Stepped { get; set; }

    /// <summary>Hidden state of every layer, then cell state of every layer, then the last rows of a regression on them.</summary>
    internal ReadOnlySpan<float> State => _state;

    /// <summary>What the first layer read in the last step.</summary>
    internal ReadOnlySpan<float> Features => _features;

    /// <summary>A layer's output: its hidden state, if it has one.</summary>
    internal ReadOnlySpan<float> Output(int layer) => OutputOf(layer);

    /// <summary>A layer's state beside its hidden state: the cell state of an LSTM; empty where there is none.</summary>
    internal ReadOnlySpan<float> Cell(int layer) => _state.AsSpan(_cell[layer], Model.Layers[layer].CellCount);

    /// <summary>What a layer read in the last step.</summary>
    internal ReadOnlySpan<float> Input(int layer) => layer == 0 ? _features : OutputOf(layer - 1);

    /// <summary>Takes one row and returns one row of outputs.</summary>
    /// <exception cref="ArgumentException">
    /// The model has an embedding and the last value of the row is no symbol; the state is unchanged.
    /// </exception>
    internal void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        ReadFeatures(inputs);
        for (int l = 0; l < Model.Layers.Count; l++)
        {
            Span<float> beside = Model.Layers[l] is FloatResidual residual
                ? OutputOf(residual.Source) : _state.AsSpan(_cell[l], Model.Layers[l].CellCount);
            Model.Layers[l].Step(Input(l), OutputOf(l), beside, _scratch);
            Stepped?.Invoke(l, _scratch);
        }

        if (Model.Head is { } head)
        {
            head.Step(OutputOf(_hidden.Length - 1), outputs, [], []);
        }
        else
        {
            OutputOf(_hidden.Length - 1).CopyTo(outputs);
        }

        Model.Lags?.Step(_state.AsSpan(_lags), inputs, outputs);
    }

    /// <summary>Resets the state to the initial state.</summary>
    internal void Reset() => _initial.CopyTo(_state, 0);

    internal byte[] Save() => StateFormat.Wrap(MemoryMarshal.AsBytes<float>(_state), StateKind.Float32, Model.Sha256);

    /// <exception cref="ModelFormatException">The bytes are damaged or another model's.</exception>
    internal void Restore(ReadOnlySpan<byte> saved) =>
        StateFormat.Unwrap(saved, StateKind.Float32, Model.Sha256, MemoryMarshal.AsBytes(_state.AsSpan()));

    private Span<float> OutputOf(int layer) =>
        Model.Layers[layer].IsRecurrent ? _state.AsSpan(_hidden[layer], Model.Layers[layer].UnitCount) : _output[layer];

    private void ReadFeatures(ReadOnlySpan<float> inputs)
    {
        int readings = Model.ReadingCount;
        if (Model.Embedding is { } embedding)
        {
            float symbol = inputs[readings];
            if (!(symbol >= 0 && symbol < embedding.SymbolCount && MathF.Floor(symbol) == symbol))
            {
                throw new ArgumentException(
                    $"{symbol} is not a symbol of this model. Use a whole number from 0 to {embedding.SymbolCount - 1}.");
            }

            embedding.Table.AsSpan((int)symbol * embedding.Width, embedding.Width).CopyTo(_features.AsSpan(readings));
        }

        inputs[..readings].CopyTo(_features);
        for (int i = 0; Model.Normalization is { } normalization && i < readings; i++)
        {
            _features[i] = (_features[i] - normalization.Offset[i]) * normalization.Gain[i];
        }
    }
}
