using Edge.Inference.Reference;

namespace Edge.Quantize.Calibration;

/// <summary>What a float model's activations were like on the calibration rows: largest magnitudes and second moments.</summary>
internal sealed class ActivationStatistics
{
    // Enough for a moment of a few hundred dimensions; more rows cost time and change nothing that can be measured.
    private const int MomentRowsMax = 4096;

    private ActivationStatistics(FloatModel model)
    {
        Input = new float[model.InputCount];
        Cell = new float[model.Layers.Count];
        Hidden = model.Layers.Select(layer => new float[layer.HiddenCount]).ToArray();
        Moment = model.Layers.Select(layer => new SecondMoment(layer.InputCount + layer.HiddenCount + 1)).ToArray();
        HeadMoment = new SecondMoment(model.Head.InputCount + 1);
    }

    /// <summary>Largest |x| of each input.</summary>
    internal float[] Input { get; }

    /// <summary>Largest |c| of each layer.</summary>
    internal float[] Cell { get; }

    /// <summary>Largest |h| of each unit of each layer.</summary>
    internal float[][] Hidden { get; }

    /// <summary>Second moment of what each layer's weights multiply: [x, h of the step before, 1].</summary>
    internal SecondMoment[] Moment { get; }

    /// <summary>Second moment of what the head's weights multiply: [h, 1].</summary>
    internal SecondMoment HeadMoment { get; }

    /// <summary>Steps the float model over rows <paramref name="begin"/> to <paramref name="end"/> from the zero state.</summary>
    internal static ActivationStatistics Measure(FloatModel model, ReadingsFile readings, int begin, int end)
    {
        var statistics = new ActivationStatistics(model);
        var session = new FloatSession(model);
        var outputs = new float[model.OutputCount];
        float[][] before = model.Layers.Select(layer => new float[layer.HiddenCount]).ToArray();
        int every = 1 + ((end - begin) / MomentRowsMax);
        for (int row = begin; row < end; row++)
        {
            ReadOnlySpan<float> x = readings.Row(row);
            bool sampled = row % every == 0;
            for (int l = 0; sampled && l < before.Length; l++)
            {
                session.Hidden(l).CopyTo(before[l]);
            }

            session.Step(x, outputs);
            for (int l = 0; sampled && l < before.Length; l++)
            {
                statistics.Moment[l].Add(l == 0 ? x : session.Hidden(l - 1), before[l]);
            }

            if (sampled)
            {
                statistics.HeadMoment.Add(session.Hidden(before.Length - 1), []);
            }

            Widen(statistics.Input, x);
            for (int l = 0; l < model.Layers.Count; l++)
            {
                Widen(statistics.Hidden[l], session.Hidden(l));
                foreach (float c in session.Cell(l))
                {
                    statistics.Cell[l] = Math.Max(statistics.Cell[l], Math.Abs(c));
                }
            }
        }

        return statistics;
    }

    private static void Widen(float[] largest, ReadOnlySpan<float> values)
    {
        for (int i = 0; i < largest.Length; i++)
        {
            largest[i] = Math.Max(largest[i], Math.Abs(values[i]));
        }
    }
}
