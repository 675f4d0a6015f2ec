using Edge.Inference;
using Edge.Onnx.Graphs;
using Microsoft.ML.OnnxRuntime;
using OrtSession = Microsoft.ML.OnnxRuntime.InferenceSession;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>
/// A model file as it is, on ONNX Runtime, over a whole sequence at once: what a model that steps row by row is compared with. A model
/// of windows runs once per window, and one of steps once per row with its states fed back.
/// </summary>
internal sealed class OnnxSequence : IDisposable
{
    private const int Float = 1;
    private const int Int32 = 6;
    private const int Int64 = 7;

    private readonly StepGraph _step;
    private readonly SequenceGraph _graph;
    private readonly OrtSession _session;
    private readonly RunOptions _options;

    /// <param name="bytes">The file.</param>
    /// <param name="folder">Where external data may lie; null for nowhere.</param>
    /// <exception cref="ModelFormatException">It cannot be run.</exception>
    internal OnnxSequence(byte[] bytes, string? folder)
    {
        _step = StepGraph.Read(bytes, folder);
        _graph = _step.Sequence;
        OnnxLibrary.Load(null);
        _options = new RunOptions();
        using var options = new SessionOptions { IntraOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        if (folder is not null)
        {
            options.AddSessionConfigEntry(OnnxModel.ExternalFolder, folder);
        }

        try
        {
            _session = new OrtSession(bytes, options);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelFormatException($"ONNX Runtime cannot run it: {OnnxProviders.Explain("cpu", e.Message)[5..]}", e);
        }
    }

    /// <summary>Values of a row: the readings, and after them the number of the symbol.</summary>
    internal int InputCount => _step.InputCount;

    /// <summary>Whether a value of a row is the number of a symbol.</summary>
    internal bool IsSymbol(int column) => _step.ReadsSymbols || (_step.Symbol is not null && column == InputCount - 1);

    /// <summary>
    /// Whether ONNX Runtime takes the scale of some inputs from all rows of a call (DynamicQuantizeLSTM), so that steps differ from it by
    /// rounding to 8 bits.
    /// </summary>
    internal bool HasDynamicScales => _step.Model.Graph.Node.Any(node => node.OpType == "DynamicQuantizeLSTM");

    /// <summary>Runs rows that follow each other, from the model's initial state.</summary>
    /// <param name="rows">count·<see cref="InputCount"/> values.</param>
    /// <param name="count">How many.</param>
    /// <returns>A row of outputs for each; empty where the run gives none.</returns>
    /// <exception cref="ModelFormatException">ONNX Runtime fails.</exception>
    /// <exception cref="InputException">A row has no symbol where the model takes one.</exception>
    internal float[][] Run(ReadOnlySpan<float> rows, int count)
    {
        RequireSymbols(rows);
        float[][] results = [.. Enumerable.Repeat(Array.Empty<float>(), count)];
        try
        {
            if (_graph.Time < 0)
            {
                RunSteps(rows, results);
            }
            else if (_step.WindowRows > 1)
            {
                for (int end = _step.WindowRows; end <= count; end++)
                {
                    results[end - 1] = Newest(rows[((end - _step.WindowRows) * InputCount)..(end * InputCount)], _step.WindowRows);
                }
            }
            else if (_graph.FixedRows > 0)
            {
                RunFixed(rows, results);
            }
            else if (_graph.Outputs.Any(output => output.Time < 0))
            {
                // Each beginning of the sequence has a last row of its own: some of them are looked at.
                for (int end = 1; end <= count; end = Math.Max(end + 1, end * 3 / 2))
                {
                    results[end - 1] = Newest(rows[..(end * InputCount)], end);
                }

                results[^1] = Newest(rows, count);
            }
            else
            {
                RunAll(rows, results);
            }
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelFormatException($"ONNX Runtime cannot run it: {OnnxProviders.Explain("cpu", e.Message)[5..]}", e);
        }

        return results;
    }

    public void Dispose()
    {
        _session.Dispose();
        _options.Dispose();
    }

    private void RequireSymbols(ReadOnlySpan<float> rows)
    {
        for (int row = 0; row * InputCount < rows.Length; row++)
        {
            try
            {
                _step.RequireSymbol(rows.Slice(row * InputCount, InputCount));
            }
            catch (ArgumentException e)
            {
                throw new InputException($"Row {row} of the input: {e.Message}", e);
            }
        }
    }

    // As many rows as the file takes.
    private void RunFixed(ReadOnlySpan<float> rows, float[][] results)
    {
        if (results.Length < _graph.FixedRows)
        {
            return;
        }

        float[][] begin = new float[_graph.FixedRows][];
        Array.Fill(begin, []);
        if (_graph.Outputs.Any(output => output.Time < 0))
        {
            begin[^1] = Newest(rows[..(begin.Length * InputCount)], begin.Length);
        }
        else
        {
            RunAll(rows[..(begin.Length * InputCount)], begin);
        }

        begin.CopyTo(results, 0);
    }

    private void RunAll(ReadOnlySpan<float> rows, float[][] results)
    {
        float[][][] outputs = Call(rows, results.Length, []);
        for (int row = 0; row < results.Length; row++)
        {
            results[row] = [.. outputs.SelectMany(output => output[row])];
        }
    }

    private float[] Newest(ReadOnlySpan<float> rows, int count) => [.. Call(rows, count, []).SelectMany(output => output[^1])];

    private void RunSteps(ReadOnlySpan<float> rows, float[][] results)
    {
        var states = new Dictionary<string, float[]>();
        for (int row = 0; row < results.Length; row++)
        {
            results[row] = [.. Call(rows.Slice(row * InputCount, InputCount), 1, states).SelectMany(output => output[0])];
        }
    }

    // The outputs of the call, each as rows.
    private float[][][] Call(ReadOnlySpan<float> rows, int count, Dictionary<string, float[]> states)
    {
        int readings = InputCount - (_step.Symbol is null ? 0 : 1);
        var names = new List<string> { _graph.Input };
        var values = new List<OrtValue> { InputOf(_graph.InputType, Columns(rows, 0, readings), OfRows(_graph.InputShape)) };
        if (_step.Symbol is { } symbol)
        {
            names.Add(symbol.Name);
            values.Add(InputOf(symbol.Type, Columns(rows, readings, 1), OfRows([.. Enumerable.Repeat(1, symbol.Rank)])));
        }

        foreach ((string name, int type, int[] open) in _graph.Others)
        {
            long[] sizes = [.. open.Select(size => (long)Math.Max(1, size))];
            int length = (int)sizes.Aggregate(1L, (product, size) => product * size);
            names.Add(name);
            values.Add(type switch
            {
                Int32 => OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(count, length).ToArray(), sizes),
                Int64 => OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat((long)count, length).ToArray(), sizes),
                _ => OrtValue.CreateTensorValueFromMemory(states.GetValueOrDefault(name) ?? new float[length], sizes),
            });
        }

