using System.Collections.Concurrent;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>
/// Turns a float model and its calibrated ranges into the int8 model of docs/quantization.md. What two settings share is made once. Safe to
/// use from several threads.
/// </summary>
/// <param name="model">The float model.</param>
/// <param name="manifest">What it reads and says.</param>
/// <param name="statistics">What its activations were like.</param>
/// <param name="provenance">Where it comes from, a JSON object.</param>
internal sealed class ModelQuantizer(FloatModel model, ModelManifest manifest, ActivationStatistics statistics, string provenance)
{
    // Of sines and cosines.
    private static readonly (float Lower, float Upper)? CalendarLimits = (-1, 1);

    private readonly ConcurrentDictionary<int, LayerRoundings> _roundings = new();
    private readonly ConcurrentDictionary<LayerKey, Lazy<Layer>> _layers = new();
    private readonly Lazy<CompensatedRounding> _headRounding = new(() => new CompensatedRounding(statistics.HeadMoment));

    /// <summary>The int8 model of some settings, which differ from call to call in nothing but widths and the headroom of cells.</summary>
    internal EdgeModel Quantize(QuantizationSettings settings)
    {
        QuantizedInput input = QuantizeInput(settings);
        Operand arriving = input.Arriving;
        var layers = new List<Layer>();
        for (int l = 0; l < model.Layers.Count; l++)
        {
            Layer layer = QuantizeLayer(layers, arriving, settings);
            layers.Add(layer);
            bool nextIsRecurrent = l + 1 < model.Layers.Count && model.Layers[l + 1].IsRecurrent;
            arriving = layer.IsNarrow && nextIsRecurrent ? Operand.OfHidden(layer) : Operand.OfOutput(layer);
        }

        DenseHead? head = model.Head is null
            ? null : HeadQuantizer.Quantize(model.Head, layers[^1].OutputFractionBits, _headRounding.Value);
        LagRegression? lags = model.Lags is null ? null : LagQuantizer.Quantize(model.Lags, input.Offset, input.Scale);
        var quantized = new EdgeModel(
            manifest, input.Offset, input.Scale, input.Embedding, [.. layers], head, provenance, new string('0', 64), lags);
        return EdgeModel.Parse(quantized.ToBytes());
    }

    /// <summary>
    /// The model with the mean error of its outputs taken out of the head's biases: small errors of the layers below add up to a constant
    /// (bias correction; Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019).
    /// </summary>
    /// <param name="model">The int8 model.</param>
    /// <param name="meanError">Mean of int8 minus float of each output, before its activation.</param>
    /// <returns>Null where the model has no head, or no bias moves.</returns>
    internal static EdgeModel? WithoutMeanError(EdgeModel model, IReadOnlyList<double> meanError)
    {
        if (model.Head is not { } head)
        {
            return null;
        }

        int[] bias = [.. head.Bias.Select((b, r) => head.Scale[r] > 0
            ? (int)Math.Clamp(Math.Round(b - (meanError[r] / head.Scale[r])), -(1 << 29), 1 << 29)
            : b)];
        var corrected = new DenseHead
        {
            InputCount = head.InputCount,
            OutputCount = head.OutputCount,
            Weight = head.Weight,
            Bias = bias,
            Scale = head.Scale,
            Activation = head.Activation,
            Segments = head.Segments,
        };
        return bias.SequenceEqual(head.Bias)
            ? null
            : EdgeModel.Parse(new EdgeModel(
                model.Manifest,
                model.InputOffset,
                model.InputScale,
                model.Embedding,
                model.Layers,
                corrected,
                model.Provenance,
                new string('0', 64),
                model.Lags).ToBytes());
    }

