using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>An input of a graph in host memory: readings as float32, or symbols as int64, int32 or float32.</summary>
internal sealed class OnnxInputBuffer : IDisposable
{
    private readonly OnnxBuffer<float>? _floats;
    private readonly OnnxBuffer<long>? _longs;
    private readonly OnnxBuffer<int>? _ints;

    /// <param name="type">ONNX element type: 1, 6 or 7.</param>
    /// <param name="shape">Dimensions.</param>
    internal OnnxInputBuffer(int type, ReadOnlySpan<long> shape) => Value = type switch
    {
        7 => (_longs = new OnnxBuffer<long>(TensorElementType.Int64, shape)).Value,
        6 => (_ints = new OnnxBuffer<int>(TensorElementType.Int32, shape)).Value,
        _ => (_floats = new OnnxBuffer<float>(TensorElementType.Float, shape)).Value,
    };

    internal OrtValue Value { get; }

    /// <summary>Sets the values of one stream, which are as many for each.</summary>
    internal void Set(int stream, ReadOnlySpan<float> values)
    {
        int begin = stream * values.Length;
        for (int i = 0; i < values.Length; i++)
        {
            if (_longs is not null)
            {
                _longs.Span[begin + i] = (long)values[i];
            }
            else if (_ints is not null)
            {
                _ints.Span[begin + i] = (int)values[i];
            }
            else
            {
                _floats!.Span[begin + i] = values[i];
            }
        }
    }

    public void Dispose() => Value.Dispose();
}
