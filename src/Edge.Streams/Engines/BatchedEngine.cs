using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Engines;

/// <summary>
/// The int8 cell for many streams in little memory: the state of one stream, without the scratch memory of a step, which belongs to the
/// <see cref="Int8Batch"/> that steps it. States are saved as those of an <see cref="Int8Engine"/>, and each takes the other's.
/// </summary>
/// <param name="batch">Steps it.</param>
internal sealed class BatchedEngine(Int8Batch batch) : IInferenceEngine
{
    private readonly byte[] _state = batch.Model.States.Initial.ToArray();
    private readonly long[] _inputSaturations = new long[batch.Model.InputCount];

    /// <inheritdoc/>
    public ModelManifest Manifest => batch.Model.Manifest;

    /// <inheritdoc/>
    public string ModelSha256 => batch.Model.Sha256;

    /// <inheritdoc/>
    public string Description => batch.Description;

    /// <inheritdoc/>
    public ReadOnlySpan<long> InputSaturations => _inputSaturations;

    /// <inheritdoc/>
    public long StateSaturations { get; private set; }

    internal Span<byte> State => _state;

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        batch.Load(0, this, inputs);
        batch.Step(1);
        batch.Store(0, this, outputs);
    }

    /// <summary>What was clipped so far, which a saved state does not hold: per input, then of the states.</summary>
    internal long[] Counts
    {
        get => [.. _inputSaturations, StateSaturations];
        set
        {
            value.AsSpan(0, _inputSaturations.Length).CopyTo(_inputSaturations);
            StateSaturations = value[_inputSaturations.Length];
        }
    }

    /// <summary>Adds what a step has clipped.</summary>
    internal void Count(ReadOnlySpan<long> inputs, long states)
    {
        for (int i = 0; i < inputs.Length; i++)
        {
            _inputSaturations[i] += inputs[i];
        }

        StateSaturations += states;
    }

    /// <inheritdoc/>
    public void Skip(long rows) => batch.Model.Skip(_state, rows);

    /// <inheritdoc/>
    public int LagRowCount => batch.Model.LagRowCount;

    /// <inheritdoc/>
    public IInferenceEngine Fork() => new BatchedEngine(batch);

    /// <inheritdoc/>
    public void CopyStateTo(IInferenceEngine fork) => _state.CopyTo(((BatchedEngine)fork)._state, 0);

    /// <inheritdoc/>
    public float[] ExportState() => Session().ExportState();

    /// <inheritdoc/>
    public void ImportState(ReadOnlySpan<float> values)
    {
        InferenceSession session = Session();
        session.ImportState(values);
        session.State.CopyTo(_state);
    }

    /// <inheritdoc/>
    public byte[] SaveState() => StateFormat.Wrap(_state, StateKind.Int8, batch.Model.Sha256);

    /// <inheritdoc/>
    public void RestoreState(ReadOnlySpan<byte> saved)
    {
        InferenceSession session = batch.Checker;
        session.Restore(saved);
        session.State.CopyTo(_state);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private InferenceSession Session()
    {
        batch.Checker.Restore(SaveState());
        return batch.Checker;
    }
}
