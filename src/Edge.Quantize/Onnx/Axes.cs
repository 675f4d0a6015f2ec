using Edge.Inference;
using Edge.Onnx.Graphs;

namespace Edge.Quantize.Onnx;

/// <summary>What one dimension of the streamed values stands for.</summary>
internal enum AxisKind
{
    /// <summary>Not known before the first recurrent node.</summary>
    Open,

    /// <summary>The dimension that recurrent nodes step through.</summary>
    Time,

    /// <summary>Independent sequences: 1 in a stream.</summary>
    Batch,

    /// <summary>Any other dimension of size 1, such as the directions of a recurrent node.</summary>
    One,

    /// <summary>The values of one row.</summary>
    Feature,
}

/// <summary>One dimension: what it is and, where known, its size.</summary>
internal readonly record struct Axis(AxisKind Kind, long? Size = null)
{
    internal static readonly Axis One = new(AxisKind.One, 1);

    /// <summary>Whether the dimension can be dropped, merged or cut without touching anything a stream has.</summary>
    internal bool IsSingle => Kind is AxisKind.One or AxisKind.Batch || Size == 1;
}

/// <summary>The dimensions of streamed values through the operators that only move them about.</summary>
internal static class Axes
{
    internal static Axis[] Transpose(OnnxNode node, Axis[] axes)
    {
        long[] order = node.Ints("perm") ?? Enumerable.Range(0, axes.Length).Reverse().Select(i => (long)i).ToArray();
        if (order.Length != axes.Length || !order.Order().SequenceEqual(Enumerable.Range(0, axes.Length).Select(i => (long)i)))
        {
            throw new InputException(
                $"{node.Label}: perm [{string.Join(", ", order)}] does not fit {axes.Length} dimensions. The file is damaged.");
        }

        return order.Select(from => axes[from]).ToArray();
    }

    internal static Axis[] Squeeze(OnnxNode node, Axis[] axes, long[]? which)
    {
        int[] gone = which is null
            ? Enumerable.Range(0, axes.Length).Where(i => axes[i].Kind != AxisKind.Feature && axes[i].Size == 1).ToArray()
            : which.Select(axis => OnnxNode.Index(node, axis, axes.Length)).ToArray();
        foreach (int i in gone)
        {
            if (!axes[i].IsSingle)
            {
                throw new InputException($"{node.Label} removes dimension {i}, which is {Name(axes[i])}. The file is damaged.");
            }
        }

        return axes.Where((_, i) => !gone.Contains(i)).ToArray();
    }

    internal static Axis[] Unsqueeze(OnnxNode node, Axis[] axes, long[] which)
    {
        int rank = axes.Length + which.Length;
        if (rank > 8)
        {
            throw new InputException($"{node.Label} makes {rank} dimensions, which is larger than any supported model.");
        }

        HashSet<int> added = which.Select(axis => OnnxNode.Index(node, axis, rank)).ToHashSet();
        var result = new List<Axis>();
        int next = 0;
        for (int i = 0; i < rank && (added.Contains(i) || next < axes.Length); i++)
        {
            result.Add(added.Contains(i) ? Axis.One : axes[next++]);
        }

        return [.. result];
    }

    /// <summary>Keeps the values of a row together and in order, or refuses.</summary>
    internal static Axis[] Reshape(OnnxNode node, Axis[] axes, long?[] target, int width)
    {
        bool keepsRows = target.Length > 0 && axes[^1].Kind == AxisKind.Feature && target[^1] switch
        {
            -1 or null => true,
            0 => target.Length == axes.Length,
            long last => last == width,
        };

        // With -1 in the last place the steps must be counted elsewhere, or they would end up inside the row.
        long?[] others = target[..Math.Max(0, target.Length - 1)];
        bool hasSteps = axes[..^1].Any(axis => !axis.IsSingle);
        if (!keepsRows || (target[^1] is -1 or null && hasSteps && Array.TrueForAll(others, size => size == 1)))
        {
            throw new InputException(
                $"{node.Label} mixes the values of different steps or rows (to "
                    + $"[{string.Join(", ", target.Select(size => size?.ToString() ?? "?"))}]), so it cannot stream. "
                    + $"Feed the recurrent layer row by row.");
        }

        // The dimensions keep their order; single ones come and go.
        List<Axis> kept = [.. axes[..^1].Where(axis => axis.Kind != AxisKind.One)];
        while (kept.Count > others.Length)
        {
            int single = kept.FindIndex(axis => axis.IsSingle);
            kept.RemoveAt(single >= 0 ? single : kept.Count - 1);
        }

        for (int i = 0; kept.Count < others.Length; i++)
        {
            if (i >= kept.Count || others[i] == 1)
            {
                kept.Insert(i, Axis.One);
            }
        }

        return [.. kept, axes[^1]];
    }

