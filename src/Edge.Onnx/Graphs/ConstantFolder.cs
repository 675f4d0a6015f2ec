using Edge.Inference;

namespace Edge.Onnx.Graphs;

/// <summary>Operators whose inputs are all constants: exporters leave casts, transposes and slices of weights to the runtime.</summary>
internal static class ConstantFolder
{
    /// <summary>The constant results of a node, or null where the operator is not one that exporters apply to weights.</summary>
    internal static OnnxTensor[]? Fold(OnnxNode node, OnnxTensor?[] inputs)
    {
        OnnxTensor x = inputs[0]!;
        return node.Type switch
        {
            "Identity" or "Cast" or "Dropout" => [x],
            "Transpose" => [Transpose(node, x)],
            "Reshape" => [Reshape(node, x, Whole(inputs, 1))],
            "Squeeze" => [WithShape(node, x, Squeeze(node, x.Shape, AxesOf(node, inputs)))],
            "Unsqueeze" => [WithShape(node, x, Unsqueeze(node, x.Shape, AxesOf(node, inputs) ?? []))],
            "Flatten" => [Flatten(node, x)],
            "Concat" => [Concat(node, Enumerable.Range(0, inputs.Length).Select(Required).ToArray())],
            "Gather" => [Gather(node, x, Required(1))],
            "Slice" => [SliceAll(node, x, inputs)],
            "Split" => Split(node, x, Whole(inputs, 1) ?? node.Ints("split")),
            "Neg" => [new OnnxTensor(x.Name, x.Shape, x.Values.Select(value => -value).ToArray())],
            "Add" => [Combine(node, x, Required(1), (a, b) => a + b)],
            "Sub" => [Combine(node, x, Required(1), (a, b) => a - b)],
            "Mul" => [Combine(node, x, Required(1), (a, b) => a * b)],
            "Div" => [Combine(node, x, Required(1), (a, b) => a / b)],
            "DequantizeLinear" => [Dequantize(node, x, Required(1), inputs.ElementAtOrDefault(2))],
            "Sqrt" => [new OnnxTensor(x.Name, x.Shape, x.Values.Select(MathF.Sqrt).ToArray())],
            _ => null,
        };

        OnnxTensor Required(int at) => at < inputs.Length && inputs[at] is { } tensor
            ? tensor : throw new InputException($"{node.Label} lacks its input {at}. The file is damaged.");
    }

    internal static long[]? Whole(OnnxTensor?[] inputs, int at) =>
        at < inputs.Length ? inputs[at]?.Values.Select(ToWhole).ToArray() : null;

    /// <summary>Axes as an input (operator set 13 and later) or as an attribute.</summary>
    internal static long[]? AxesOf(OnnxNode node, OnnxTensor?[] inputs) => Whole(inputs, 1) ?? node.Ints("axes");

    // Ends such as the largest int64 came through float32.
    private static long ToWhole(float value) =>
        value >= long.MaxValue ? long.MaxValue : value <= long.MinValue ? long.MinValue : (long)value;

    // (x - zero point)·scale, of the whole tensor or of each place along a dimension.
    private static OnnxTensor Dequantize(OnnxNode node, OnnxTensor x, OnnxTensor scale, OnnxTensor? zero)
    {
        bool isWhole = scale.Values.Length == 1;
        int axis = isWhole ? 0 : OnnxNode.Index(node, node.Int("axis", 1), x.Shape.Length);
        if (node.Int("block_size", 0) != 0 || (!isWhole && scale.Values.Length != x.Shape[axis])
            || (zero is not null && zero.Values.Length != scale.Values.Length))
        {
            throw new InputException(
                $"{node.Label}: scales of {scale.ShapeText} do not fit {x.ShapeText}. Use one scale, or one per channel.");
        }

        int inner = x.Shape[(axis + Math.Min(1, x.Shape.Length))..].Aggregate(1, (product, size) => product * size);
        float[] values = [.. x.Values.Select((value, at) =>
        {
            int channel = isWhole ? 0 : at / inner % scale.Values.Length;
            return (value - (zero?.Values[channel] ?? 0)) * scale.Values[channel];
        })];
        return new OnnxTensor(x.Name, x.Shape, values);
    }

    private static OnnxTensor WithShape(OnnxNode node, OnnxTensor x, int[] shape) =>
        shape.Aggregate(1L, (product, size) => product * size) == x.Values.Length
            ? new OnnxTensor(x.Name, shape, x.Values)
            : throw new InputException($"{node.Label}: {x.ShapeText} does not become [{string.Join(", ", shape)}]. The file is damaged.");

    private static int[] Squeeze(OnnxNode node, int[] shape, long[]? axes)
    {
        int[] gone = axes is null
            ? Enumerable.Range(0, shape.Length).Where(i => shape[i] == 1).ToArray()
            : axes.Select(axis => OnnxNode.Index(node, axis, shape.Length)).ToArray();
        return shape.Where((_, i) => !gone.Contains(i)).ToArray();
    }