    /// <summary>
    /// What the first layer's weights meet: readings by their offset and scale, then the graph's own normalization; after them the values
    /// of a symbol.
    /// </summary>
    /// <param name="model">The float model.</param>
    /// <param name="offset">Of each reading.</param>
    /// <param name="scale">Of each reading.</param>
    internal static Operand InputOperand(FloatModel model, float[] offset, float[] scale)
    {
        var operand = new Operand([.. scale, .. model.Embedding is { } table ? SymbolScale(table) : []], 32768);
        for (int i = 0; i < scale.Length; i++)
        {
            double gain = model.Normalization?.Gain[i] ?? 1;
            operand.Scale[i] = scale[i] * gain;
            operand.Offset[i] = (offset[i] - (double)(model.Normalization?.Offset[i] ?? 0)) * gain;
        }

        return operand;
    }

    // The largest magnitude of each value of a symbol is 32,767 steps.
    private static double[] SymbolScale(FloatEmbedding table) =>
    [
        .. Enumerable.Range(0, table.Width).Select(d => Math.Max(
            Enumerable.Range(0, table.SymbolCount).Max(v => Math.Abs((double)table.Table[(v * table.Width) + d])), 1e-6) / short.MaxValue),
    ];

    // A layer depends on those that it reads, on its own width and on the room of its cells: on the headroom only as far as that moves
    // bits.
    private Layer QuantizeLayer(List<Layer> below, Operand arriving, QuantizationSettings settings)
    {
        int l = below.Count;
        Layer[] made = [.. below];
        Layer? source = model.Layers[l] is FloatResidual residual ? made[residual.Source] : null;
        string cells = model.Layers[l] is FloatLstm lstm
            ? string.Join(' ', LayerQuantizer.CellFractionBits(lstm, statistics.Cell[l], settings.CellHeadroom)) : "";
        LayerRoundings roundings = _roundings.GetOrAdd(l, _ => new LayerRoundings(statistics, model.Layers[l], l, arriving.Offset));
        return _layers.GetOrAdd(
            new LayerKey(l, made.LastOrDefault(), source, settings.WideLayers.Contains(l), cells),
            _ => new Lazy<Layer>(() => LayerQuantizer.Quantize(model.Layers[l], made, arriving, statistics, roundings, settings))).Value;
    }

    private QuantizedInput QuantizeInput(QuantizationSettings settings)
    {
        var offset = new float[model.ReadingCount];
        var scale = new float[model.ReadingCount];
        for (int i = 0; i < offset.Length; i++)
        {
            // A graph that normalizes for itself reads x' = (x - middle)·gain.
            float middle = model.Normalization?.Offset[i] ?? 0;
            float gain = model.Normalization?.Gain[i] ?? 1;
            (float lower, float upper) = (statistics.InputMin[i], statistics.InputMax[i]);
            double unit = 1 / Math.Abs((double)gain);
            double largest = Math.Max(upper - middle, middle - lower);
            double range = Math.Max(largest * settings.InputHeadroom, largest + (settings.InputMargin * unit));
            offset[i] = middle;
            if ((i < manifest.Columns.Count ? manifest.Limits(i) : CalendarLimits) is { } limits)
            {
                // What the sensor can give at most is known: nothing beyond is needed.
                (lower, upper) = (Math.Min(lower, limits.Lower), Math.Max(upper, limits.Upper));
                offset[i] = (lower + upper) / 2;
                range = Math.Max((upper - lower) / 2, 1e-3 * unit);
            }

            scale[i] = (float)(range / short.MaxValue);
        }

        return new QuantizedInput(
            offset, scale, model.Embedding is { } table ? QuantizeTable(table) : null, InputOperand(model, offset, scale));
    }

    private static Embedding QuantizeTable(FloatEmbedding table)
    {
        double[] scale = SymbolScale(table);
        return new Embedding
        {
            SymbolCount = table.SymbolCount,
            Width = table.Width,
            Table = [.. table.Table.Select((value, at) => (short)Math.Round(value / scale[at % table.Width]))],
        };
    }

    private readonly record struct LayerKey(int Number, Layer? Below, Layer? Source, bool IsWide, string CellFractionBits);

    // What comes in: as the file has it, and as the first layer's weights meet it.
    private sealed record QuantizedInput(float[] Offset, float[] Scale, Embedding? Embedding, Operand Arriving);
}
