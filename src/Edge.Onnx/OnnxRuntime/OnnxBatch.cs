using Edge.Onnx.Graphs;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OrtSession = Microsoft.ML.OnnxRuntime.InferenceSession;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>Inputs and outputs of one call for a fixed number of streams, bound once for each side of the bank.</summary>
internal sealed class OnnxBatch : IDisposable
{
    private readonly OnnxBuffer<float>? _readings;
    private readonly OnnxBuffer<long>? _symbols;
    private readonly OnnxBuffer<int>? _narrowSymbols;
    private readonly OnnxBuffer<long> _rows;
    private readonly OnnxBuffer<float>? _outputs;
    private readonly OrtIoBinding[] _bindings;
    private readonly OrtSession _session;

    /// <param name="session">The step over banks.</param>
    /// <param name="step">Its graph.</param>
    /// <param name="bank">The states.</param>
    /// <param name="size">Streams in one call.</param>
    /// <param name="outputShape">Dimensions of the outputs for this number of streams; empty if not known yet.</param>
    internal OnnxBatch(OrtSession session, StepGraph step, OnnxBank bank, int size, ReadOnlySpan<long> outputShape)
    {
        _session = session;
        Size = size;
        long[] shape = [.. step.InputShape.Select((length, axis) => axis == step.StreamAxis ? size : (long)length)];
        OrtValue input = step.InputType switch
        {
            7 => (_symbols = new OnnxBuffer<long>(TensorElementType.Int64, shape)).Value,
            6 => (_narrowSymbols = new OnnxBuffer<int>(TensorElementType.Int32, shape)).Value,
            _ => (_readings = new OnnxBuffer<float>(TensorElementType.Float, shape)).Value,
        };
        _rows = new OnnxBuffer<long>(TensorElementType.Int64, size);
        _outputs = outputShape.IsEmpty ? null : new OnnxBuffer<float>(TensorElementType.Float, outputShape);
        _bindings = [Bind(0), Bind(1)];

        OrtIoBinding Bind(int side)
        {
            OrtIoBinding binding = session.CreateIoBinding();
            binding.BindInput(step.Input, input);
            for (int k = 0; k < step.States.Count; k++)
            {
                if (k == 0)
                {
                    binding.BindInput(BankGraph.Rows, _rows.Value);
                }

                binding.BindInput(BankGraph.Bank(k), bank.Matrix(side, k));
                binding.BindOutput(BankGraph.NextBank(k), bank.Matrix(1 - side, k));
            }

            if (_outputs is null)
            {
                binding.BindOutputToDevice(step.Output, OrtMemoryInfo.DefaultInstance);
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
        if (_readings is not null)
        {
            inputs.CopyTo(_readings.Span[(stream * inputs.Length)..]);
        }
        else if (_symbols is not null)
        {
            _symbols.Span[stream] = (long)inputs[0];
        }
        else
        {
            _narrowSymbols!.Span[stream] = (int)inputs[0];
        }
    }

    /// <summary>Steps; the caller must switch the side of the bank afterwards.</summary>
    internal void Run(RunOptions options, int side) => _session.RunWithBinding(options, _bindings[side]);

    /// <summary>Steps with outputs of a shape not known yet.</summary>
    /// <returns>The outputs and their dimensions.</returns>
    internal (float[] Values, long[] Shape) RunUnknown(RunOptions options, int side)
    {
        _session.RunWithBinding(options, _bindings[side]);
        using IDisposableReadOnlyCollection<OrtValue> results = _bindings[side].GetOutputValues();
        OrtValue output = results[^1];
        return (output.GetTensorDataAsSpan<float>().ToArray(), output.GetTensorTypeAndShape().Shape);
    }

    public void Dispose()
    {
        foreach (OrtIoBinding binding in _bindings)
        {
            binding.Dispose();
        }

        _readings?.Dispose();
        _symbols?.Dispose();
        _narrowSymbols?.Dispose();
        _rows.Dispose();
        _outputs?.Dispose();
    }
}
