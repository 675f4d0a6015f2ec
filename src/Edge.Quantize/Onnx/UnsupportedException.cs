using Edge.Inference;

namespace Edge.Quantize.Onnx;

/// <summary>A graph that is whole, but has no place among the layers here. ONNX Runtime may be able to step it all the same.</summary>
internal sealed class UnsupportedException(string message) : InputException(message);