    internal static Axis[] Flatten(OnnxNode node, Axis[] axes)
    {
        int axis = (int)Math.Clamp(node.Int("axis", 1), -axes.Length, axes.Length);
        axis = axis < 0 ? axis + axes.Length : axis;
        if (axis == axes.Length || axes[axis..^1].Any(inner => !inner.IsSingle))
        {
            throw new InputException(
                $"{node.Label} puts all steps of a sequence into one row, so its model needs a whole window at a time. "
                    + $"Let the last layer read the newest step only (Keras: return_sequences=False).");
        }

        Axis[] steps = axes[..axis].Where(outer => !outer.IsSingle).ToArray();
        return [steps.Length > 0 ? steps[0] : new Axis(AxisKind.Batch), axes[^1]];
    }

    /// <summary>Takes the newest step, or something that is single.</summary>
    internal static Axis[] Gather(OnnxNode node, Axis[] axes, OnnxTensor? index)
    {
        int axis = OnnxNode.Index(node, node.Int("axis", 0), axes.Length);
        if (index is null || index.Values.Length != 1)
        {
            throw new InputException(
                $"{node.Label} picks rows by a list or by a computed number, which cannot stream. Use the newest step (index -1).");
        }

        RequireNewest(node, axes[axis], (long)index.Values[0]);
        return index.Shape.Length == 0
            ? axes.Where((_, i) => i != axis).ToArray()
            : axes.Select((kept, i) => i == axis ? kept with { Size = 1 } : kept).ToArray();
    }

    internal static Axis[] Slice(OnnxNode node, Axis[] axes, int width, long[] starts, long[] ends, long[]? which, long[]? steps)
    {
        Axis[] result = [.. axes];
        which ??= Enumerable.Range(0, starts.Length).Select(i => (long)i).ToArray();
        if (ends.Length != starts.Length || which.Length != starts.Length || (steps is not null && steps.Length != starts.Length))
        {
            throw new InputException($"{node.Label}: starts, ends, axes and steps differ in length. The file is damaged.");
        }

        for (int i = 0; i < which.Length; i++)
        {
            int at = OnnxNode.Index(node, which[i], axes.Length);
            if (steps is not null && steps[i] != 1)
            {
                throw new InputException(
                    $"{node.Label} skips or reverses steps, so it cannot stream. Train and export the model without it.");
            }

            long size = axes[at].Kind == AxisKind.Feature ? width : axes[at].Size ?? int.MaxValue;
            if (starts[i] == 0 && (ends[i] >= size || (ends[i] >= int.MaxValue)))
            {
                continue;
            }

            if (axes[at].Kind == AxisKind.Feature)
            {
                throw new InputException(
                    $"{node.Label} takes values {starts[i]}..{ends[i]} of {width}; a stream keeps them all. "
                        + $"Remove the columns from the data instead.");
            }

            if (ends[i] != -1 && ends[i] < size && ends[i] != starts[i] + 1)
            {
                throw new InputException(
                    $"{node.Label} takes steps {starts[i]}..{ends[i]} of a sequence; a stream has only the newest one.");
            }

            RequireNewest(node, axes[at], starts[i]);
            result[at] = axes[at] with { Size = 1 };
        }

        return result;
    }

    internal static string Name(Axis axis) => axis.Kind switch
    {
        AxisKind.Time => "the time",
        AxisKind.Batch => "the batch",
        AxisKind.Feature => "the values of a row",
        _ => axis.Size is { } size ? $"of size {size}" : "of any size",
    };

    private static void RequireNewest(OnnxNode node, Axis axis, long index)
    {
        if (axis.Kind == AxisKind.Feature)
        {
            throw new InputException(
                $"{node.Label} takes value {index} of a row alone; a stream keeps them all. Remove the columns from the data instead.");
        }

        bool isNewest = index == -1 || (axis.Size is { } size && index == size - 1) || (index == 0 && axis.IsSingle);
        if (!isNewest)
        {
            throw new InputException($"{node.Label} takes step {index} of a sequence; a stream has only the newest one (index -1).");
        }
    }
}
