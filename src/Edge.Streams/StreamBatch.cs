using Edge.Inference.Models;
using Edge.Streams.Engines;

namespace Edge.Streams;

/// <summary>
/// Steps many streams of one model together, each with one row: the weights are read once for a block of streams. Each stream gives the
/// same ticks as alone, bit for bit. Not thread-safe.
/// </summary>
/// <param name="model">The model of all streams.</param>
/// <exception cref="ArgumentException">EDGE_KERNEL names a kernel that this processor does not have.</exception>
internal sealed class StreamBatch(EdgeModel model)
{
    private readonly Int8Batch _batch = new(model);
    private readonly int[] _usable = new int[Int8Batch.StreamsMax];

    /// <summary>The engine of a stream that this object steps.</summary>
    internal BatchedEngine NewEngine() => new(_batch);

    /// <summary>Steps each stream with its row.</summary>
    /// <param name="streams">Streams with an engine of <see cref="NewEngine"/>, each at most once.</param>
    /// <param name="rows">Their rows.</param>
    /// <param name="ticks">Receives their ticks, each valid until the next tick of its stream.</param>
    internal void Step(ReadOnlySpan<SensorStream> streams, ReadOnlySpan<Reading> rows, Span<StreamTick> ticks)
    {
        for (int begin = 0; begin < streams.Length; begin += Int8Batch.StreamsMax)
        {
            int count = Math.Min(Int8Batch.StreamsMax, streams.Length - begin);
            StepBlock(streams.Slice(begin, count), rows.Slice(begin, count), ticks.Slice(begin, count));
        }
    }

    private void StepBlock(ReadOnlySpan<SensorStream> streams, ReadOnlySpan<Reading> rows, Span<StreamTick> ticks)
    {
        int count = 0;
        for (int i = 0; i < streams.Length; i++)
        {
            if (streams[i].Begin(rows[i]))
            {
                _batch.Load(count, (BatchedEngine)streams[i].Engine, streams[i].Forecaster.Inputs);
                _usable[count++] = i;
            }
        }

        if (count > 0)
        {
            _batch.Step(count);
        }

        for (int n = 0; n < count; n++)
        {
            SensorStream stream = streams[_usable[n]];
            _batch.Store(n, (BatchedEngine)stream.Engine, stream.Forecaster.Outputs);
        }

        for (int i = 0; i < streams.Length; i++)
        {
            ticks[i] = streams[i].End(rows[i]);
        }
    }
}