    private static int[] Unsqueeze(OnnxNode node, int[] shape, long[] axes)
    {
        int rank = shape.Length + axes.Length;
        HashSet<int> added = axes.Select(axis => OnnxNode.Index(node, axis, rank)).ToHashSet();
        var from = new Queue<int>(shape);
        return Enumerable.Range(0, rank).Select(i => added.Contains(i) || from.Count == 0 ? 1 : from.Dequeue()).ToArray();
    }

    private static OnnxTensor Flatten(OnnxNode node, OnnxTensor x)
    {
        int axis = (int)Math.Clamp(node.Int("axis", 1), 0, x.Shape.Length);
        int outer = x.Shape[..axis].Aggregate(1, (product, size) => product * size);
        return WithShape(node, x, [outer, outer == 0 ? 0 : x.Values.Length / outer]);
    }

    private static OnnxTensor Reshape(OnnxNode node, OnnxTensor x, long[]? target)
    {
        target ??= node.Ints("shape") ?? throw new InputException($"{node.Label} has no target shape. The file is damaged.");
        long[] shape = target.Select((size, i) => size == 0 && i < x.Shape.Length ? x.Shape[i] : size).ToArray();
        long known = shape.Where(size => size != -1).Aggregate(
            1L,
            (product, size) => size is < 0 or > OnnxTensor.ElementsMax ? 0 : Math.Min(product * size, OnnxTensor.ElementsMax));
        return WithShape(
            node,
            x,
            shape.Select(
                size =>
                    size == -1
                        ? (int)(known == 0 ? 0 : x.Values.Length / known)
                        : (int)Math.Clamp(size, -1, OnnxTensor.ElementsMax)).ToArray());
    }

    private static OnnxTensor Transpose(OnnxNode node, OnnxTensor x)
    {
        int rank = x.Shape.Length;
        long[] order = node.Ints("perm") ?? Enumerable.Range(0, rank).Reverse().Select(i => (long)i).ToArray();
        if (order.Length != rank || !order.Order().SequenceEqual(Enumerable.Range(0, rank).Select(i => (long)i)))
        {
            throw new InputException($"{node.Label}: perm [{string.Join(", ", order)}] does not fit {x.ShapeText}. The file is damaged.");
        }

        int[] strides = Strides(x.Shape);
        int[] shape = order.Select(from => x.Shape[from]).ToArray();
        int[] from = order.Select(axis => strides[axis]).ToArray();
        return new OnnxTensor(x.Name, shape, Walk(shape, from, x.Values.Length).Select(at => x.Values[at]).ToArray());
    }

    private static OnnxTensor Concat(OnnxNode node, OnnxTensor[] parts)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", 0), parts[0].Shape.Length);
        if (parts.Any(part => part.Shape.Length != parts[0].Shape.Length
                || part.Shape.Where((size, i) => i != axis && size != parts[0].Shape[i]).Any())
            || parts.Sum(part => (long)part.Values.Length) > OnnxTensor.ElementsMax)
        {
            throw new InputException($"{node.Label} joins constants that do not fit together. The file is damaged.");
        }

        int outer = parts[0].Shape[..axis].Aggregate(1, (product, size) => product * size);
        var values = new List<float>();
        for (int o = 0; o < outer; o++)
        {
            foreach (OnnxTensor part in parts)
            {
                int run = part.Values.Length / outer;
                values.AddRange(part.Values.AsSpan(o * run, run));
            }
        }

