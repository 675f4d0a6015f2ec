using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>Operators that pick parts of values, join them, broadcast them to each other and multiply them.</summary>
internal sealed partial class RowAnalysis
{
    private static RowsValue Gather(OnnxNode node, GraphValue?[] inputs)
    {
        if (inputs is [ConstantValue table, RowsValue indices])
        {
            int at = (int)node.Int("axis", 0);
            return table.Shape is { } shape && at == 0
                ? indices with { Axes = [.. indices.Axes!, .. shape[1..].Select(RowAxis.Of)] }
                : throw Mixes(node, "looks rows up in a table along another dimension than the first");
        }

        if (inputs[0] is not RowsValue x || inputs.ElementAtOrDefault(1) is not ConstantValue { Shape: { } picked } index)
        {
            throw Mixes(node, "picks elements by numbers that depend on the readings");
        }

        int axis = OnnxNode.Index(node, node.Int("axis", 0), x.Axes!.Length);
        if (x.Axes[axis].Kind == RowAxisKind.Time)
        {
            if (index.Tensor?.Value.Values is not [-1] || !x.IsAligned)
            {
                throw Mixes(node, "picks rows of a sequence by their place", "Use the last row (index -1).");
            }

            return new RowsValue([.. x.Axes[..axis], .. picked.Select(RowAxis.Of), .. x.Axes[(axis + 1)..]]) { IsNewest = true };
        }

        return x.Axes[axis] is { Kind: RowAxisKind.Streams, Size: not 1 }
            ? throw Mixes(node, "picks sequences of a batch")
            : x with { Axes = [.. x.Axes[..axis], .. picked.Select(RowAxis.Of), .. x.Axes[(axis + 1)..]] };
    }

    private static RowsValue Split(Node proto, OnnxNode node, GraphValue?[] inputs, RowsValue x, Dictionary<string, GraphValue> values)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", 0), x.Axes!.Length);
        RequireNoTime(node, x.Axes, [axis], "splits");
        long[]? sizes = Whole(inputs, 1) ?? node.Ints("split");
        long? even = x.Axes[axis].Size is { } size ? (size + proto.Output.Count - 1) / proto.Output.Count : null;
        for (int i = 0; i < proto.Output.Count; i++)
        {
            long? length = sizes is not null && i < sizes.Length ? sizes[i]
                : even is { } each && i == proto.Output.Count - 1 ? x.Axes[axis].Size - (each * i) : even;
            values[proto.Output[i]] =
                x with { Axes = [.. x.Axes.Select((old, at) => at == axis ? new RowAxis(RowAxisKind.Fixed, length) : old)] };
        }

