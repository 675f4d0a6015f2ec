using System.Runtime.InteropServices;
using Edge.Inference.Kernels;
using Edge.Inference.Models;

namespace Edge.Inference;

/// <summary>
/// One stream through an <see cref="EdgeModel"/>: the hidden and cell state that live from step to step, and the step.
/// Not thread-safe; a session belongs to one stream. A step allocates nothing.
/// </summary>
public sealed partial class InferenceSession
{
    private readonly byte[] _state;
    private readonly short[] _x;
    private readonly ModelStepper _stepper;
    private readonly long[] _inputSaturations;

    /// <summary>Starts from the model's initial state: zero, unless it was trained with another.</summary>
    /// <param name="model">The model to step.</param>
    /// <param name="kernel">Name of a kernel; null for the environment's <c>EDGE_KERNEL</c>, else the fastest this processor has.</param>
    /// <exception cref="ArgumentException">No kernel of this name runs on this processor.</exception>
    public InferenceSession(EdgeModel model, string? kernel = null)
    {
        Model = model;
        KernelEntry chosen = KernelChoice.Choose(kernel);
        Kernel = chosen.Name;
        _stepper = chosen.Create(model, 1);
        _state = model.States.Initial.ToArray();
        _x = new short[model.FeatureCount];
        _inputSaturations = new long[model.InputCount];
    }

    /// <summary>Kernels that run on this processor, the fastest first. All give the same bytes.</summary>
    public static IReadOnlyList<string> Kernels => KernelChoice.Supported.ToArray();

    /// <summary>The kernel in use.</summary>
    public string Kernel { get; }

    /// <summary>The model this session steps.</summary>
    public EdgeModel Model { get; }

    /// <summary>
    /// The live state: the last rows, if the model has a regression on them, and every layer's int16 states (little-endian), then every
    /// layer's int8 states.
    /// <see cref="EdgeModel.StateBytes"/> bytes.
    /// </summary>
    public ReadOnlySpan<byte> State => _state;

    /// <summary>The int16 output of the last layer that the last step left: what the head reads.</summary>
    internal ReadOnlySpan<short> LastOutput => _stepper.LastOutput;

    /// <summary>How often each input was clipped to its int16 range since the session began.</summary>
    public ReadOnlySpan<long> InputSaturations => _inputSaturations;

    /// <summary>How often the cell state of each unit was clipped since the session began, layer after layer.</summary>
    public ReadOnlySpan<long> CellSaturations => _stepper.CellSaturations;

    /// <summary>How often the hidden state of each unit was clipped since the session began, layer after layer.</summary>
    public ReadOnlySpan<long> HiddenSaturations => _stepper.HiddenSaturations;

    /// <summary>Steps the model: takes one row of readings and writes one row of outputs.</summary>
    /// <param name="inputs">
    /// Inputs [I]: normalized readings, finite, and, where the model has an embedding, the number of a symbol as the last one.
    /// </param>
    /// <param name="outputs">Receives the normalized outputs [O].</param>
    /// <exception cref="ArgumentException">
    /// A length is wrong, or a reading is NaN, infinite or no symbol; the state is unchanged.
    /// </exception>
    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        RequireLengths(inputs.Length, outputs.Length);
        InputQuantizer.RequireUsable(Model, inputs);
        InputQuantizer.Quantize(Model, inputs, _x, _inputSaturations);
        _stepper.Step(_state, _x, outputs, 1);
    }

    /// <summary>
    /// Rows were missed, and the next one that is stepped is not the successor of the last: a model with a regression on the last rows
    /// takes them to have been as a week or a day before, so that its lags point to the right rows. The recurrent state stays as it is.
    /// </summary>
    /// <param name="rows">How many, 0 or more.</param>
    public void Skip(long rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        Model.Skip(_state, rows);
    }

    /// <summary>Copies the state of another session of the same model.</summary>
    /// <exception cref="ArgumentException">The other session steps another model.</exception>
    public void CopyStateFrom(InferenceSession other)
    {
        if (other.Model.Sha256 != Model.Sha256)
        {
            throw new ArgumentException("The other session steps another model.", nameof(other));
        }

        other._state.CopyTo(_state, 0);
    }

    /// <summary>
    /// The state in real numbers: hidden states of every recurrent layer, then cell states of every LSTM layer and the states of every
    /// xLSTM block, then the last rows, newest first, if the model has a regression on them. A float engine of the original model can
    /// continue from it.
    /// </summary>
    public float[] ExportState()
    {
        float[] values = new float[RealState.Count(Model)];
        RealState.Read(Model, _state, values);
        return values;
    }

    /// <summary>
    /// Continues from a state in real numbers, as <see cref="ExportState"/> orders them, rounded to the nearest int8 or int16 values.
    /// </summary>
    /// <param name="values">Finite values, as many as <see cref="ExportState"/> gives.</param>
    /// <exception cref="ModelFormatException">They are more, fewer or not finite; the state is unchanged.</exception>
    public void ImportState(ReadOnlySpan<float> values)
    {
        int count = RealState.Count(Model);
        if (values.Length != count)
        {
            throw new ModelFormatException(
                $"The state has {values.Length} values, but this model has {count}. It belongs to another model. Start without it.");
        }

        foreach (float value in values)
        {
            if (!float.IsFinite(value))
            {
                throw new ModelFormatException("The state holds values that are not finite. Start without it.");
            }
        }

        RealState.Write(Model, values, _state);
    }

    /// <summary>Resets the state to the model's initial state.</summary>
    public void Reset() => Model.States.Initial.CopyTo(_state);

    /// <summary>The state with a header that names its model: what <see cref="Restore"/> takes.</summary>
    public byte[] Save() => StateFormat.Wrap(_state, StateKind.Int8, Model.Sha256);

    /// <summary>Continues from a saved state, bit for bit.</summary>
    /// <exception cref="ModelFormatException">The bytes are damaged or another model's; the state is unchanged.</exception>
    public void Restore(ReadOnlySpan<byte> saved)
    {
        byte[] state = new byte[_state.Length];
        StateFormat.Unwrap(saved, StateKind.Int8, Model.Sha256, state);
        if (state.AsSpan(Model.States.NarrowBegin).Contains(unchecked((byte)sbyte.MinValue)))
        {
            throw new ModelFormatException("The saved state holds a hidden value of -128, which no step produces. Start without it.");
        }

        for (int l = 0; l < Model.Layers.Length; l++)
        {
            ReadOnlySpan<short> wide = MemoryMarshal.Cast<byte, short>(state.AsSpan(Model.States.Wide[l]));
            if (!Model.Layers[l].CanHave(wide[..Model.Layers[l].WideCount]))
            {
                throw new ModelFormatException($"The saved state holds a value of layer {l} that no step produces. Start without it.");
            }
        }

        state.CopyTo(_state, 0);
    }
}
