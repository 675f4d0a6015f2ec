using Edge.Inference;

namespace Edge.Onnx.Graphs;

/// <summary>Values that are computed from dimensions, and the operators that only move dimensions about.</summary>
internal sealed partial class RowAnalysis
{
    // Sizes stay sizes while they are moved about; anything else that depends on the number of rows is known by its node only.
    private static GraphValue OfSizes(OnnxNode node, GraphValue?[] inputs)
    {
        switch (node.Type)
        {
            case "Identity" or "Cast" or "Squeeze" or "Unsqueeze" or "Reshape" or "Flatten" or "ReduceProd"
                when inputs[0] is SizesValue same:
                return same;
            case "Gather" when inputs is [SizesValue all, ConstantValue { Tensor: { } indices }]:
                return new SizesValue([.. indices.Value.Values.Select(at =>
                    all.Items.ElementAtOrDefault((int)(at < 0 ? at + all.Items.Length : at)) is { } item && at < all.Items.Length
                        ? item
                        : RowAxis.Unknown)]);
            case "Slice" when inputs[0] is SizesValue all:
                (long[]? starts, long[]? ends) = (Whole(inputs, 1) ?? node.Ints("starts"), Whole(inputs, 2) ?? node.Ints("ends"));
                return starts is [var start] && ends is [var end] && Whole(inputs, 4) is null or [1]
                    ? new SizesValue(all.Items[Place(start, all.Items.Length)..Math.Max(Place(start, all.Items.Length),
                        Place(end, all.Items.Length))])
                    : new AsideValue(null, node.Label);
            case "Concat":
                return inputs.All(input => ItemsOf(input) is not null)
                    ? new SizesValue([.. inputs.SelectMany(input => ItemsOf(input)!)])
                    : new AsideValue(null, node.Label);
            case "Mul" when inputs is [var a, var b] && ItemsOf(a) is { } left && ItemsOf(b) is { } right && left.Length == right.Length:
                return new SizesValue([.. left.Zip(right, Product)]);
            case "ConstantOfShape" when inputs is [SizesValue shape]:
                return new AsideValue(shape.Items, node.Label);
            case "Expand" when inputs is [ConstantValue { Shape: { } from }, SizesValue to] && from.Length <= to.Items.Length:
                return new AsideValue(to.Items, node.Label);
            case "Identity" or "Cast" or "Dropout" when inputs[0] is AsideValue same:
                return same;
            case "Transpose" when inputs[0] is AsideValue { Axes: { } axes } && node.Ints("perm") is { } order
                && order.Length == axes.Length:
                return new AsideValue([.. order.Select(from => axes[OnnxNode.Index(node, from, axes.Length)])], node.Label);
            default:
                return new AsideValue(null, node.Label);
        }

        static int Place(long at, int count) => (int)Math.Clamp(at < 0 ? at + count : at, 0, count);

        static RowAxis Product(RowAxis a, RowAxis b) =>
            a.IsSingle ? b
            : b.IsSingle ? a
            : a is { Kind: RowAxisKind.Fixed, Size: { } m } && b is { Kind: RowAxisKind.Fixed, Size: { } n } ? RowAxis.Of(m * n)
            : RowAxis.Unknown;
    }

    private static RowAxis[]? ItemsOf(GraphValue? value) => value switch
    {
        SizesValue sizes => sizes.Items,
        ConstantValue { Tensor: { } tensor } => [.. tensor.Value.Values.Select(size => RowAxis.Of((long)size))],
        _ => null,
    };

    private static long[]? Whole(GraphValue?[] inputs, int at) =>
        inputs.ElementAtOrDefault(at) is ConstantValue { Tensor: { } tensor } ? ConstantFolder.Whole([tensor.Value], 0) : null;

    // Sizes that a node gets as an input or as an attribute; null where it has none.
    private static long[]? AxesOf(OnnxNode node, GraphValue?[] inputs) =>
        inputs.ElementAtOrDefault(1) is { } given
            ? Whole(inputs, 1) ?? throw Mixes(node, $"takes its dimensions from '{node.Input(1)}', which is not a constant")
            : node.Ints("axes");

    private static RowsValue Transpose(OnnxNode node, RowsValue x)
    {
        long[] order = node.Ints("perm") ?? [.. Enumerable.Range(0, x.Axes!.Length).Reverse().Select(axis => (long)axis)];
        return order.Order().SequenceEqual(Enumerable.Range(0, x.Axes!.Length).Select(axis => (long)axis))
            ? x with { Axes = [.. order.Select(from => x.Axes[from])] }
            : throw new ModelFormatException(
                $"{node.Label}: perm [{string.Join(", ", order)}] does not fit {x.Axes.Length} dimensions. The file is damaged.");
    }

    private static RowsValue Squeeze(OnnxNode node, GraphValue?[] inputs, RowsValue x)
    {
        int[] gone = AxesOf(node, inputs) is { } which
            ? [.. which.Select(axis => OnnxNode.Index(node, axis, x.Axes!.Length))]
            : [.. Enumerable.Range(0, x.Axes!.Length).Where(axis => x.Axes[axis].IsSingle)];
        foreach (int axis in gone)
        {
            if (!x.Axes![axis].IsSingle && x.Axes[axis] != RowAxis.Unknown)
            {
                throw Mixes(node, $"removes dimension {axis}, which is {Name(x.Axes[axis])}");
            }
        }

        return x with { Axes = [.. x.Axes!.Where((_, axis) => !gone.Contains(axis))] };
    }