        GraphState[] carried = _graph.Time < 0
            ? [.. _step.States.Where(state => _graph.Others.Any(other => other.Name == state.Input))]
            : [];
        string[] outputs = [.. _graph.Outputs.Select(output => output.Name), .. carried.Select(state => state.Output)];
        try
        {
            using IDisposableReadOnlyCollection<OrtValue> results = _session.Run(_options, names, values, outputs);
            for (int k = 0; k < carried.Length; k++)
            {
                states[carried[k].Input] = Floats(results[_graph.Outputs.Count + k]);
            }

            return [.. _graph.Outputs.Select((output, k) => Rows(results[k], WindowedTime(output.Time, results[k], count)))];
        }
        finally
        {
            values.ForEach(value => value.Dispose());
        }

        long[] OfRows(int[] shape) => [.. shape.Select((size, axis) => axis == _graph.Time ? count : (long)size)];
    }

    // Some values of each row, row by row.
    private float[] Columns(ReadOnlySpan<float> rows, int first, int count)
    {
        if (count == InputCount)
        {
            return rows.ToArray();
        }

        var columns = new float[rows.Length / InputCount * count];
        for (int at = 0; at < columns.Length; at++)
        {
            columns[at] = rows[(at / count * InputCount) + first + (at % count)];
        }

        return columns;
    }

    // A window's output may have a row for each of its rows, in the place where the input has them.
    private int WindowedTime(int time, OrtValue output, int count)
    {
        long[] shape = output.GetTensorTypeAndShape().Shape;
        return _step.WindowRows == 1 ? time
            : shape.Length == _graph.InputShape.Length && shape[_graph.Time] == count ? _graph.Time : -1;
    }

    private static OrtValue InputOf(int type, float[] rows, long[] shape) => type switch
    {
        Int64 => OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(rows, value => (long)value), shape),
        Int32 => OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(rows, value => (int)value), shape),
        _ => OrtValue.CreateTensorValueFromMemory(rows, shape),
    };

    private static float[][] Rows(OrtValue output, int time)
    {
        float[] values = Floats(output);
        long[] shape = output.GetTensorTypeAndShape().Shape;
        if (time < 0)
        {
            return [values];
        }

        int count = (int)shape[time];
        int inner = (int)shape[(time + 1)..].Aggregate(1L, (product, size) => product * size);
        return
        [
            .. Enumerable.Range(0, count)
                .Select(row => values.Where((_, at) => at / inner % count == row).ToArray()),
        ];
    }

    private static float[] Floats(OrtValue value) => (int)value.GetTensorTypeAndShape().ElementDataType switch
    {
        Int32 => [.. value.GetTensorDataAsSpan<int>().ToArray().Select(each => (float)each)],
        Int64 => [.. value.GetTensorDataAsSpan<long>().ToArray().Select(each => (float)each)],
        Float => value.GetTensorDataAsSpan<float>().ToArray(),
        9 => [.. value.GetTensorDataAsSpan<bool>().ToArray().Select(each => each ? 1f : 0f)],
        var type => throw new ModelFormatException($"An output has ONNX element type {type}. Export it as float32."),
    };
}
