using Edge.Training.Reference;

namespace Edge.Quantize.Calibration;

/// <summary>Statistics of a float model's activations on the calibration rows: magnitudes and second moments.</summary>
internal sealed class ActivationStatistics
{
    // Enough for a moment of a few hundred dimensions; more rows cost time without a measurable effect.
    private const int SampledRowsMax = 4096;

    private readonly List<float>[][] _outputs;
    private readonly FloatModel _model;
    private readonly float[][] _before;
    private bool _isSampled;

    /// <summary>Statistics of rows that are still to be stepped.</summary>
    /// <param name="model">The float model.</param>
    /// <param name="begin">First row.</param>
    /// <param name="end">One past the last row.</param>
    internal ActivationStatistics(FloatModel model, int begin, int end)
    {
        _model = model;
        Begin = begin;
        End = end;
        _before = [.. model.Layers.Select(layer => layer.IsRecurrent ? new float[layer.UnitCount] : [])];
        Blocks = [.. model.Layers.Select(layer => layer is FloatBlock block ? new BlockStatistics(block) : null)];
        InputMin = Enumerable.Repeat(float.PositiveInfinity, model.InputCount).ToArray();
        InputMax = Enumerable.Repeat(float.NegativeInfinity, model.InputCount).ToArray();
        Cell = model.Layers.Select(layer => new float[layer.CellCount]).ToArray();
        LargestOutput = model.Layers.Select(layer => new float[layer.UnitCount]).ToArray();
        LargestArgument = new float[model.Layers.Count];
        Moment = model.Layers.Select(layer => new SecondMoment(layer.InputCount + (layer.IsRecurrent ? layer.UnitCount : 0) + 1)).ToArray();
        ResetMoment = model.Layers.Select(
            layer =>
                layer is FloatGru { ResetAfterProduct: false } ? new SecondMoment(layer.InputCount + layer.UnitCount + 1) : null).ToArray();
        HeadMoment = new SecondMoment(model.Layers[^1].UnitCount + 1);
        _outputs = model.Layers.Select(layer => Enumerable.Range(0, layer.UnitCount).Select(_ => new List<float>()).ToArray()).ToArray();
    }

    /// <summary>First row.</summary>
    internal int Begin { get; }

    /// <summary>One past the last row.</summary>
    internal int End { get; }

    /// <summary>Smallest value of each input as it comes in, before the graph's own normalization.</summary>
    internal float[] InputMin { get; }

    /// <summary>Largest value of each input.</summary>
    internal float[] InputMax { get; }

    /// <summary>Largest |c| of each unit of each layer; empty for layers without a cell state.</summary>
    internal float[][] Cell { get; }

    /// <summary>Largest |output| of each unit of each layer.</summary>
    internal float[][] LargestOutput { get; }

    /// <summary>Largest |argument| of a dense layer's activation, over the sampled rows; 0 of other layers.</summary>
    internal float[] LargestArgument { get; }

    /// <summary>Second moment of what each layer's weights multiply: [x, h of the step before, 1], or [x, 1] without a state.</summary>
    internal SecondMoment[] Moment { get; }

    /// <summary>For a GRU that resets before the product, what its candidate's weights multiply: [x, r·h, 1]; else null.</summary>
    internal SecondMoment?[] ResetMoment { get; }

    /// <summary>Second moment of what the head's weights multiply: [output, 1].</summary>
    internal SecondMoment HeadMoment { get; }

    /// <summary>What is inside each block; null for other layers.</summary>
    internal BlockStatistics?[] Blocks { get; }

    /// <summary>
    /// Largest |output| of a layer or, where residual blocks add to it, of all of them: they share its format.
    /// </summary>
    internal float LargestOpen(int layer)
    {
        int begin = layer;
        while (begin > 0 && IsResidualBlock(begin))
        {
            begin--;
        }

        float largest = LargestOutput[begin].Max();
        for (int l = begin + 1; IsResidualBlock(l); l++)
        {
            largest = Math.Max(largest, LargestOutput[l].Max());
        }

        return largest;
    }

