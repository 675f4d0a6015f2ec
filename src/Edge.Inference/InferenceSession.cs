using System.Runtime.InteropServices;
using Edge.Inference.Cells;
using Edge.Inference.Kernels;
using Edge.Inference.Models;

namespace Edge.Inference;

/// <summary>
/// One stream through an <see cref="EdgeModel"/>: the hidden and cell state that live from step to step, and the step.
/// Not thread-safe; a session belongs to one stream. A step allocates nothing.
/// </summary>
public sealed class InferenceSession
{
    private readonly byte[] _state;
    private readonly short[] _x;
    private readonly short[] _z;
    private readonly short[] _hidden;
    private readonly long[] _inputSaturations;

    /// <summary>Starts from the zero state.</summary>
    public InferenceSession(EdgeModel model)
    {
        Model = model;
        _state = new byte[model.StateBytes];
        _x = new short[Math.Max(model.InputCount, model.Layers.Max(layer => layer.InputCount))];
        _z = new short[4 * model.Layers.Max(layer => layer.HiddenCount)];
        _hidden = new short[model.Layers.Max(layer => layer.HiddenCount)];
        _inputSaturations = new long[model.InputCount];
    }

    /// <summary>The model this session steps.</summary>
    public EdgeModel Model { get; }

    /// <summary>
    /// The live state: every layer's cell state (int16, little-endian), then every layer's hidden state (int8).
    /// <see cref="EdgeModel.StateBytes"/> bytes.
    /// </summary>
    public ReadOnlySpan<byte> State => _state;

    /// <summary>How often each input was clipped to its int16 range since the session began.</summary>
    public ReadOnlySpan<long> InputSaturations => _inputSaturations;

    /// <summary>Takes one row of readings in and gives one row of outputs.</summary>
    /// <param name="inputs">Normalised readings [I], finite.</param>
    /// <param name="outputs">Receives the normalised outputs [O].</param>
    /// <exception cref="ArgumentException">A length is wrong, or a reading is NaN or infinite; the state is untouched.</exception>
    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        RequireStep(inputs, outputs);
        Quantise(inputs);
        EdgeModel model = Model;
        Span<short> cells = MemoryMarshal.Cast<byte, short>(_state.AsSpan(0, model.StateBytes / 3 * 2));
        Span<sbyte> hiddens = MemoryMarshal.Cast<byte, sbyte>(_state.AsSpan(model.StateBytes / 3 * 2));
        for (int l = 0; l < model.Layers.Length; l++)
        {
            LstmCell layer = model.Layers[l];
            Span<sbyte> h = hiddens[..layer.HiddenCount];
            ScalarKernel.StepLstm(layer, _x.AsSpan(0, layer.InputCount), h, cells[..layer.HiddenCount], _z, _hidden);
            if (l + 1 < model.Layers.Length)
            {
                for (int j = 0; j < h.Length; j++)
                {
                    _x[j] = h[j];
                }
            }

            cells = cells[layer.HiddenCount..];
            hiddens = hiddens[layer.HiddenCount..];
        }

        ScalarKernel.StepDense(model.Head, _hidden, outputs);
    }

    /// <summary>Back to the zero state.</summary>
    public void Reset() => Array.Clear(_state);

    /// <summary>The state with a header that names its model: what <see cref="Restore"/> takes.</summary>
    public byte[] Save() => StateFormat.Wrap(_state, StateKind.Int8, Model.Sha256);

    /// <summary>Continues from a saved state, bit for bit.</summary>
    /// <exception cref="ModelFormatException">The bytes are damaged or another model's; the state is untouched.</exception>
    public void Restore(ReadOnlySpan<byte> saved)
    {
        byte[] state = new byte[_state.Length];
        StateFormat.Unwrap(saved, StateKind.Int8, Model.Sha256, state);
        if (state.AsSpan(_state.Length / 3 * 2).Contains(unchecked((byte)sbyte.MinValue)))
        {
            throw new ModelFormatException("The saved state holds a hidden value of -128, which no step produces. Start without it.");
        }

        state.CopyTo(_state, 0);
    }

    // x_q = clamp(round_half_even((x - offset) / scale), -32767, 32767)
    private void Quantise(ReadOnlySpan<float> inputs)
    {
        EdgeModel model = Model;
        for (int i = 0; i < inputs.Length; i++)
        {
            float steps = MathF.Round((inputs[i] - model.InputOffset[i]) / model.InputScale[i]);
            if (MathF.Abs(steps) > short.MaxValue)
            {
                _inputSaturations[i]++;
                steps = MathF.CopySign(short.MaxValue, steps);
            }

            _x[i] = (short)steps;
        }
    }

    private void RequireStep(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        if (inputs.Length != Model.InputCount || outputs.Length != Model.OutputCount)
        {
            throw new ArgumentException($"A step takes {Model.InputCount} inputs and {Model.OutputCount} outputs, not {inputs.Length} and {outputs.Length}.");
        }

        for (int i = 0; i < inputs.Length; i++)
        {
            if (!float.IsFinite(inputs[i]))
            {
                throw new ArgumentException($"Input {i} ('{Model.Manifest.Columns[i]}') is {inputs[i]}; only finite readings may reach the state.");
            }
        }
    }
}
