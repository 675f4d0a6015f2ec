using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>A tensor in host memory that is a span here and an OrtValue in ONNX Runtime, without a copy.</summary>
internal sealed class OnnxBuffer<T> : IDisposable
    where T : unmanaged
{
    private readonly T[] _values;

    internal OnnxBuffer(TensorElementType type, params ReadOnlySpan<long> shape)
    {
        long length = 1;
        foreach (long size in shape)
        {
            length *= size;
        }

        _values = GC.AllocateArray<T>((int)length, pinned: true);
        Value = OrtValue.CreateTensorValueWithData(
            OrtMemoryInfo.DefaultInstance,
            type,
            shape.ToArray(),
            Marshal.UnsafeAddrOfPinnedArrayElement(_values, 0),
            length * Marshal.SizeOf<T>());
    }

    internal OrtValue Value { get; }

    internal Span<T> Span => _values;

    public void Dispose() => Value.Dispose();
}
