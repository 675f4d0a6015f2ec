using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Graphs;
using Microsoft.ML.OnnxRuntime;
using OrtSession = Microsoft.ML.OnnxRuntime.InferenceSession;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>
/// A float model on ONNX Runtime for any number of streams. Each stream is a row of the states, which stay on the device. Streams that
/// step while another call runs are taken together in the next one: many streams cost little more than one. A step allocates nothing.
/// </summary>
internal sealed class OnnxModel : IDisposable
{
    private const string ExternalFolder = "session.model_external_initializers_file_folder_path";
    private const int StreamsMax = 65536;
    private const long FileMaxBytes = 1L << 30;

    private readonly StepGraph _step;
    private readonly OrtSession _session;
    private readonly OrtSession _reader;
    private readonly OrtSession _writer;
    private readonly OrtMemoryInfo? _device;
    private readonly RunOptions _run = new();
    private readonly float[] _initial;
    private readonly Lock _running = new();
    private readonly Lock _queueing = new();
    private readonly Dictionary<int, OnnxBatch> _batches = [];
    private readonly long[] _outputShape;
    private readonly int _outputAxis;
    private readonly int _batchMax;
    private readonly SortedSet<int> _free = [];
    private OnnxBank _bank;
    private Request[] _requests = [];
    private int[] _queue = [];
    private int[] _taken = [];
    private int _queued;

    private OnnxModel(StepGraph step, string sha256, OnnxOptions options, (OrtSession Step, OrtSession Read, OrtSession Write) sessions, string provider, IReadOnlyList<string> refused)
    {
        _step = step;
        (_session, _reader, _writer) = sessions;
        Sha256 = sha256;
        Provider = provider;
        Refused = refused;
        _device = provider == "cpu" ? null : new OrtMemoryInfo("Cuda", OrtAllocatorType.DeviceAllocator, options.Device, OrtMemType.Default);
        _initial = [.. step.States.SelectMany(state => state.Initial.Length == state.Width ? state.Initial : new float[state.Width])];
        try
        {
            _bank = NewBank(2);
            (_outputShape, _outputAxis, _batchMax) = Try();
        }
        catch (Exception)
        {
            Dispose();
            throw;
        }
    }

    // One stream's place in a call: what it brings, what it gets, and whether that has happened.
    private sealed class Request(int inputs, int outputs)
    {
        internal float[] Inputs { get; } = new float[inputs];

        internal float[] Outputs { get; } = new float[outputs];

        internal bool IsDone { get; set; }

        internal bool HasFailed { get; set; }
    }

    /// <summary>Values of a row; 1 for a number of a symbol.</summary>
    internal int InputCount => _step.ReadsSymbols ? 1 : _step.InputShape.Aggregate(1, (product, size) => product * size);

    /// <summary>Values a step gives.</summary>
    internal int OutputCount { get; private set; }

    /// <summary>SHA-256 of the file, lower-case hex.</summary>
    internal string Sha256 { get; }

    /// <summary>The execution provider in use.</summary>
    internal string Provider { get; }

    /// <summary>Why those asked for before it are not in use, a sentence each.</summary>
    internal IReadOnlyList<string> Refused { get; }

    /// <summary>Whether streams are stepped together.</summary>
    internal bool IsBatched => _batchMax > 1;

    /// <summary>Values of one stream's state: hidden states of all layers, then cell states.</summary>
    internal int StateCount => _initial.Length;