    /// <summary>Whether a layer is a block that adds to what it reads, in the same format.</summary>
    internal bool IsResidualBlock(int layer) =>
        layer < _model.Layers.Count && _model.Layers[layer] is FloatBlock and not FloatNorm;

    /// <summary>Sampled |output| of a unit, ascending.</summary>
    internal float[] Outputs(int layer, int unit) => [.. _outputs[layer][unit].Order()];

    /// <summary>Steps the float model over rows <paramref name="begin"/> to <paramref name="end"/> from the initial state.</summary>
    internal static ActivationStatistics Measure(FloatModel model, ReadingsFile readings, int begin, int end)
    {
        var statistics = new ActivationStatistics(model, begin, end);
        var session = new FloatSession(model);
        var outputs = new float[model.OutputCount];
        statistics.Watch(session);
        for (int row = begin; row < end; row++)
        {
            statistics.Step(session, row, readings.Row(row), outputs);
        }

        statistics.Complete();
        return statistics;
    }

    /// <summary>Looks into the layers of a session from now on.</summary>
    internal void Watch(FloatSession session) => session.Stepped = (l, scratch) =>
    {
        Blocks[l]?.Widen(scratch);
        if (_isSampled)
        {
            Sample(session, l, _before[l], scratch);
        }
    };

    /// <summary>Steps a session that is watched over one of the rows.</summary>
    internal void Step(FloatSession session, int row, ReadOnlySpan<float> x, Span<float> y)
    {
        _isSampled = row % (1 + ((End - Begin) / SampledRowsMax)) == 0;
        for (int l = 0; _isSampled && l < _before.Length; l++)
        {
            session.Output(l)[.._before[l].Length].CopyTo(_before[l]);
        }

        session.Step(x, y);
        Widen(session, x);
    }

    /// <summary>Ends the rows.</summary>
    internal void Complete()
    {
        foreach (SecondMoment? moment in Moment.Concat(ResetMoment).Append(HeadMoment)
            .Concat(Blocks.SelectMany(block => block?.AllMoments ?? [])))
        {
            moment?.Complete();
        }
    }

    private void Sample(FloatSession session, int l, ReadOnlySpan<float> before, ReadOnlySpan<float> scratch)
    {
        Blocks[l]?.Sample(scratch);
        Moment[l].Add(session.Input(l), before);
        ResetMoment[l]?.Add(session.Input(l), FloatGru.ResetHidden(scratch, before.Length));
        if (session.Model.Layers[l] is FloatDense dense)
        {
            float[] arguments = new float[dense.UnitCount];
            (dense with { Activation = FloatActivation.Linear }).Step(session.Input(l), arguments, [], []);
            LargestArgument[l] = Math.Max(LargestArgument[l], arguments.Max(Math.Abs));
        }

        ReadOnlySpan<float> output = session.Output(l);
        for (int j = 0; j < output.Length; j++)
        {
            _outputs[l][j].Add(Math.Abs(output[j]));
        }

        if (l == Moment.Length - 1)
        {
            HeadMoment.Add(output, []);
        }
    }

    private void Widen(FloatSession session, ReadOnlySpan<float> x)
    {
        for (int i = 0; i < x.Length; i++)
        {
            InputMin[i] = Math.Min(InputMin[i], x[i]);
            InputMax[i] = Math.Max(InputMax[i], x[i]);
        }

        for (int l = 0; l < Moment.Length; l++)
        {
            Widen(LargestOutput[l], session.Output(l));
            Widen(Cell[l], session.Cell(l));
        }
    }

    private static void Widen(float[] largest, ReadOnlySpan<float> values)
    {
        for (int i = 0; i < largest.Length; i++)
        {
            largest[i] = Math.Max(largest[i], Math.Abs(values[i]));
        }
    }
}
