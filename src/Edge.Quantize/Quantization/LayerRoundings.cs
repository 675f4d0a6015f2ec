using Edge.Quantize.Calibration;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>
/// What rounds a layer's rows, made at the first use: whatever the widths of the states are, the moments are the same.
/// </summary>
/// <param name="statistics">What the float model's activations were like.</param>
/// <param name="layer">The layer.</param>
/// <param name="number">Its place in the model.</param>
/// <param name="offset">What its input is measured from.</param>
internal sealed class LayerRoundings(ActivationStatistics statistics, FloatLayer layer, int number, double[] offset)
{
    private readonly Lazy<SecondMoment> _moment = new(() => statistics.Moment[number].Shifted(offset));
    private CompensatedRounding? _all;
    private CompensatedRounding? _ofInput;
    private CompensatedRounding? _ofState;
    private CompensatedRounding? _afterReset;

    /// <summary>Of rows that read the input, the state where there is one, and a bias.</summary>
    internal CompensatedRounding All => LazyInitializer.EnsureInitialized(ref _all, () => new CompensatedRounding(_moment.Value))!;

    /// <summary>Of rows that read the input alone, and a bias.</summary>
    internal CompensatedRounding OfInput =>
        LazyInitializer.EnsureInitialized(ref _ofInput, () => new CompensatedRounding(Part(0, layer.InputCount)))!;

    /// <summary>Of rows that read the state alone, and a bias.</summary>
    internal CompensatedRounding OfState =>
        LazyInitializer.EnsureInitialized(ref _ofState, () => new CompensatedRounding(Part(layer.InputCount, layer.UnitCount)))!;

    /// <summary>Of a GRU's candidate that reads the state after its reset.</summary>
    internal CompensatedRounding AfterReset => LazyInitializer.EnsureInitialized(
        ref _afterReset, () => new CompensatedRounding(statistics.ResetMoment[number]!.Shifted(offset)))!;

    private SecondMoment Part(int begin, int count) => _moment.Value.Of([.. Enumerable.Range(begin, count), _moment.Value.Size - 1]);
}