        int[] shape = [.. parts[0].Shape];
        shape[axis] = parts.Sum(part => part.Shape[axis]);
        return new OnnxTensor(parts[0].Name, shape, [.. values]);
    }

    private static OnnxTensor Gather(OnnxNode node, OnnxTensor x, OnnxTensor indices)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", 0), x.Shape.Length);
        int size = x.Shape[axis];
        int inner = x.Shape[(axis + 1)..].Aggregate(1, (product, next) => product * next);
        int outer = x.Shape[..axis].Aggregate(1, (product, next) => product * next);
        if ((long)outer * indices.Values.Length * inner > OnnxTensor.ElementsMax)
        {
            throw new InputException($"{node.Label} makes a constant larger than any model here has.");
        }

        var values = new List<float>();
        for (int o = 0; o < outer; o++)
        {
            foreach (float index in indices.Values)
            {
                int at = OnnxNode.Index(node, ToWhole(index), size);
                values.AddRange(x.Values.AsSpan(((o * size) + at) * inner, inner));
            }
        }

        return new OnnxTensor(x.Name, [.. x.Shape[..axis], .. indices.Shape, .. x.Shape[(axis + 1)..]], [.. values]);
    }

    private static OnnxTensor SliceAll(OnnxNode node, OnnxTensor x, OnnxTensor?[] inputs)
    {
        long[] starts = Whole(inputs, 1) ?? node.Ints("starts") ?? [];
        long[] ends = Whole(inputs, 2) ?? node.Ints("ends") ?? [];
        long[] axes = Whole(inputs, 3) ?? node.Ints("axes") ?? Enumerable.Range(0, starts.Length).Select(i => (long)i).ToArray();
        long[]? steps = Whole(inputs, 4);
        if (ends.Length != starts.Length || axes.Length != starts.Length || (steps is not null && steps.Any(step => step != 1)))
        {
            throw new InputException(
                $"{node.Label} slices a constant in an unsupported way. Export the model again with constant folding.");
        }

        for (int i = 0; i < starts.Length; i++)
        {
            int axis = OnnxNode.Index(node, axes[i], x.Shape.Length);
            long size = x.Shape[axis];
            int begin = (int)Math.Clamp(starts[i] < 0 ? starts[i] + size : starts[i], 0, size);
            int end = (int)Math.Clamp(ends[i] < 0 ? ends[i] + size : ends[i], begin, size);
            x = Cut(x, axis, begin, end);
        }

        return x;
    }

    private static OnnxTensor[] Split(OnnxNode node, OnnxTensor x, long[]? sizes)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", 0), x.Shape.Length);
        int parts = node.Outputs.Count;
        sizes ??= Enumerable.Repeat((x.Shape[axis] + parts - 1L) / parts, parts).ToArray();
        var results = new List<OnnxTensor>();
        long begin = 0;
        foreach (long size in sizes)
        {
            if (size < 0 || begin + size > x.Shape[axis])
            {
                throw new InputException($"{node.Label} splits {x.ShapeText} beyond its end. The file is damaged.");
            }

            results.Add(Cut(x, axis, (int)begin, (int)(begin + size)));
            begin += size;
        }

        return [.. results];
    }

    private static OnnxTensor Cut(OnnxTensor x, int axis, int begin, int end)
    {
        int inner = x.Shape[(axis + 1)..].Aggregate(1, (product, next) => product * next);
        int outer = x.Shape[..axis].Aggregate(1, (product, next) => product * next);
        var values = new List<float>();
        for (int o = 0; o < outer; o++)
        {
            values.AddRange(x.Values.AsSpan(((o * x.Shape[axis]) + begin) * inner, (end - begin) * inner));
        }

        int[] shape = [.. x.Shape];
        shape[axis] = end - begin;
        return new OnnxTensor(x.Name, shape, [.. values]);
    }

    // Two constants, one broadcast to the other by ONNX's (NumPy's) rule.
    private static OnnxTensor Combine(OnnxNode node, OnnxTensor a, OnnxTensor b, Func<float, float, float> operation)
    {
        int rank = Math.Max(a.Shape.Length, b.Shape.Length);
        int[] left = [.. Enumerable.Repeat(1, rank - a.Shape.Length), .. a.Shape];
        int[] right = [.. Enumerable.Repeat(1, rank - b.Shape.Length), .. b.Shape];
        int[] shape = new int[rank];
        long count = 1;
        for (int i = 0; i < rank; i++)
        {
            if (left[i] != right[i] && left[i] != 1 && right[i] != 1)
            {
                throw new InputException(
                    $"{node.Label} combines constants of {a.ShapeText} and {b.ShapeText}, which do not fit. The file is damaged.");
            }

            shape[i] = left[i] == 1 ? right[i] : left[i];
            count *= shape[i];
        }

        if (count > OnnxTensor.ElementsMax)
        {
            throw new InputException($"{node.Label} makes a constant larger than any model here has.");
        }

        int[] leftStrides = Strides(left).Select((stride, i) => left[i] == 1 ? 0 : stride).ToArray();
        int[] rightStrides = Strides(right).Select((stride, i) => right[i] == 1 ? 0 : stride).ToArray();
        float[] values = Walk(shape, leftStrides, (int)count)
            .Zip(Walk(shape, rightStrides, (int)count), (i, j) => operation(a.Values[i], b.Values[j]))
            .ToArray();
        return Array.TrueForAll(values, float.IsFinite)
            ? new OnnxTensor(a.Name, shape, values)
            : throw new InputException($"{node.Label} makes a constant that is not finite of '{a.Name}' and '{b.Name}'.");
    }

    private static int[] Strides(int[] shape)
    {
        int[] strides = new int[shape.Length];
        int stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= shape[i];
        }

        return strides;
    }

    // The place of each element of a shape, row-major, under other strides.
    private static IEnumerable<int> Walk(int[] shape, int[] strides, int count)
    {
        int[] index = new int[shape.Length];
        int at = 0;
        for (int n = 0; n < count; n++)
        {
            yield return at;
            for (int i = shape.Length - 1; i >= 0; i--)
            {
                at += strides[i];
                if (++index[i] < shape[i])
                {
                    break;
                }

                at -= strides[i] * shape[i];
                index[i] = 0;
            }
        }
    }
}