    /// <summary>Loads a model: of steps, or of sequences, which is made one of steps.</summary>
    /// <exception cref="ModelFormatException">The model or the library cannot be used; one sentence says why.</exception>
    internal static OnnxModel Load(string path, OnnxOptions options)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Exists && file.Length > FileMaxBytes)
            {
                throw new ModelFormatException($"The file has {file.Length} bytes; {FileMaxBytes} is the limit.");
            }

            byte[] bytes = File.ReadAllBytes(path);
            if (bytes.Length == 0)
            {
                throw new ModelFormatException("The file is empty. Export or copy it again.");
            }

            string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            StepGraph step = StepGraph.Read(bytes);
            var external = new ExternalData(folder);
            foreach (Proto.TensorProto initializer in step.Model.Graph.Initializer)
            {
                external.RequireInside(initializer);
            }

            OnnxLibrary.Load(options.Library);
            byte[] stepping = BankGraph.Step(step);
            byte[] reading = BankGraph.Read(step.States);
            byte[] writing = BankGraph.Write(step.States);
            var (sessions, provider, refused) = OnnxProviders.Open(options, (session, _) =>
            {
                session.AddSessionConfigEntry(ExternalFolder, folder);
                var opened = new OrtSession(stepping, session);
                return step.States.Count == 0
                    ? (opened, opened, opened)
                    : (opened, new OrtSession(reading, session), new OrtSession(writing, session));
            });
            return new OnnxModel(step, Convert.ToHexStringLower(SHA256.HashData(bytes)), options, sessions, provider, refused);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFormatException($"Model '{path}' cannot be read: {e.Message}", e);
        }
        catch (ModelFormatException e)
        {
            throw new ModelFormatException($"Model '{path}': {e.Message}", e);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelFormatException($"Model '{path}': ONNX Runtime cannot step it: {OnnxProviders.Explain("cpu", e.Message)[5..]}", e);
        }
    }

    /// <summary>Takes a row for a stream, at the model's initial state.</summary>
    internal int Open()
    {
        lock (_running)
        {
            if (_free.Count == 0)
            {
                Grow();
            }

            int row = _free.Min;
            _free.Remove(row);
            _bank.Write(row, _initial);
            return row;
        }
    }

    /// <summary>Gives a stream's row back.</summary>
    internal void Close(int row)
    {
        lock (_running)
        {
            _free.Add(row);
        }
    }

    /// <summary>Takes one row of inputs through the model; streams that come at the same time go together.</summary>
    /// <exception cref="ArgumentException">A length is wrong or an input is not finite; the state is untouched.</exception>
    internal void Step(int row, ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        RequireUsable(inputs, outputs.Length);
        Request request = Enqueue(row, inputs);
        lock (_running)
        {
            if (!request.IsDone)
            {
                RunQueued();
            }
        }

        if (request.HasFailed)
        {
            throw new InvalidOperationException($"ONNX Runtime failed in a step on {Provider}.");
        }

        request.Outputs.CopyTo(outputs);
    }

    /// <summary>Takes a row of inputs of each of several streams through the model at once.</summary>
    /// <param name="rows">The streams, each once.</param>
    /// <param name="inputs">Their inputs, stream after stream.</param>
    /// <param name="outputs">Receives their outputs, stream after stream.</param>
    /// <exception cref="ArgumentException">A length is wrong or an input is not finite; no state is touched.</exception>
    internal void StepMany(ReadOnlySpan<int> rows, ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            RequireUsable(inputs.Slice(i * InputCount, InputCount), OutputCount);
        }

        lock (_running)
        {
            for (int begin = 0; begin < rows.Length; begin += _batchMax)
            {
                int size = Math.Min(_batchMax, rows.Length - begin);
                OnnxBatch batch = BatchOf(size);
                for (int i = 0; i < size; i++)
                {
                    batch.Rows[i] = rows[begin + i];
                    batch.SetInputs(i, inputs.Slice((begin + i) * InputCount, InputCount));
                }

                Run(batch, size);
                batch.Outputs[..(size * OutputCount)].CopyTo(outputs[(begin * OutputCount)..]);
            }
        }
    }

    /// <summary>A stream's state: hidden states of all layers, then cell states.</summary>
    internal void Read(int row, Span<float> state)
    {
        lock (_running)
        {
            _bank.Read(row, state);
        }
    }

    /// <summary>Sets a stream's state.</summary>
    internal void Write(int row, ReadOnlySpan<float> state)
    {
        lock (_running)
        {
            _bank.Write(row, state);
        }
    }

    /// <summary>A stream's state with a header that names the model: what <see cref="Restore"/> takes.</summary>
    internal byte[] Save(int row)
    {
        float[] state = new float[StateCount];
        Read(row, state);
        return StateFormat.Wrap(MemoryMarshal.AsBytes<float>(state), StateKind.Float32, Sha256);
    }

    /// <summary>Continues from a saved state.</summary>
    /// <exception cref="ModelFormatException">The bytes are damaged or another model's; the state is untouched.</exception>
    internal void Restore(int row, ReadOnlySpan<byte> saved)
    {
        float[] state = new float[StateCount];
        StateFormat.Unwrap(saved, StateKind.Float32, Sha256, MemoryMarshal.AsBytes(state.AsSpan()));
        if (state.Any(value => !float.IsFinite(value)))
        {
            throw new ModelFormatException("The saved state holds values that are not finite. Start without it.");
        }

        Write(row, state);
    }

    public void Dispose()
    {
        foreach (OnnxBatch batch in _batches.Values)
        {
            batch.Dispose();
        }

        _bank?.Dispose();
        _session.Dispose();
        if (_reader != _session)
        {
            _reader.Dispose();
            _writer.Dispose();
        }

        _device?.Dispose();
        _run.Dispose();
    }

    // The last row is nobody's: places of a call that no stream needs point there.
    private int Nobody => _bank.RowCount - 1;

    private void RequireUsable(ReadOnlySpan<float> inputs, int outputs)
    {
        if (inputs.Length != InputCount || outputs != OutputCount)
        {
            throw new ArgumentException($"A step takes {InputCount} inputs and {OutputCount} outputs, not {inputs.Length} and {outputs}.");
        }

        foreach (float value in inputs)
        {
            if (!float.IsFinite(value) || (_step.ReadsSymbols && value != MathF.Floor(value)))
            {
                throw new ArgumentException($"{value} is {(_step.ReadsSymbols ? "not a symbol" : "not finite")}; the state is untouched.");
            }
        }
    }

    private Request Enqueue(int row, ReadOnlySpan<float> inputs)
    {
        lock (_queueing)
        {
            Request request = _requests[row];
            inputs.CopyTo(request.Inputs);
            request.IsDone = false;
            request.HasFailed = false;
            _queue[_queued++] = row;
            return request;
        }
    }

    // Whoever comes first runs all that wait; the others find theirs done.
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
            bool hasFailed = false;
            OnnxBatch batch = BatchOf(size);
            for (int i = 0; i < size; i++)
            {
                batch.Rows[i] = rows[i];
                batch.SetInputs(i, _requests[rows[i]].Inputs);
            }

            try
            {
                Run(batch, size);
            }
            catch (OnnxRuntimeException)
            {
                hasFailed = true;
            }

            for (int i = 0; i < size; i++)
            {
                Request request = _requests[rows[i]];
                batch.Outputs.Slice(i * OutputCount, OutputCount).CopyTo(request.Outputs);
                request.HasFailed = hasFailed;
                request.IsDone = true;
            }
        }
    }

    private void Run(OnnxBatch batch, int size)
    {
        batch.Rows[size..].Fill(Nobody);
        batch.Run(_run, _bank.Side);
        _bank.Turn();
    }

    // Calls come in sizes of powers of two, so that few are bound.
    private OnnxBatch BatchOf(int streams)
    {
        int size = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)streams);
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
        (float[] first, long[] shape) = Once(zero);
        (float[] second, _) = Once(one);
        if (first.Concat(second).Any(value => !float.IsFinite(value)))
        {
            throw new ModelFormatException("It gives values that are not finite for ordinary readings; the training diverged or the file is damaged.");
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
            bool isSame = both.Length == 2 * OutputCount && both.Zip(first.Concat(second)).All(each => Math.Abs(each.First - each.Second) <= 1e-4f * (1 + Math.Abs(each.Second)));
            return isSame && pairShape.Length == shape.Length && axis >= 0 && shape[axis] == 1 ? (shape, axis, StreamsMax) : (shape, -1, 1);
        }
        catch (OnnxRuntimeException)
        {
            return (shape, -1, 1);
        }

        (float[] Values, long[] Shape) Once(float[] inputs)
        {
            using var single = new OnnxBatch(_session, _step, _bank, 1, []);
            _bank.Write(0, _initial);
            single.SetInputs(0, inputs);
            return single.RunUnknown(_run, _bank.Side);
        }
    }
}
