using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Quantize.Quantization;
using Edge.Training.Reference;

namespace Edge.Quantize.Evaluation;

/// <summary>Effect on the outputs of rounding the weights of one gate only, with everything else in float.</summary>
/// <param name="Layer">In words: <c>0 lstm</c>, <c>head</c>, or what is left.</param>
/// <param name="Gate">The gate.</param>
/// <param name="WorstDifference">The worst output's RMS of the difference over its standard deviation.</param>
internal sealed record GateCost(string Layer, string Gate, double WorstDifference)
{
    private const int RowsMax = 4_000;
    private const int RowsMin = 100;
    private const double Operations = 4e10;

    internal static IReadOnlyList<GateCost> Measure(FloatRun reference, EdgeModel quantized, Action<double>? progress = null)
    {
        FloatModel model = reference.Model;
        var variants = new List<(string Layer, string Gate, Func<FloatModel> Model)>();
        for (int l = 0; l < model.Layers.Count; l++)
        {
            var dequantizer = new Dequantizer(model, quantized, l);
            string[] gates = Dequantizer.GateNames(model.Layers[l]);
            for (int gate = 0; gate < gates.Length; gate++)
            {
                int which = gate;
                variants.Add(($"{l} {LayerQuantizer.Name(model.Layers[l])}", gates[gate], () => dequantizer.With(which)));
            }
        }

        if (model.Head is not null)
        {
            variants.Add(("head", "all", () => Dequantizer.WithHead(model, quantized)));
        }

        int rows = StepBudget.Of(model, Operations / variants.Count / 2, RowsMin, RowsMax);
        int done = 0;
        return Concurrent.Select(variants, each =>
        {
            var cost = new GateCost(each.Layer, each.Gate, Run(reference, each.Model(), rows));
            progress?.Invoke(Interlocked.Increment(ref done) / (double)variants.Count);
            return cost;
        });
    }

    private static double Run(FloatRun reference, FloatModel variant, int rows)
    {
        var session = new FloatSession(variant);
        float[] y = new float[variant.OutputCount];
        var differences = new ErrorSum[y.Length];
        int end = Math.Min(reference.End, reference.Begin + rows);
        for (int row = Math.Max(0, reference.Begin - rows); row < end; row++)
        {
            session.Step(reference.Readings.Row(row), y);
            for (int k = 0; k < y.Length && row >= reference.Begin; k++)
            {
                differences[k].Add(y[k] - reference.Output(row)[k]);
            }
        }

        return reference.WorstDifference(differences);
    }
}
