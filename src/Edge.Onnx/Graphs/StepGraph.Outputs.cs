using Edge.Inference;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>Which outputs of a file make the row of outputs.</summary>
internal sealed partial class StepGraph
{
    private const int Bool = 9;

    /// <summary>
    /// The outputs that are not states: neither taken up again by an input, nor the final state of a recurrent node.
    /// </summary>
    /// <exception cref="ModelFormatException">There is no output.</exception>
    internal static string[] OutputsWithoutStates(GraphView view, RowInputs inputs)
    {
        ValueInfo[] outputs = [.. view.Graph.Output];
        if (outputs.Length == 0)
        {
            throw new ModelFormatException("The graph has no output. Export the model with its forecast as an output.");
        }

        if (view.Recurrent.Count == 0)
        {
            var open = view.Inputs.Where(other => !inputs.Contain(other.Name)).Select(Shape).ToList();
            return
            [
                outputs[0].Name,
                .. outputs.Skip(1)
                    .Where(output => open.FindIndex(shape => shape.SequenceEqual(Shape(output))) is var at
                        && (at < 0 || !RemoveAt(open, at)))
                    .Select(output => output.Name),
            ];
        }

        bool hasStates = view.Recurrent.Any(node => node.Input.Count > 5 && view.Sources(node.Input[5]).Count > 0);
        string[] names =
        [
            .. outputs.Select(output => output.Name)
                .Where(name => view.MovedOutputs(name) is not { Count: > 0 } parts || (!hasStates && parts.Any(part => part.Output == 0))),
        ];
        return names.Length > 0 ? names : [outputs[0].Name];
    }

    private static bool RemoveAt(List<int[]> shapes, int at)
    {
        shapes.RemoveAt(at);
        return true;
    }

    // As many of the first outputs as have the wanted number of values together; all where none have.
    private void ChooseOutputs(string[] names, RowAnalysis analysis, int? wanted)
    {
        (string Name, int? Count)[] all = [.. names.Select(name => (name, analysis.CountOf(name)))];
        int sum = 0;
        int used = all.Length;
        for (int k = 0; k < all.Length && all[k].Count is { } count && analysis.Refusal is null; k++)
        {
            sum += count;
            if (sum == wanted)
            {
                used = k + 1;
                break;
            }
        }

        Outputs = all[..used];
        LeftOut = [.. names[used..]];
        Output = names[0];
    }

    // Which values of the row are results of a LogSoftmax and named as classes.
    private bool[] FindLogarithms(RowAnalysis analysis, Func<int, bool>? isClass, int wanted)
    {
        var areLogarithms = new bool[isClass is null ? 0 : wanted];
        int begin = 0;
        foreach ((string name, int? count) in isClass is null ? [] : Outputs)
        {
            int end = count is { } known ? Math.Min(begin + known, wanted) : wanted;
            int[] classes = [.. Enumerable.Range(begin, end - begin).Where(isClass!)];
            IReadOnlyList<Node> logarithms = classes.Length == 0 ? [] : _view.PartsOf(name, "LogSoftmax");
            bool isWhole = logarithms.Count == 1 && classes.Length == end - begin;
            bool isPart = logarithms.Sum(node => analysis.CountOf(node.Output[0]) ?? 0) == classes.Length
                && (Outputs.Count > 1 || analysis.RankOf(name) is not null);
            if (logarithms.Count > 0 && !isWhole && !isPart)
            {
                throw new ModelFormatException(
                    $"Output '{name}' gives logarithms of probabilities ({_view.Label(logarithms[0])}), and which of its values the "
                        + $"manifest names as classes does not fit them. Name them all as classes, or export them with a Softmax.");
            }

            Array.ForEach(logarithms.Count > 0 ? classes : [], k => areLogarithms[k] = true);
            begin = end;
        }

        return areLogarithms;
    }

    // A stream expects the probability of a class. That is the exponential of what a LogSoftmax gives.
    private void GiveProbabilities(bool[] areLogarithms)
    {
        if (!areLogarithms.Contains(true))
        {
            return;
        }

        string row = Apply("Exp", "edge_probabilities", Output).Output[0];
        if (areLogarithms.Contains(false))
        {
            _view.Graph.Initializer.Add(new TensorProto
            {
                Name = "edge_are_logarithms",
                DataType = Bool,
                Dims = { areLogarithms.Length },
                Int32Data = { areLogarithms.Select(each => each ? 1 : 0) },
            });
            row = Apply("Where", "edge_row_of_probabilities", "edge_are_logarithms", row, Output).Output[0];
        }

        _view.Graph.Output.Remove(_view.Graph.Output.First(output => output.Name == Output));
        _view.Graph.Output.Add(
            new ValueInfo { Name = row, Type = new Proto.Type { TensorType = new TensorType { ElemType = Float } } });
        Output = row;
    }

    // One row of float32 values of all outputs.
    private void JoinOutputs(RowAnalysis? analysis)
    {
        string[] parts = [.. Outputs.Select(output => AsFloat(output.Name))];
        if (parts.Length > 1)
        {
            int?[] ranks = [.. Outputs.Select(output => analysis?.RankOf(output.Name))];
            if (ranks[0] is null || ranks.Any(rank => rank != ranks[0]))
            {
                _view.Graph.Initializer.Add(
                    new TensorProto { Name = "edge_one_row", DataType = Int64, Dims = { 2 }, Int64Data = { 1, -1 } });
                parts = [.. parts.Select((part, k) => Apply("Reshape", $"edge_output_{k}", part, "edge_one_row").Output[0])];
            }

            Node join = Apply("Concat", "edge_outputs", parts);
            join.Attribute.Add(new Proto.Attribute { Name = "axis", Type = 2, I = -1 });
        }

        string output = parts.Length > 1 ? "edge_outputs" : parts[0];
        if (output != Output)
        {
            foreach (ValueInfo old in _view.Graph.Output.Where(each => Outputs.Any(used => used.Name == each.Name)).ToArray())
            {
                _view.Graph.Output.Remove(old);
            }

            _view.Graph.Output.Add(
                new ValueInfo { Name = output, Type = new Proto.Type { TensorType = new TensorType { ElemType = Float } } });
            Output = output;
        }

        foreach (ValueInfo old in _view.Graph.Output.Where(each => LeftOut.Contains(each.Name)).ToArray())
        {
            _view.Graph.Output.Remove(old);
        }
    }

    private string AsFloat(string output)
    {
        int type = _view.Graph.Output.First(each => each.Name == output).Type?.TensorType?.ElemType ?? Float;
        if (type is Float or 0)
        {
            return output;
        }

        Node cast = Apply("Cast", $"edge_{output}_float", output);
        cast.Attribute.Add(new Proto.Attribute { Name = "to", Type = 2, I = Float });
        return cast.Output[0];
    }

    private Node Apply(string type, string output, params string[] inputs)
    {
        var node = new Node { OpType = type, Name = $"make_{output}", Input = { inputs }, Output = { output } };
        _view.Graph.Node.Add(node);
        return node;
    }
}