    private static RowsValue Unsqueeze(OnnxNode node, GraphValue?[] inputs, RowsValue x)
    {
        long[] which = AxesOf(node, inputs) ?? [];
        int rank = x.Axes!.Length + which.Length;
        HashSet<int> added = [.. which.Select(axis => OnnxNode.Index(node, axis, rank))];
        var from = new Queue<RowAxis>(x.Axes);
        return x with
        {
            Axes =
            [.. Enumerable.Range(0, rank).Select(axis => added.Contains(axis) || from.Count == 0 ? RowAxis.One : from.Dequeue())]
        };
    }

    private static RowsValue Flatten(OnnxNode node, RowsValue x)
    {
        long given = node.Int("axis", 1);
        int axis = (int)Math.Clamp(given < 0 ? given + x.Axes!.Length : given, 0, x.Axes!.Length);
        return Reshaped(node, x, [Merged(x.Axes[..axis]), Merged(x.Axes[axis..])]);

        RowAxis Merged(RowAxis[] axes)
        {
            RowAxis[] many = [.. axes.Where(each => !each.IsSingle)];
            return many.Length switch
            {
                0 => RowAxis.One,
                1 => many[0],
                _ when many.All(each => each is { Kind: RowAxisKind.Fixed, Size: not null }) =>
                    RowAxis.Of(many.Aggregate(1L, (product, each) => product * each.Size!.Value)),
                _ => throw Mixes(node, $"joins {string.Join(" and ", many.Select(Name))}"),
            };
        }
    }

    private static RowsValue Reshape(OnnxNode node, GraphValue?[] inputs, RowsValue x)
    {
        RowAxis[] target = ItemsOf(inputs.ElementAtOrDefault(1))
            ?? node.Ints("shape")?.Select(RowAxis.Of).ToArray()
            ?? throw Mixes(node, "takes a shape that cannot be known before it runs");
        bool zeroCopies = node.Int("allowzero", 0) == 0;
        RowAxis[] result = [.. target.Select((size, at) => size == RowAxis.Of(0) && zeroCopies && at < x.Axes!.Length ? x.Axes[at] : size)];
        int open = Array.FindIndex(result, size => size == RowAxis.Of(-1));
        if (open >= 0)
        {
            result[open] = Rest(node, x, [.. result.Where((_, at) => at != open)]);
        }

        return Reshaped(node, x, result);
    }

    // What -1 stands for: all that the other dimensions leave.
    private static RowAxis Rest(OnnxNode node, RowsValue x, RowAxis[] others)
    {
        bool timeIsLeft = x.Time >= 0 && !others.Any(axis => axis.Kind == RowAxisKind.Time);
        long? all = Product(x.Axes!);
        long? taken = Product(others);
        if (all is not { } total || taken is not { } part || part <= 0 || total % part != 0 || (timeIsLeft && total != part))
        {
            throw Mixes(node, $"mixes the values of different rows (to [{string.Join(", ", others.Select(Name))}] and the rest)");
        }

        return timeIsLeft ? new RowAxis(RowAxisKind.Time) : RowAxis.Of(total / part);
    }

    // A reshape keeps rows apart if the values before the time and those after it keep their number.
    private static RowsValue Reshaped(OnnxNode node, RowsValue x, RowAxis[] result)
    {
        (long?, long?) Around(RowAxis[] axes, int time) => time < 0 ? (Product(axes), 1)
            : (Product(axes[..time]), Product(axes[(time + 1)..]));
        int times = result.Count(axis => axis.Kind == RowAxisKind.Time);
        (long?, long?) before = Around(x.Axes!, x.Time);
        (long?, long?) after = Around(result, Array.FindIndex(result, axis => axis.Kind == RowAxisKind.Time));
        bool isKept = times == (x.Time >= 0 ? 1 : 0) && before == after && before.Item1 is not null && before.Item2 is not null;
        return isKept
            ? x with { Axes = result }
            : throw Mixes(
                node,
                $"mixes the values of different rows (from [{string.Join(", ", x.Axes!.Select(Name))}] "
                    + $"to [{string.Join(", ", result.Select(Name))}])");
    }

    // Of the dimensions that are neither time nor streams; null where one is not known.
    private static long? Product(IEnumerable<RowAxis> axes)
    {
        long product = 1;
        foreach (RowAxis axis in axes.Where(axis => axis.Kind == RowAxisKind.Fixed))
        {
            if (axis.Size is not { } size)
            {
                return null;
            }

            product *= size;
        }

        return product;
    }

    private static string Name(RowAxis axis) => axis.Kind switch
    {
        RowAxisKind.Time => "the time",
        RowAxisKind.Streams => "the batch",
        _ => axis.Size is { } size ? $"{size}" : "?",
    };
}
