using System.Numerics;
using Edge.Inference;
using Microsoft.ML.OnnxRuntime;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>Combines the steps of many streams into few calls.</summary>
internal sealed partial class OnnxModel
{
    // One stream in a call: its inputs, its outputs, and whether they are done.
    private sealed class Request(int inputs, int outputs)
    {
        internal float[] Inputs { get; } = new float[inputs];

        internal float[] Outputs { get; } = new float[outputs];

        internal bool IsDone { get; set; }

        // Why the call has failed, or null.
        internal string? Failure { get; set; }
    }

    // The last row belongs to no stream: unused places of a call point to it.
    private int NoStream => _bank.RowCount - 1;

    private void RequireUsable(ReadOnlySpan<float> inputs, int outputs)
    {
        if (inputs.Length != InputCount || outputs != OutputCount)
        {
            throw new ArgumentException($"A step takes {InputCount} inputs and {OutputCount} outputs, not {inputs.Length} and {outputs}.");
        }

        foreach (float value in inputs)
        {
            if (!float.IsFinite(value))
            {
                throw new ArgumentException($"{value} is not finite; the state is unchanged.");
            }
        }

        _step.RequireSymbol(inputs);
    }

    private Request Enqueue(int row, ReadOnlySpan<float> inputs)
    {
        lock (_queueing)
        {
            Request request = _requests[row];
            inputs.CopyTo(request.Inputs);
            request.IsDone = false;
            request.Failure = null;
            _queue[_queued++] = row;
            return request;
        }
    }

    // The first thread runs all waiting steps; the other threads find theirs done.
    private void RunQueued()
    {
        int count;
        lock (_queueing)
        {
            (_queue, _taken) = (_taken, _queue);
            count = _queued;
            _queued = 0;
        }

        for (int begin = 0; begin < count; begin += _batchMax)
        {
            int size = Math.Min(_batchMax, count - begin);
            ReadOnlySpan<int> rows = _taken.AsSpan(begin, size);
            string? failure = RunTogether(rows);
            foreach (int row in rows)
            {
                _requests[row].Failure = failure;
                _requests[row].IsDone = true;
            }
        }
    }

    // Why it has failed, or null. A failed call leaves all states as they were.
    private string? RunTogether(ReadOnlySpan<int> rows)
    {
        try
        {
            OnnxBatch batch = BatchOf(rows.Length);
            for (int i = 0; i < rows.Length; i++)
            {
                batch.Rows[i] = rows[i];
                batch.SetInputs(i, _requests[rows[i]].Inputs);
            }

            Run(batch, rows.Length);
            for (int i = 0; i < rows.Length; i++)
            {
                batch.Outputs.Slice(i * OutputCount, OutputCount).CopyTo(_requests[rows[i]].Outputs);
            }

            return null;
        }
        catch (OnnxRuntimeException e)
        {
            return Failed(e);
        }
    }

    private void Run(OnnxBatch batch, int size)
    {
        batch.Rows[size..].Fill(NoStream);
        batch.Run(_run, _bank.Side);
        _bank.Turn();
    }

    // Calls come in sizes of powers of two, so that few are bound.
    private OnnxBatch BatchOf(int streams)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)streams);
        if (!_batches.TryGetValue(size, out OnnxBatch? batch))
        {
            long[] shape = [.. _outputShape];
            if (_outputAxis >= 0)
            {
                shape[_outputAxis] = size;
            }

            batch = new OnnxBatch(_session, _step, _bank, size, shape);
            _batches[size] = batch;
        }

        return batch;
    }

    private OnnxBank NewBank(int rows) => new(_step.States, rows, _reader, _writer, _device);

    private void Grow()
    {
        int streams = _requests.Length;
        int more = Math.Max(1, streams * 2);
        if (more > StreamsMax)
        {
            throw new ModelFormatException($"{StreamsMax} streams of one model are the limit.");
        }

        OnnxBank bank = NewBank(more + 1);
        float[] state = new float[StateCount];
        for (int row = 0; row < streams; row++)
        {
            _bank.Read(row, state);
            bank.Write(row, state);
        }

        foreach (OnnxBatch batch in _batches.Values)
        {
            batch.Dispose();
        }

        _batches.Clear();
        _bank.Dispose();
        _bank = bank;
        lock (_queueing)
        {
            Array.Resize(ref _requests, more);
            Array.Resize(ref _queue, more);
            Array.Resize(ref _taken, more);
            for (int row = streams; row < more; row++)
            {
                _requests[row] = new Request(InputCount, OutputCount);
                _free.Add(row);
            }
        }
    }

    // One stream on its own, then two at once: if those give what each gives alone, streams can be stepped together.
    private (long[] Shape, int Axis, int BatchMax) Try()
    {
        float[] zero = new float[InputCount];
        float[] one = [.. Enumerable.Repeat(_step.ReadsSymbols ? 0f : 0.5f, InputCount)];
        one[^1] = _step.Symbol is null ? one[^1] : 0;
        (float[] first, long[] shape) = Once(zero);
        (float[] second, _) = Once(one);
        if (first.Concat(second).Any(value => !float.IsFinite(value)))
        {
            throw new ModelFormatException(
                "It returns values that are not finite for ordinary readings. The training diverged or the file is damaged.");
        }

        OutputCount = first.Length;
        if (_step.StreamAxis < 0)
        {
            return (shape, -1, 1);
        }

        using var pair = new OnnxBatch(_session, _step, _bank, 2, []);
        _bank.Write(0, _initial);
        _bank.Write(1, _initial);
        try
        {
            pair.Rows[0] = 0;
            pair.Rows[1] = 1;
            pair.SetInputs(0, zero);
            pair.SetInputs(1, one);
            (float[] both, long[] pairShape) = pair.RunUnknown(_run, _bank.Side);
            int axis = Array.FindIndex(pairShape, size => size == 2);
            bool isSame = both.Length == 2 * OutputCount
                && both.Zip(first.Concat(second)).All(each => Math.Abs(each.First - each.Second) <= 1e-4f * (1 + Math.Abs(each.Second)));
            return isSame && pairShape.Length == shape.Length && axis >= 0 && shape[axis] == 1 ? (shape, axis, StreamsMax) : (shape, -1, 1);
        }
        catch (OnnxRuntimeException)
        {
            return (shape, -1, 1);
        }

        (float[] Values, long[] Shape) Once(float[] inputs)
        {
            using var single = new OnnxBatch(_session, _step, _bank, 1, []);
            _bank.Write(0, _step.WindowRows == 1 ? _initial : [.. _initial[..^1], _step.WindowRows]);
            single.SetInputs(0, inputs);
            return single.RunUnknown(_run, _bank.Side);
        }
    }
}
