using Edge.Inference;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>Padding, cuts and convolutions along the time.</summary>
internal sealed partial class RowAnalysis
{
    private RowsValue Pad(Node proto, OnnxNode node, GraphValue?[] inputs, RowsValue x)
    {
        long[] pads = Whole(inputs, 1) ?? node.Ints("pads") ?? throw Mixes(node, "pads by sizes that are not constants");
        long[] which = Whole(inputs, 3) ?? [.. Enumerable.Range(0, x.Axes!.Length).Select(axis => (long)axis)];
        if (pads.Length != 2 * which.Length)
        {
            throw new ModelFormatException($"{node.Label} has {pads.Length} sizes for {which.Length} dimensions. The file is damaged.");
        }

        RowsValue result = x;
        RowAxis[] axes = [.. x.Axes!];
        for (int i = 0; i < which.Length; i++)
        {
            (long begin, long end) = (pads[i], pads[which.Length + i]);
            int axis = OnnxNode.Index(node, which[i], axes.Length);
            if (begin == 0 && end == 0)
            {
                continue;
            }

            if (axes[axis].Kind == RowAxisKind.Fixed)
            {
                axes[axis] = axes[axis] with { Size = axes[axis].Size + begin + end };
                continue;
            }

            bool isZero = node.Text("mode", "constant") == "constant"
                && (inputs.ElementAtOrDefault(2) is null or ConstantValue { Tensor.Value.IsZero: true }) && node.Float("value", 0) == 0;
            if (axes[axis].Kind == RowAxisKind.Streams || !isZero || pads.Where((size, at) => at % which.Length != i && size != 0).Any())
            {
                throw Mixes(node, $"pads {Name(axes[axis])}", "Pad the time alone, with zeros.");
            }

            result = result with { Lead = checked((int)(result.Lead + begin)), Excess = checked((int)(result.Excess + end)) };
            Dropped.Add(proto);
        }

        return result with { Axes = axes };
    }

    private RowsValue Slice(Node proto, OnnxNode node, GraphValue?[] inputs, RowsValue x)
    {
        long[] starts = Whole(inputs, 1) ?? node.Ints("starts") ?? throw Mixes(node, "cuts at places that are not constants");
        long[] ends = Whole(inputs, 2) ?? node.Ints("ends") ?? throw Mixes(node, "cuts at places that are not constants");
        long[] which = Whole(inputs, 3) ?? node.Ints("axes") ?? [.. Enumerable.Range(0, starts.Length).Select(axis => (long)axis)];
        long[] steps = Whole(inputs, 4) ?? [.. starts.Select(_ => 1L)];
        if (ends.Length != starts.Length || which.Length != starts.Length || steps.Length != starts.Length)
        {
            throw new ModelFormatException($"{node.Label}: starts, ends, axes and steps differ in length. The file is damaged.");
        }

        RowsValue result = x;
        for (int i = 0; i < which.Length; i++)
        {
            int axis = OnnxNode.Index(node, which[i], result.Axes!.Length);
            RowAxis old = result.Axes[axis];
            if (starts[i] == 0 && ends[i] >= int.MaxValue && steps[i] == 1)
            {
                continue;
            }

            if (old.Kind == RowAxisKind.Fixed)
            {
                result = result with
                {
                    Axes =
                    [.. result.Axes.Select((each, at) => at == axis ? Cut(each, starts[i], ends[i], steps[i]) : each)]
                };
                continue;
            }

            bool isCutOff = steps[i] == 1 && starts[i] >= 0 && (ends[i] is < 0 and > int.MinValue || ends[i] >= int.MaxValue)
                && which.Length == 1;
            if (old.Kind == RowAxisKind.Time && steps[i] == 1 && starts[i] == -1 && ends[i] >= int.MaxValue && x.IsAligned)
            {
                result = new RowsValue([.. result.Axes.Select((each, at) => at == axis ? RowAxis.One : each)]) { IsNewest = true };
            }
            else if (old.Kind == RowAxisKind.Time && isCutOff)
            {
                result = result with
                {
                    Lead = checked((int)(result.Lead - starts[i])),
                    Excess = checked((int)(result.Excess + Math.Min(0, ends[i] >= int.MaxValue ? 0 : ends[i]))),
                };
                RequirePast(node, result);
                Dropped.Add(proto);
            }
            else
            {
                throw Mixes(node, $"takes a part of {Name(old)}", "Use the last row (from -1 on).");
            }
        }

        return result;

        static RowAxis Cut(RowAxis axis, long start, long end, long step)
        {
            if (axis.Size is not { } size || step == 0)
            {
                return RowAxis.Unknown;
            }

            long first = Math.Clamp(start < 0 ? start + size : start, 0, size);
            long last = Math.Clamp(end < 0 ? end + size : end, 0, size);
            return step > 0 ? RowAxis.Of(Math.Max(0, (last - first + step - 1) / step)) : RowAxis.Unknown;
        }
    }