        return x;
    }

    private RowsValue Split(Node proto, OnnxNode node, GraphValue?[] inputs, RowsValue x) => Split(proto, node, inputs, x, _values);

    private static RowsValue Concat(OnnxNode node, GraphValue?[] inputs)
    {
        RowsValue first = inputs.OfType<RowsValue>().First();
        int axis = OnnxNode.Index(node, node.Int("axis", 0), first.Axes!.Length);
        RequireNoTime(node, first.Axes, [axis], "joins values along");
        long? sum = 0;
        foreach (GraphValue? input in inputs)
        {
            RowAxis[]? axes = DimensionsOf(node, input);
            if (axes is null || axes.Length != first.Axes.Length || axes[axis].Kind != RowAxisKind.Fixed
                || axes.Where((each, at) => at != axis
                    && (each.Kind == RowAxisKind.Time) != (first.Axes[at].Kind == RowAxisKind.Time)).Any()
                || (input is RowsValue rows && (rows.Lead != first.Lead || rows.Excess != first.Excess)))
            {
                throw Mixes(node, "joins values with different rows");
            }

            sum += axes[axis].Size;
        }

        return first with { Axes = [.. first.Axes.Select((old, at) => at == axis ? new RowAxis(RowAxisKind.Fixed, sum) : old)] };
    }

    // NumPy's rule, from the last dimension on. Time meets time or nothing.
    private static RowsValue Broadcast(OnnxNode node, GraphValue?[] inputs)
    {
        RowsValue first = inputs.OfType<RowsValue>().MaxBy(each => each.Axes!.Length)!;
        RowAxis[]?[] all = [.. inputs.Where(input => input is not null).Select(input => DimensionsOf(node, input))];
        int rank = all.Max(axes => axes?.Length ?? 0);
        var result = new RowAxis[rank];
        for (int back = 1; back <= rank; back++)
        {
            RowAxis[] met = [.. all.Where(axes => axes is not null && axes.Length >= back).Select(axes => axes![^back])];
            bool hasTime = met.Any(axis => axis.Kind == RowAxisKind.Time);
            if (hasTime && met.Any(axis => axis.Kind != RowAxisKind.Time && !axis.IsSingle))
            {
                throw Mixes(node, "treats the rows of a sequence by their place");
            }

            RowAxis[] many = [.. met.Where(axis => !axis.IsSingle)];
            result[^back] = hasTime ? new RowAxis(RowAxisKind.Time)
                : many.Length > 0 ? many.FirstOrDefault(axis => axis.Size is not null, many[0])
                : met.FirstOrDefault(axis => axis.Kind == RowAxisKind.Streams, met[0]);
        }

        if (inputs.OfType<RowsValue>().Any(each => each.Time >= 0 && (each.Lead != first.Lead || each.Excess != first.Excess))
            || inputs.OfType<AsideValue>().Any(each => each.Axes!.Any(axis => axis.Kind == RowAxisKind.Time) && !first.IsAligned)
            || result.Count(axis => axis.Kind == RowAxisKind.Time) > 1)
        {
            throw Mixes(node, "combines different rows of a sequence");
        }

        return first with { Axes = result };
    }

    // Dimensions of anything that meets rows; null of a constant about which nothing is known.
    private static RowAxis[]? DimensionsOf(OnnxNode node, GraphValue? value) => value switch
    {
        RowsValue rows => rows.Axes,
        ConstantValue constant => constant.Shape?.Select(RowAxis.Of).ToArray(),
        AsideValue { Axes: { } axes } => axes,
        AsideValue aside => throw Mixes(node, $"reads what {aside.Label} computes from the number of rows"),
        _ => throw Mixes(node, "reads the number of rows as a value"),
    };

    private static RowsValue Multiply(OnnxNode node, GraphValue?[] inputs)
    {
        RowAxis[]? a = DimensionsOf(node, inputs[0]);
        RowAxis[]? b = DimensionsOf(node, inputs.ElementAtOrDefault(1));
        if (node.Type == "Gemm")
        {
            (a, b) = (node.Int("transA", 0) != 0 ? a?.Reverse().ToArray() : a, node.Int("transB", 0) != 0 ? b?.Reverse().ToArray() : b);
        }

        if (a is not { Length: > 0 } || b is not { Length: > 0 })
        {
            throw Mixes(node, "multiplies by a value whose dimensions are not known");
        }

        RequireNoTime(node, a, 1, "sums over");
        RequireNoTime(node, b, [Math.Max(0, b.Length - 2)], "sums over");
        RowsValue rows = inputs.OfType<RowsValue>().First();
        RowAxis[] row = a.Length > 1 ? [a[^2]] : [];
        RowAxis[] column = b.Length > 1 ? [b[^1]] : [];
        bool isBoth = inputs[0] is RowsValue && inputs.ElementAtOrDefault(1) is RowsValue;
        if (isBoth && row.Concat(column).Any(axis => axis.Kind == RowAxisKind.Time))
        {
            throw Mixes(node, "compares rows of a sequence with each other, as attention does");
        }

        RowAxis[] outer = [.. a[..Math.Max(0, a.Length - 2)]];
        RowAxis[] other = [.. b[..Math.Max(0, b.Length - 2)]];
        if (outer.Length > 0 && other.Length > 0)
        {
            outer = Broadcast(node, [new RowsValue(outer) { Lead = rows.Lead, Excess = rows.Excess }, inputs[1] is RowsValue second
                ? second with { Axes = other }
                : new ConstantValue([.. other.Select(axis => axis.Size ?? 1)])]).Axes!;
        }

        outer = outer.Length > 0 ? outer : other;
        RowsValue product = rows with { Axes = [.. outer, .. row, .. column] };
        return inputs.ElementAtOrDefault(2) is { } addend && node.Type == "Gemm"
            ? Broadcast(node, [product, addend])
            : product;
    }
}
