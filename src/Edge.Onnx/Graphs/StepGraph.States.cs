using System.Globalization;
using Edge.Inference;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>The states of recurrent nodes, and those that a graph of plain operators has as inputs.</summary>
internal sealed partial class StepGraph
{
    private void FindStates()
    {
        var hidden = new List<GraphState>();
        var cell = new List<GraphState>();
        var wired = new HashSet<string>(StringComparer.Ordinal);
        foreach (Node node in _view.Recurrent)
        {
            if (node.Input.Count > 4)
            {
                node.Input[4] = "";
            }

            for (int slot = 0; slot < (GraphView.HasCell(node) ? 2 : 1); slot++)
            {
                List<GraphState> states = slot == 0 ? hidden : cell;
                string name = node.Input.Count > 5 + slot ? node.Input[5 + slot] : "";
                string[] sources = [.. _view.Sources(name)];
                if (sources.Length > 1 || sources.Contains(Input))
                {
                    throw new ModelFormatException(
                        $"{_view.Label(node)} starts from a state that depends on "
                            + $"{string.Join(" and ", sources.Select(source => $"'{source}'"))}; each state must have its own input.");
                }

                if (sources.Length == 0 || Wire(sources[0], slot) is not { } given)
                {
                    states.Add(Add(node, slot, sources.Length == 0 && name.Length > 0 ? name : null));
                }
                else if (wired.Add(given.Input))
                {
                    states.Add(given);
                }
            }
        }

        if (_view.Recurrent.Count == 0)
        {
            hidden.AddRange(PairByShape());
        }

        States = [.. hidden, .. cell];
        if (States.FirstOrDefault(state => state.Shape.Aggregate(1.0, (product, size) => product * size) > StateMax) is { } huge)
        {
            throw new ModelFormatException(
                $"State '{huge.Input}' has the shape [{string.Join(", ", huge.Shape)}], which is larger than any supported model. "
                    + $"The file is damaged.");
        }
    }

    // A state that is an input already, and the output that carries it on: moved about, but nothing else.
    private GraphState? Wire(string input, int slot)
    {
        HashSet<int> nodes = [.. Enumerable.Range(0, _view.Recurrent.Count)
            .Where(
                each =>
                    _view.Recurrent[each].Input.Count > 5 + slot && _view.Sources(_view.Recurrent[each].Input[5 + slot]).Contains(input))];
        ValueInfo given = _view.Inputs.First(each => each.Name == input);
        int[] shape = Shape(given);
        int axis = shape.Length == 3 && GraphView.Int(_view.Recurrent[nodes.First()], "layout", 0) == 0 ? 1 : 0;
        foreach (int outputOfNode in slot == 0 ? new[] { 1, 0 } : [2])
        {
            foreach (ValueInfo output in _view.Graph.Output)
            {
                // With one tick, all hidden states of a node are its last one.
                if (_view.MovedOutputs(output.Name) is { Count: > 0 } parts && parts.All(part => part.Output == outputOfNode)
                    && nodes.SetEquals(parts.Select(part => part.Recurrent)) && Shape(output).Length == shape.Length)
                {
                    shape[axis] = 1;
                    SetShape(given, shape, axis);
                    return new GraphState(input, output.Name, [.. shape.Select(size => Math.Max(1, size))], axis, []);
                }
            }
        }

        return null;
    }

    private GraphState Add(Node node, int slot, string? initial)
    {
        int units = (int)GraphView.Int(node, "hidden_size", 0);
        if (units is < 1 or > 65536)
        {
            throw new ModelFormatException($"{_view.Label(node)} has hidden_size {units}. The file is damaged.");
        }

        float[] values = initial is null ? [] : _view.InitialState(initial, node, units);
        int axis = GraphView.Int(node, "layout", 0) == 0 ? 1 : 0;
        string name = string.Create(CultureInfo.InvariantCulture, $"{(slot == 0 ? "h" : "c")}_{_view.IndexOf(node)}");
        var state = new GraphState($"{name}_in", $"{name}_out", [1, 1, units], axis, values);
        while (node.Input.Count <= 5 + slot)
        {
            node.Input.Add("");
        }

        while (node.Output.Count <= 1 + slot)
        {
            node.Output.Add("");
        }

        node.Input[5 + slot] = state.Input;

        // Through a node of its own: what the recurrent node gives may have a name, and readers, already.
        if (node.Output[1 + slot].Length == 0)
        {
            node.Output[1 + slot] = $"{name}_new";
        }

        _view.Graph.Node.Add(
            new Node { OpType = "Identity", Name = $"{name}_carry", Input = { node.Output[1 + slot] }, Output = { state.Output } });
        AddInput(state.Input, state.Shape, axis);
        AddOutput(state.Output, state.Shape, axis);
        return state;
    }

    // Graphs that compute their cell from plain operators: each further input goes with the next further output of its shape.
    private List<GraphState> PairByShape()
    {
        var open = _view.Graph.Output.Where(output => Outputs.All(used => used.Name != output.Name)).ToList();
        var states = new List<GraphState>();
        foreach (ValueInfo input in _view.Inputs.Where(input => input.Name != Input && input.Name != Symbol?.Name))
        {
            int[] shape = Shape(input);
            ValueInfo output = open.FirstOrDefault(each => Shape(each).SequenceEqual(shape))
                ?? throw new ModelFormatException(
                    $"Input '{input.Name}' [{string.Join(", ", shape)}] has no output of its shape, so its state would be lost. "
                        + $"Export the new state as an output too.");
            open.Remove(output);
            states.Add(new GraphState(input.Name, output.Name, [.. shape.Select(size => Math.Max(1, size))], -1, []));
        }

        return states;
    }
}