    // [streams, channels, ...]: a kernel over the time reads as many rows back as it is long.
    private RowsValue Convolve(Node proto, OnnxNode node, GraphValue?[] inputs, RowsValue x)
    {
        if (inputs.ElementAtOrDefault(1) is not ConstantValue { Shape: { } kernel } || kernel.Length != x.Axes!.Length || kernel.Length < 3)
        {
            throw Mixes(node, "has a kernel that is not a constant of the rank of its input");
        }

        RequireNoTime(node, x.Axes, [1], "sums over");
        int spatial = kernel.Length - 2;
        long[] strides = node.Ints("strides") ?? [.. Enumerable.Repeat(1L, spatial)];
        long[] dilations = node.Ints("dilations") ?? [.. Enumerable.Repeat(1L, spatial)];
        long[] pads = Pads(node, kernel, dilations);
        if (strides.Length != spatial || dilations.Length != spatial || pads.Length != 2 * spatial)
        {
            throw new ModelFormatException($"{node.Label}: strides, dilations or pads do not fit its kernel. The file is damaged.");
        }

        var axes = new RowAxis[kernel.Length];
        (axes[0], axes[1]) = (x.Axes[0], RowAxis.Of(kernel[0]));
        RowsValue result = x;
        for (int d = 0; d < spatial; d++)
        {
            RowAxis axis = x.Axes[d + 2];
            long reach = (kernel[d + 2] - 1) * dilations[d];
            if (axis.Kind != RowAxisKind.Time)
            {
                axes[d + 2] = axis.Kind == RowAxisKind.Streams && (reach != 0 || pads[d] != 0 || pads[spatial + d] != 0)
                    ? throw Mixes(node, "sums over the batch")
                    : axis.Kind == RowAxisKind.Streams ? axis
                    : new RowAxis(RowAxisKind.Fixed, (axis.Size + pads[d] + pads[spatial + d] - reach - 1) / strides[d] + 1);
                continue;
            }

            if (strides[d] != 1 || reach > int.MaxValue / 4)
            {
                throw Mixes(node, $"makes one row of {strides[d]}");
            }

            if (Math.Max(Math.Abs(pads[d]), Math.Abs(pads[spatial + d])) > int.MaxValue / 4)
            {
                throw new ModelFormatException($"{node.Label} pads by {pads[d]} and {pads[spatial + d]}. The file is damaged.");
            }

            axes[d + 2] = axis;
            result = result with
            {
                Lead = (int)(result.Lead + pads[d] - reach),
                Excess = (int)(result.Excess + pads[spatial + d]),
            };
            RequirePast(node, result);
            if (result.Lead != 0)
            {
                throw Mixes(node, $"reads {reach} rows back, but {reach + result.Lead} rows of padding lie in front",
                    $"Pad with {reach} zeros in front.");
            }

            if (reach > 0)
            {
                RowAxis[] fixedAxes = x.Axes;
                if (fixedAxes.Any(each => each is { Kind: RowAxisKind.Fixed, Size: null }))
                {
                    throw Mixes(node, "reads rows whose number of values is not known");
                }

                Convolutions.Add(new CausalConvolution(proto, fixedAxes, d + 2, (int)reach));
            }
            else if (pads[d] != 0 || pads[spatial + d] != 0)
            {
                throw Mixes(node, "pads the time without reading several rows");
            }
        }

        return result with { Axes = axes };
    }

    // An element that needs rows to come is fatal at once: nothing later can make it causal again.
    private static void RequirePast(OnnxNode node, RowsValue value)
    {
        if (value.Lead < 0)
        {
            throw Mixes(
                node,
                $"needs {-value.Lead} later {(value.Lead == -1 ? "row" : "rows")} for each row",
                "Make it causal: pad with zeros in front only.");
        }
    }

    private static long[] Pads(OnnxNode node, long[] kernel, long[] dilations)
    {
        int spatial = kernel.Length - 2;
        string auto = node.Text("auto_pad", "NOTSET");
        if (auto is "NOTSET" or "")
        {
            return node.Ints("pads") ?? new long[2 * spatial];
        }

        long[] total = [.. Enumerable.Range(0, spatial).Select(d => auto == "VALID" ? 0
            : (kernel[d + 2] - 1) * dilations.ElementAtOrDefault(d))];
        long[] less = [.. total.Select(size => size / 2)];
        long[] more = [.. total.Zip(less, (size, half) => size - half)];
        return auto == "SAME_LOWER" ? [.. more, .. less] : [.. less, .. more];
    }
}
