using Edge.Inference.Models;

namespace Edge.Streams.Forecasting;

/// <summary>
/// The newest forecasts of a stream, in the units of their columns. Output by output, in the order of the model's manifest.
/// </summary>
public sealed class Forecast
{
    private readonly Forecaster _forecaster;

    internal Forecast(Forecaster forecaster) => _forecaster = forecaster;

    /// <summary>All outputs of the model; <see cref="ModelManifest.ForecastOutputs"/> are the forecasts.</summary>
    public IReadOnlyList<ModelOutput> Outputs => _forecaster.Manifest.Outputs;

    /// <summary>The forecast of an output, in its column's unit.</summary>
    public double Value(int output) => _forecaster.Value(output);

    /// <summary>Lower end of its interval, in its column's unit.</summary>
    public double Low(int output) => _forecaster.Low(output);

    /// <summary>Upper end of its interval, in its column's unit.</summary>
    public double High(int output) => _forecaster.High(output);

    /// <summary>Half the width of the interval that was measured, in its column's unit.</summary>
    public double HalfWidth(int output) => _forecaster.HalfWidth(output);
}
