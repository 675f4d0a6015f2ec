using Edge.Inference.Models;

namespace Edge.Streams.Forecasting;

/// <summary>
/// The newest outputs of a stream that are no forecasts: soft sensors, probabilities of classes, reconstructions. By their place in the
/// model's manifest.
/// </summary>
public sealed class NamedOutputs
{
    private readonly Forecaster _forecaster;

    internal NamedOutputs(Forecaster forecaster) => _forecaster = forecaster;

    /// <summary>All outputs of the model.</summary>
    public IReadOnlyList<ModelOutput> Outputs => _forecaster.Manifest.Outputs;

    /// <summary>An output in its unit: a value, a probability from 0 to 1, or a column as the model reconstructs it.</summary>
    public double Value(int output) => _forecaster.Value(output);

    /// <summary>The output with the largest probability among the classes of a name.</summary>
    public int Winner(string name)
    {
        int winner = -1;
        for (int k = 0; k < Outputs.Count; k++)
        {
            if (Outputs[k].Kind == OutputKind.Class && Outputs[k].Name == name && (winner < 0 || Value(k) > Value(winner)))
            {
                winner = k;
            }
        }

        return winner;
    }
}
