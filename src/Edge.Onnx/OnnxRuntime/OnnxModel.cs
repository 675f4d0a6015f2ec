using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Onnx.Graphs;
using Microsoft.ML.OnnxRuntime;
using OrtSession = Microsoft.ML.OnnxRuntime.InferenceSession;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>
/// A float model on ONNX Runtime for any number of streams. Each stream is a row of the states, which stay on the device. Streams that
/// step while another call runs are taken together in the next one: many streams cost little more than one. A step allocates nothing.
/// </summary>
internal sealed partial class OnnxModel : IDisposable
{
    internal const string ExternalFolder = "session.model_external_initializers_file_folder_path";
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
    private volatile bool _hasFailed;
    private bool _isRetired;

    private OnnxModel(
        StepGraph step,
        string sha256,
        OnnxOptions options,
        (OrtSession Step, OrtSession Read, OrtSession Write) sessions,
        string provider,
        IReadOnlyList<string> refused)
    {
        _step = step;
        (_session, _reader, _writer) = sessions;
        Sha256 = sha256;
        Provider = provider;
        Refused = refused;
        _device = OnnxProviders.MemoryOf(provider, options);
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

    /// <summary>Values of a row: the readings, and after them the number of the symbol.</summary>
    internal int InputCount => _step.InputCount;

    /// <summary>Symbols that the last value of a row may be, numbered from 0; 0 where there are none.</summary>
    internal int SymbolCount => _step.SymbolCount;

    /// <summary>Outputs of a step.</summary>
    internal int OutputCount { get; private set; }

    /// <summary>Outputs of the file that a row of outputs consists of.</summary>
    internal IReadOnlyList<(string Name, int? Count)> Outputs => _step.Outputs;

    /// <summary>Outputs of the file that are left out.</summary>
    internal IReadOnlyList<string> LeftOut => _step.LeftOut;

    /// <summary>Rows that the model reads at once: its outputs are NaN before there are so many; 1 where it steps.</summary>
    internal int WindowRows => _step.WindowRows;

    /// <summary>SHA-256 of the file, lower-case hex.</summary>
    internal string Sha256 { get; }

    /// <summary>The execution provider in use.</summary>
    internal string Provider { get; }

    /// <summary>Why the preferred providers are not in use, one sentence each.</summary>
    internal IReadOnlyList<string> Refused { get; }

    /// <summary>
    /// Whether a call has failed: a GPU that was lost or has no memory left may fail in all that follow. A stream that is opened then gets
    /// the model loaded again, by the first provider that can.
    /// </summary>
    internal bool HasFailed => _hasFailed;

    /// <summary>Whether streams are stepped together.</summary>
    internal bool IsBatched => _batchMax > 1;

    /// <summary>Values of one stream's state: hidden states of all layers, then cell states.</summary>
    internal int StateCount => _initial.Length;

    /// <summary>Loads a model: of steps, or of sequences, which is made one of steps.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">The library and its providers.</param>
    /// <param name="outputs">Values of a row of outputs that are wanted; null for all.</param>
    /// <param name="isClass">Whether one of them is named as a class, whose probability is wanted; null for the values as they are.</param>
    /// <exception cref="ModelFormatException">The model or the library cannot be used; one sentence says why.</exception>
    internal static OnnxModel Load(string path, OnnxOptions options, int? outputs = null, Func<int, bool>? isClass = null)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Exists && file.Length > FileMaxBytes)
            {
                throw new ModelFormatException($"The file has {file.Length} bytes; {FileMaxBytes} is the limit.");
            }

            byte[] bytes = RegularFile.ReadBytes(path);
            if (bytes.Length == 0)
            {
                throw new ModelFormatException("The file is empty. Export or copy it again.");
            }

            string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            StepGraph step = StepGraph.Read(bytes, folder, outputs, isClass);
            var external = new ExternalData(folder);
            foreach (Proto.TensorProto initializer in step.Model.Graph.Initializer)
            {
                external.RequireInside(initializer);
            }

            OnnxLibrary.Load(options.Library);
            byte[] stepping = BankGraph.Step(step);
            byte[] reading = BankGraph.Read(step.States);
            byte[] writing = BankGraph.Write(step.States);
            return OnnxProviders.Open(options, (session, provider, refused) =>
            {
                session.AddSessionConfigEntry(ExternalFolder, folder);
                var opened = new OrtSession(stepping, session);
                var sessions = step.States.Count == 0
                    ? (opened, opened, opened)
                    : (opened, new OrtSession(reading, session), new OrtSession(writing, session));
                return new OnnxModel(step, Inference.Models.Sha256.Hex(bytes), options, sessions, provider, refused);
            });
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new ModelFormatException($"Model '{path}' cannot be read: {e.Message}", e);
        }
        catch (ModelFormatException e)
        {
            throw new ModelFormatException($"Model '{path}': {e.Message}", e);
        }
    }

    /// <summary>Reserves a row for a stream, with the model's initial state.</summary>
    /// <exception cref="InputException">ONNX Runtime fails.</exception>
    internal int Open()
    {
        lock (_running)
        {
            try
            {
                if (_free.Count == 0)
                {
                    Grow();
                }

                int row = _free.Min;
                _bank.Write(row, _initial);
                _free.Remove(row);
                return row;
            }
            catch (OnnxRuntimeException e)
            {
                throw new InputException(Failed(e), e);
            }
        }
    }

    /// <summary>Frees the row of a stream.</summary>
    internal void Close(int row)
    {
        lock (_running)
        {
            _free.Add(row);
            DisposeIfUnused();
        }
    }

    /// <summary>No stream is opened any more: it is disposed of with its last stream.</summary>
    internal void Retire()
    {
        lock (_running)
        {
            _isRetired = true;
            DisposeIfUnused();
        }
    }

    /// <summary>Steps one stream. Streams that step at the same time share a call.</summary>
    /// <exception cref="ArgumentException">
    /// A length is wrong, or an input is not finite or no symbol; the state is unchanged.
    /// </exception>
    /// <exception cref="InputException">ONNX Runtime fails; the state is unchanged.</exception>
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

        if (request.Failure is { } failure)
        {
            throw new InputException(failure);
        }

        request.Outputs.CopyTo(outputs);
    }

    /// <summary>A stream's state: hidden states of all layers, then cell states.</summary>
    /// <exception cref="InputException">ONNX Runtime fails.</exception>
    internal void Read(int row, Span<float> state)
    {
        lock (_running)
        {
            try
            {
                _bank.Read(row, state);
            }
            catch (OnnxRuntimeException e)
            {
                throw new InputException(Failed(e), e);
            }
        }
    }

    /// <summary>Sets a stream's state.</summary>
    /// <exception cref="InputException">ONNX Runtime fails.</exception>
    internal void Write(int row, ReadOnlySpan<float> state)
    {
        lock (_running)
        {
            try
            {
                _bank.Write(row, state);
            }
            catch (OnnxRuntimeException e)
            {
                throw new InputException(Failed(e), e);
            }
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
    /// <exception cref="ModelFormatException">The bytes are damaged or another model's; the state is unchanged.</exception>
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

    private string Failed(OnnxRuntimeException e)
    {
        _hasFailed = true;
        return $"ONNX Runtime failed on {OnnxProviders.Explain(Provider, e.Message)}";
    }

    private void DisposeIfUnused()
    {
        if (_isRetired && _free.Count == _requests.Length)
        {
            Dispose();
        }
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
}
