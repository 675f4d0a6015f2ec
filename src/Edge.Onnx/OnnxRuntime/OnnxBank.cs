using System.Runtime.InteropServices;
using Edge.Onnx.Graphs;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OrtSession = Microsoft.ML.OnnxRuntime.InferenceSession;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>
/// The states of all streams of a model on the device that computes them: for each state two matrices [rows, width], of which one is
/// read while the other is written. Rows get in and out through two small graphs on the same device.
/// </summary>
internal sealed class OnnxBank : IDisposable
{
    private readonly OrtValue[][] _sides;
    private readonly List<IDisposable> _owned = [];
    private readonly RunOptions _run = new();
    private readonly OnnxBuffer<long> _row = new(TensorElementType.Int64, 1);
    private readonly OnnxBuffer<float>[] _values;
    private readonly OnnxBinding[] _read;
    private readonly OnnxBinding[] _write;

    /// <param name="states">What a row consists of.</param>
    /// <param name="rows">Rows of each matrix.</param>
    /// <param name="reader">Reads rows.</param>
    /// <param name="writer">Writes rows.</param>
    /// <param name="device">Memory of the device; null for the host's.</param>
    internal OnnxBank(IReadOnlyList<GraphState> states, int rows, OrtSession reader, OrtSession writer, OrtMemoryInfo? device)
    {
        RowCount = rows;
        IsOnHost = device is null;
        OrtAllocator allocator = device is null ? OrtAllocator.DefaultInstance : Own(new OrtAllocator(reader, device));
        _sides =
        [
            .. Enumerable.Range(0, 2)
                .Select(_ => states.Select(state => Own(Allocate(allocator, rows, state.Width))).ToArray()),
        ];
        _values = [.. states.Select(state => Own(new OnnxBuffer<float>(TensorElementType.Float, 1, state.Width)))];
        _read = [Bind(reader, 0, isWrite: false), Bind(reader, 1, isWrite: false)];
        _write = [Bind(writer, 0, isWrite: true), Bind(writer, 1, isWrite: true)];
    }

    /// <summary>Rows of each matrix.</summary>
    internal int RowCount { get; }

    /// <summary>Whether the matrices lie in host memory.</summary>
    internal bool IsOnHost { get; }

    /// <summary>Which of the two sides holds the states now: 0 or 1.</summary>
    internal int Side { get; private set; }

    /// <summary>The matrix of a state on a side.</summary>
    internal OrtValue Matrix(int side, int state) => _sides[side][state];

    /// <summary>Marks the other side as the current one.</summary>
    internal void Turn() => Side = 1 - Side;

    /// <summary>Copies a row to the host, state after state.</summary>
    internal void Read(int row, Span<float> values)
    {
        if (_values.Length == 0)
        {
            return;
        }

        _row.Span[0] = row;
        _read[Side].Run(_run);
        foreach (OnnxBuffer<float> part in _values)
        {
            part.Span.CopyTo(values);
            values = values[part.Span.Length..];
        }
    }

    /// <summary>Copies a row from the host.</summary>
    internal void Write(int row, ReadOnlySpan<float> values)
    {
        if (_values.Length == 0)
        {
            return;
        }

        _row.Span[0] = row;
        foreach (OnnxBuffer<float> part in _values)
        {
            values[..part.Span.Length].CopyTo(part.Span);
            values = values[part.Span.Length..];
        }

        _write[Side].Run(_run);
        Turn();
    }

    public void Dispose()
    {
        _owned.ForEach(each => each.Dispose());
        _row.Dispose();
        _run.Dispose();
    }

    private T Own<T>(T owned)
        where T : IDisposable
    {
        // What lies in an allocator's memory goes before it.
        _owned.Insert(0, owned);
        return owned;
    }

    private OrtValue Allocate(OrtAllocator allocator, int rows, int width)
    {
        OrtValue matrix = OrtValue.CreateAllocatedTensorValue(allocator, TensorElementType.Float, [rows, width]);
        if (IsOnHost)
        {
            MemoryMarshal.AsBytes(matrix.GetTensorMutableDataAsSpan<float>()).Clear();
        }

        return matrix;
    }

    private OnnxBinding Bind(OrtSession session, int side, bool isWrite)
    {
        OnnxBinding binding = Own(new OnnxBinding(session, IsOnHost));
        if (_values.Length > 0)
        {
            binding.BindHostInput(BankGraph.Rows, _row.Value);
        }

        for (int k = 0; k < _values.Length; k++)
        {
            binding.BindDeviceInput(BankGraph.Bank(k), _sides[side][k]);
            if (isWrite)
            {
                binding.BindHostInput(BankGraph.Values(k), _values[k].Value);
                binding.BindOutput(BankGraph.NextBank(k), _sides[1 - side][k]);
            }
            else
            {
                binding.BindOutput(BankGraph.Values(k), _values[k].Value);
            }
        }

        return binding;
    }
}
