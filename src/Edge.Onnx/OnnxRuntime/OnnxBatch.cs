using Edge.Onnx.Graphs;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OrtSession = Microsoft.ML.OnnxRuntime.InferenceSession;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>Inputs and outputs of one call for a fixed number of streams, bound once for each side of the bank.</summary>
internal sealed class OnnxBatch : IDisposable
{
    private readonly OnnxInputBuffer _input;
    private readonly OnnxInputBuffer? _symbol;
    private readonly OnnxBuffer<long> _rows;
    private readonly OnnxBuffer<float>? _outputs;
    private readonly OnnxBinding[] _bindings;

    /// <param name="session">The step over banks.</param>
    /// <param name="step">Its graph.</param>
    /// <param name="bank">The states.</param>
    /// <param name="size">Streams in one call.</param>
    /// <param name="outputShape">Dimensions of the outputs for this number of streams; empty if not known yet.</param>
    internal OnnxBatch(OrtSession session, StepGraph step, OnnxBank bank, int size, ReadOnlySpan<long> outputShape)
    {
        Size = size;
        _input = new OnnxInputBuffer(step.InputType, OfStreams(step.InputShape));
        _symbol = step.Symbol is { } symbol
            ? new OnnxInputBuffer(symbol.Type, OfStreams([.. Enumerable.Repeat(1, symbol.Rank)])) : null;
        _rows = new OnnxBuffer<long>(TensorElementType.Int64, size);
        _outputs = outputShape.IsEmpty ? null : new OnnxBuffer<float>(TensorElementType.Float, outputShape);
        _bindings = [Bind(0), Bind(1)];

        long[] OfStreams(int[] shape) => [.. shape.Select((length, axis) => axis == step.StreamAxis ? size : (long)length)];

        OnnxBinding Bind(int side)
        {
            var binding = new OnnxBinding(session, bank.IsOnHost);
            binding.BindHostInput(step.Input, _input.Value);
            if (_symbol is not null)
            {
                binding.BindHostInput(step.Symbol!.Name, _symbol.Value);
            }

            for (int k = 0; k < step.States.Count; k++)
            {
                if (k == 0)
                {
                    binding.BindHostInput(BankGraph.Rows, _rows.Value);
                }

                binding.BindDeviceInput(BankGraph.Bank(k), bank.Matrix(side, k));
                binding.BindOutput(BankGraph.NextBank(k), bank.Matrix(1 - side, k));
            }

            if (_outputs is null)
            {
                binding.BindUnknownOutput(step.Output);
            }
            else
            {
                binding.BindOutput(step.Output, _outputs.Value);
            }

            return binding;
        }
    }

    /// <summary>Streams in one call.</summary>
    internal int Size { get; }

    /// <summary>Row of the bank of each stream.</summary>
    internal Span<long> Rows => _rows.Span;

    /// <summary>Outputs of the last call, stream after stream.</summary>
    internal ReadOnlySpan<float> Outputs => _outputs!.Span;

    /// <summary>Sets one stream's row of inputs.</summary>
    internal void SetInputs(int stream, ReadOnlySpan<float> inputs)
    {
        _input.Set(stream, _symbol is null ? inputs : inputs[..^1]);
        _symbol?.Set(stream, inputs[^1..]);
    }

    /// <summary>Steps; the caller must switch the side of the bank afterwards.</summary>
    internal void Run(RunOptions options, int side) => _bindings[side].Run(options);

    /// <summary>Steps with outputs of a shape not known yet.</summary>
    /// <returns>The outputs and their dimensions.</returns>
    internal (float[] Values, long[] Shape) RunUnknown(RunOptions options, int side)
    {
        _bindings[side].Run(options);
        using IDisposableReadOnlyCollection<OrtValue> results = _bindings[side].Outputs();
        OrtValue output = results[^1];
        return (output.GetTensorDataAsSpan<float>().ToArray(), output.GetTensorTypeAndShape().Shape);
    }

    public void Dispose()
    {
        foreach (OnnxBinding binding in _bindings)
        {
            binding.Dispose();
        }

        _input.Dispose();
        _symbol?.Dispose();
        _rows.Dispose();
        _outputs?.Dispose();
    }
}
