using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Engines;

/// <summary>Steps the states of many <see cref="BatchedEngine"/>s in one call of the kernel. Not thread-safe.</summary>
internal sealed class Int8Batch
{
    /// <summary>Most streams of one call.</summary>
    internal const int StreamsMax = 64;

    private readonly InferenceBatch _batch;
    private readonly float[] _inputs;
    private readonly float[] _outputs;
    private readonly long[] _inputSaturations;
    private readonly long[] _stateSaturations = new long[StreamsMax];

    /// <param name="model">The model of all streams.</param>
    /// <exception cref="ArgumentException">EDGE_KERNEL names a kernel that this processor does not have.</exception>
    internal Int8Batch(EdgeModel model)
    {
        _batch = new InferenceBatch(model, StreamsMax);
        _inputs = new float[StreamsMax * model.InputCount];
        _outputs = new float[StreamsMax * model.OutputCount];
        _inputSaturations = new long[StreamsMax * model.InputCount];
        Checker = new InferenceSession(model);
        Description = $"int8, {_batch.Kernel} kernel";
    }

    internal EdgeModel Model => _batch.Model;

    internal string Description { get; }

    /// <summary>Checks and converts states that are restored.</summary>
    internal InferenceSession Checker { get; }

    /// <summary>Takes the state and the inputs of one stream.</summary>
    internal void Load(int stream, BatchedEngine engine, ReadOnlySpan<float> inputs)
    {
        engine.State.CopyTo(_batch.State(stream));
        inputs.CopyTo(_inputs.AsSpan(stream * Model.InputCount, Model.InputCount));
    }

    /// <summary>Steps the first streams.</summary>
    /// <exception cref="ArgumentException">An input is NaN, infinite or no symbol; no state has changed.</exception>
    internal void Step(int count)
    {
        Span<long> clipped = _inputSaturations.AsSpan(0, count * Model.InputCount);
        clipped.Clear();
        _stateSaturations.AsSpan(0, count).Clear();
        _batch.Step(
            count, _inputs.AsSpan(0, count * Model.InputCount), _outputs.AsSpan(0, count * Model.OutputCount), clipped, _stateSaturations);
    }

    /// <summary>Gives the state and the outputs of one stream.</summary>
    internal void Store(int stream, BatchedEngine engine, Span<float> outputs)
    {
        _batch.State(stream).CopyTo(engine.State);
        engine.Count(_inputSaturations.AsSpan(stream * Model.InputCount, Model.InputCount), _stateSaturations[stream]);
        _outputs.AsSpan(stream * Model.OutputCount, Model.OutputCount).CopyTo(outputs);
    }
}
