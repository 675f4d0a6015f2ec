using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>The inputs of a graph that take a row of a stream: readings, the number of a symbol, or both.</summary>
/// <param name="Readings">Takes the readings; null where there is a symbol only.</param>
/// <param name="Symbol">Takes the number of the symbol; null where there are readings only.</param>
internal sealed record RowInputs(ValueInfo? Readings, ValueInfo? Symbol)
{
    private const int Float = 1;
    private const int Int32 = 6;
    private const int Int64 = 7;

    /// <summary>The readings, or the symbol where there are none.</summary>
    internal ValueInfo First => Readings ?? Symbol!;

    /// <summary>The symbol beside readings, or null.</summary>
    internal ValueInfo? Beside => Readings is null ? null : Symbol;

    /// <summary>Whether an input of the graph takes a row, or a part of one.</summary>
    internal bool Contain(string input) => input == Readings?.Name || input == Symbol?.Name;

    /// <summary>Finds them.</summary>
    /// <exception cref="ModelFormatException">There are none, or there is more than one of a kind.</exception>
    internal static RowInputs Find(GraphView view)
    {
        ValueInfo[] inputs = Candidates(view);
        ValueInfo[] symbols = [.. inputs.Where(input => AreSymbols(view, input))];
        ValueInfo[] readings = [.. inputs.Except(symbols)];
        if (inputs.Length == 0)
        {
            throw new ModelFormatException("The graph has no input for the readings that a recurrent node reads.");
        }

        if (readings.Length > 1)
        {
            throw new ModelFormatException(
                $"The graph has {readings.Length} inputs for readings ({Names(readings)}); join them into one before the export.");
        }

        if (symbols.Length > 1)
        {
            throw new ModelFormatException(
                $"The graph reads {symbols.Length} symbols ({Names(symbols)}); one beside the readings is supported. "
                    + $"Give the others as columns of 0 and 1 among the readings.");
        }

        var found = new RowInputs(readings.FirstOrDefault(), symbols.FirstOrDefault());
        found.RequireShapes();
        return found;
    }

    // What recurrent nodes read, but for their states. Without such a node: the first input, and a symbol that is looked up in a table.
    private static ValueInfo[] Candidates(GraphView view)
    {
        if (view.Recurrent.Count == 0)
        {
            return
            [
                .. view.Inputs.Take(1),
                .. view.Inputs.Skip(1).Where(input =>
                    !AreSymbols(view, view.Inputs[0]) && AreSymbols(view, input) && view.LookUps(input.Name).Count > 0),
            ];
        }

        HashSet<string> states = new(
            view.Recurrent.SelectMany(node => node.Input.Skip(5).Take(2)).SelectMany(view.Sources), StringComparer.Ordinal);
        HashSet<string> rows = new(view.Recurrent.SelectMany(node => node.Input.Take(1)).SelectMany(view.Sources), StringComparer.Ordinal);
        return [.. view.Inputs.Where(input => rows.Contains(input.Name) && !states.Contains(input.Name))];
    }

    // Keras casts symbols that it was given as floats.
    private static bool AreSymbols(GraphView view, ValueInfo input) =>
        TypeOf(input) is Int32 or Int64
            || (view.Graph.Node.Where(node => node.Input.Contains(input.Name)).ToArray() is [{ OpType: "Cast" } cast]
                && GraphView.Int(cast, "to", 0) is Int32 or Int64);

    private void RequireShapes()
    {
        foreach (ValueInfo input in new[] { Readings, Symbol }.OfType<ValueInfo>())
        {
            if (TypeOf(input) is not (Float or Int32 or Int64) || RankOf(input) is < 1 or > 4)
            {
                throw new ModelFormatException(
                    $"Input '{input.Name}' has {RankOf(input)} dimensions of ONNX element type {TypeOf(input)}. "
                        + $"It must have 1 to 4, of float32 (symbols: int32 or int64).");
            }
        }

        if (Readings is not null && LastOf(Readings) is not (>= 1 and <= ModelManifest.CountMax))
        {
            throw new ModelFormatException(
                $"Input '{Readings.Name}' does not say how many values a row has. Export with a fixed last dimension.");
        }

        int outer = RankOf(First) - 1;
        if (Beside is { } beside && RankOf(beside) != outer && !(RankOf(beside) == outer + 1 && LastOf(beside) == 1))
        {
            throw new ModelFormatException(
                $"Input '{beside.Name}' has {RankOf(beside)} dimensions, but beside '{First.Name}' it must have its first {outer}: "
                    + $"one symbol for each row. Export it so.");
        }
    }

    private static string Names(ValueInfo[] inputs) => string.Join(", ", inputs.Select(input => $"'{input.Name}'"));

    private static int TypeOf(ValueInfo input) => input.Type?.TensorType?.ElemType ?? Float;

    private static int RankOf(ValueInfo input) => input.Type?.TensorType?.Shape?.Dim.Count ?? 0;

    private static long? LastOf(ValueInfo input) =>
        input.Type?.TensorType?.Shape?.Dim.LastOrDefault() is { HasDimValue: true } last ? last.DimValue : null;
}
