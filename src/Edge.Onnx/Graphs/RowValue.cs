namespace Edge.Onnx.Graphs;

/// <summary>What a dimension of a value stands for.</summary>
internal enum RowAxisKind
{
    /// <summary>Neither of the others: the values of a row, channels, directions.</summary>
    Fixed,

    /// <summary>The rows of a sequence, in their order. A stream has one at a time.</summary>
    Time,

    /// <summary>Independent sequences: one per stream.</summary>
    Streams,
}

/// <summary>One dimension.</summary>
/// <param name="Kind">What it stands for.</param>
/// <param name="Size">Its size; null where it is not known.</param>
internal readonly record struct RowAxis(RowAxisKind Kind, long? Size = null)
{
    internal static readonly RowAxis One = new(RowAxisKind.Fixed, 1);

    internal static readonly RowAxis Unknown = new(RowAxisKind.Fixed);

    /// <summary>Whether it has size 1 in a stream, whatever it has in a sequence.</summary>
    internal bool IsSingle => Kind == RowAxisKind.Streams || (Kind == RowAxisKind.Fixed && Size == 1);

    internal static RowAxis Of(long size) => new(RowAxisKind.Fixed, size);
}

/// <summary>What is known of a value of a graph.</summary>
internal abstract record GraphValue;

/// <summary>A constant.</summary>
/// <param name="Shape">Its dimensions; null where they are not known.</param>
/// <param name="Tensor">Gives its values; null where they are not known.</param>
internal sealed record ConstantValue(long[]? Shape, Lazy<OnnxTensor>? Tensor = null) : GraphValue;

/// <summary>A list of sizes that a graph computes from the dimensions of its values.</summary>
/// <param name="Items">The dimensions that have these sizes.</param>
internal sealed record SizesValue(RowAxis[] Items) : GraphValue;

/// <summary>A value that depends on the number of rows or streams, but not on any row.</summary>
/// <param name="Axes">Its dimensions if it is the same for every row; null if it is not, or if that is not known.</param>
/// <param name="Label">The node that computes it, in messages.</param>
internal sealed record AsideValue(RowAxis[]? Axes, string Label) : GraphValue;

/// <summary>A value that depends on the rows of readings.</summary>
/// <param name="Axes">Its dimensions; null where they are not known, which only a value without time may have.</param>
internal sealed record RowsValue(RowAxis[]? Axes) : GraphValue
{
    /// <summary>Element i of the time depends on rows up to i - Lead: what padding and causal convolutions add in front.</summary>
    internal int Lead { get; init; }

    /// <summary>Elements behind the one of the last row.</summary>
    internal int Excess { get; init; }

    /// <summary>Whether it is of the last row of a sequence.</summary>
    internal bool IsNewest { get; init; }

    /// <summary>Place of the time among the dimensions, or -1.</summary>
    internal int Time => Axes is null ? -1 : Array.FindIndex(Axes, axis => axis.Kind == RowAxisKind.Time);

    /// <summary>Whether it has an element for each row.</summary>
    internal bool IsAligned => Lead == 0 && Excess == 0;
}
