using Edge.Inference;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>A node with its attributes at hand and a name for messages.</summary>
internal sealed class OnnxNode(Node proto, int index)
{
    internal string Type => proto.OpType;

    /// <summary>Name of the node in messages: its type and name, or its number.</summary>
    internal string Label => $"{proto.OpType} node {(proto.Name.Length > 0 ? $"'{proto.Name}'" : $"number {index}")}";

    internal bool IsStandard => proto.Domain is "" or "ai.onnx";

    internal IReadOnlyList<string> Outputs => proto.Output;

    internal int InputCount => proto.Input.Count;

    /// <summary>Name of an input, or "" where the node leaves it out.</summary>
    internal string Input(int at) => at < proto.Input.Count ? proto.Input[at] : "";

    internal long Int(string attribute, long otherwise) => Find(attribute)?.I ?? otherwise;

    internal float Float(string attribute, float otherwise) => Find(attribute)?.F ?? otherwise;

    internal string Text(string attribute, string otherwise) => Find(attribute)?.S.ToStringUtf8() ?? otherwise;

    internal IReadOnlyList<string> Texts(string attribute) => Find(attribute)?.Strings.Select(item => item.ToStringUtf8()).ToArray() ?? [];

    internal IReadOnlyList<float> Floats(string attribute) => Find(attribute)?.Floats.ToArray() ?? [];

    internal long[]? Ints(string attribute) => Find(attribute)?.Ints.ToArray();

    internal TensorProto? Tensor(string attribute) => Find(attribute)?.T;

    internal bool Has(string attribute) => Find(attribute) is not null;

    /// <summary>The place of a dimension, which ONNX may count from the end.</summary>
    /// <exception cref="InputException">It does not exist.</exception>
    internal static int Index(OnnxNode node, long axis, int rank)
    {
        long index = axis < 0 ? axis + rank : axis;
        return index >= 0 && index < rank
            ? (int)index
            : throw new InputException($"{node.Label}: dimension {axis} of {rank} does not exist. The file is damaged.");
    }

    private Edge.Onnx.Proto.Attribute? Find(string attribute) => proto.Attribute.FirstOrDefault(item => item.Name == attribute);
}
