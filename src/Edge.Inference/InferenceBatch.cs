using Edge.Inference.Kernels;
using Edge.Inference.Models;

namespace Edge.Inference;

/// <summary>
/// Steps many independent streams through one <see cref="EdgeModel"/> in one call: the weights are read once for a block of
/// streams. Every stream gets the same bytes as in an <see cref="InferenceSession"/>. Not thread-safe. A step allocates nothing.
/// </summary>
public sealed class InferenceBatch
{
    // Readings are quantized for this many streams at a time, so that the scratch memory stays small.
    private const int ChunkMax = 64;

    private readonly byte[] _states;
    private readonly short[] _x;
    private readonly ModelStepper _stepper;
    private byte[]? _before;

    /// <summary>Starts every stream from the model's initial state.</summary>
    /// <param name="model">The model to step.</param>
    /// <param name="count">Number of streams, at least 1; count·<see cref="EdgeModel.StateBytes"/> bytes are kept.</param>
    /// <param name="kernel">Name of a kernel; null for the environment's <c>EDGE_KERNEL</c>, else the fastest this processor has.</param>
    /// <exception cref="ArgumentException">No kernel of this name runs on this processor, or the count is out of range.</exception>
    public InferenceBatch(EdgeModel model, int count, string? kernel = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Model = model;
        Count = count;
        KernelEntry chosen = KernelChoice.Choose(kernel);
        Kernel = chosen.Name;
        _stepper = chosen.Create(model, count);
        _states = new byte[checked(count * model.StateBytes)];
        for (int stream = 0; stream < count; stream++)
        {
            model.States.Initial.CopyTo(State(stream));
        }

        _x = new short[Math.Min(count, ChunkMax) * model.FeatureCount];
    }

    /// <summary>The model these streams step.</summary>
    public EdgeModel Model { get; }

    /// <summary>Number of streams.</summary>
    public int Count { get; }

    /// <summary>The kernel in use.</summary>
    public string Kernel { get; }

    /// <summary>
    /// The live state of one stream, laid out as <see cref="InferenceSession.State"/>; it may be copied out and in between steps.
    /// </summary>
    public Span<byte> State(int stream) => _states.AsSpan(stream * Model.StateBytes, Model.StateBytes);

    /// <summary>Steps every stream.</summary>
    /// <param name="inputs">Count rows of I inputs, each as <see cref="InferenceSession.Step"/> takes it.</param>
    /// <param name="outputs">Receives Count rows of O normalized outputs.</param>
    /// <exception cref="ArgumentException">A length is wrong, or a reading is NaN, infinite or no symbol; no state has changed.</exception>
    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        if (inputs.Length != Count * Model.InputCount || outputs.Length != Count * Model.OutputCount)
        {
            throw new ArgumentException(
                $"A step of {Count} streams takes {Count * Model.InputCount} inputs and {Count * Model.OutputCount} outputs, not "
                    + $"{inputs.Length} and {outputs.Length}.");
        }

        InputQuantizer.RequireUsable(Model, inputs);
        for (int begin = 0; begin < Count; begin += ChunkMax)
        {
            StepChunk(begin, Math.Min(ChunkMax, Count - begin), inputs, outputs, default);
        }
    }

    /// <summary>Steps the first streams, and counts what is clipped of each.</summary>
    /// <param name="count">How many, 1..<see cref="Count"/>.</param>
    /// <param name="inputs">Normalized readings, count rows of I, finite.</param>
    /// <param name="outputs">Receives count rows of O normalized outputs.</param>
    /// <param name="inputSaturations">Counts inputs that are clipped, count rows of I.</param>
    /// <param name="stateSaturations">Counts cell and hidden states that are clipped, [count].</param>
    /// <exception cref="ArgumentException">A reading is NaN, infinite or no symbol; no state has changed.</exception>
    internal void Step(
        int count, ReadOnlySpan<float> inputs, Span<float> outputs, Span<long> inputSaturations, Span<long> stateSaturations)
    {
        InputQuantizer.RequireUsable(Model, inputs);
        _before ??= new byte[Math.Min(Count, ChunkMax) * Model.StateBytes];
        for (int begin = 0; begin < count; begin += ChunkMax)
        {
            int streams = Math.Min(ChunkMax, count - begin);
            Span<byte> states = _states.AsSpan(begin * Model.StateBytes, streams * Model.StateBytes);
            states.CopyTo(_before);
            long clipped = StateSaturations;
            StepChunk(begin, streams, inputs, outputs, inputSaturations);
            if (StateSaturations == clipped)
            {
                continue;
            }

            // Rare: the kernels count by unit, not by stream. One at a time shows whose it was.
            _before.AsSpan(0, states.Length).CopyTo(states);
            for (int s = begin; s < begin + streams; s++)
            {
                clipped = StateSaturations;
                StepChunk(s, 1, inputs, outputs, default);
                stateSaturations[s] += StateSaturations - clipped;
            }
        }
    }

    private long StateSaturations => Sum(_stepper.CellSaturations) + Sum(_stepper.HiddenSaturations);

    private static long Sum(ReadOnlySpan<long> counts)
    {
        long sum = 0;
        foreach (long count in counts)
        {
            sum += count;
        }

        return sum;
    }

    private void StepChunk(int begin, int streams, ReadOnlySpan<float> inputs, Span<float> outputs, Span<long> inputSaturations)
    {
        Span<short> x = _x.AsSpan(0, streams * Model.FeatureCount);
        for (int s = 0; s < streams; s++)
        {
            int first = (begin + s) * Model.InputCount;
            InputQuantizer.Quantize(
                Model,
                inputs.Slice(first, Model.InputCount),
                x.Slice(s * Model.FeatureCount, Model.FeatureCount),
                inputSaturations.IsEmpty ? default : inputSaturations.Slice(first, Model.InputCount));
        }

        _stepper.Step(
            _states.AsSpan(begin * Model.StateBytes, streams * Model.StateBytes), x,
            outputs.Slice(begin * Model.OutputCount, streams * Model.OutputCount), streams);
    }
}
