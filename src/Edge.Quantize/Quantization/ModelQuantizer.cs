using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Inference.Reference;
using Edge.Quantize.Calibration;

namespace Edge.Quantize.Quantization;

/// <summary>Turns a float model and its calibrated ranges into the int8 model of docs/quantization.md.</summary>
internal static class ModelQuantizer
{
    internal static EdgeModel Quantise(
        FloatModel model, ModelManifest manifest, ActivationStatistics statistics, QuantizationSettings settings, string provenance)
    {
        // A channel that never moved in calibration still gets a range of one standard deviation.
        float[] inputScale = statistics.Input
            .Select(largest => (float)(settings.InputHeadroom * (largest > 1e-6f ? largest : 1) / short.MaxValue))
            .ToArray();
        double[] arriving = inputScale.Select(scale => (double)scale).ToArray();
        int arrivingMax = short.MaxValue;

        var layers = new List<LstmCell>();
        for (int l = 0; l < model.Layers.Count; l++)
        {
            short[] hiddenMultiplier = HiddenMultipliers(statistics.Hidden[l], settings.HiddenHeadroom);
            LstmCell layer = LstmQuantizer.Quantise(
                model.Layers[l], arriving, arrivingMax, hiddenMultiplier, CellFractionBits(statistics.Cell[l], settings.CellHeadroom),
                statistics.Moment[l]);
            layers.Add(layer);
            arriving = hiddenMultiplier.Select(multiplier => 1.0 / multiplier).ToArray();
            arrivingMax = sbyte.MaxValue;
        }

        var quantised = new EdgeModel(
            manifest, new float[model.InputCount], inputScale, [.. layers], DenseQuantizer.Quantise(model.Head, statistics.HeadMoment), provenance, new string('0', 64));
        return EdgeModel.Parse(quantised.ToBytes());
    }

    // h8 = h·m: as many int8 steps a unit of h as its calibrated range allows, at most 8 times the full-range 127.
    private static short[] HiddenMultipliers(float[] largest, double headroom) =>
        largest.Select(value => (short)Math.Floor(127 / Math.Clamp(value * headroom, 0.125, 1))).ToArray();

    // The most fraction bits with which headroom times the largest cell state still fits ±2^(15-n).
    private static int CellFractionBits(float largest, double headroom) =>
        Math.Clamp(15 - (int)Math.Ceiling(Math.Log2(Math.Max(largest * headroom, 1e-3))), 4, 13);
}
