using Edge.Inference.Models;

namespace Edge.Streams.Forecasting;

/// <summary>
/// The newest forecasts of a stream, in the units of their columns. Output by output, in the order of the model's manifest.
/// </summary>
public sealed class Forecast
{
    private readonly Forecaster _forecaster;

    internal Forecast(Forecaster forecaster) => _forecaster = forecaster;

    /// <summary>Which column each output forecasts, and how many ticks ahead.</summary>
    public IReadOnlyList<ModelOutput> Outputs => _forecaster.Manifest.Outputs;

    /// <summary>The forecast of an output, in its column's unit.</summary>
    public double Value(int output) => _forecaster.Value(output);

    /// <summary>Lower end of its interval, in its column's unit.</summary>
    public double Low(int output) => Value(output) - HalfWidth(output);

    /// <summary>Upper end of its interval, in its column's unit.</summary>
    public double High(int output) => Value(output) + HalfWidth(output);

    /// <summary>Half the width of its interval, in its column's unit.</summary>
    public double HalfWidth(int output) => _forecaster.HalfWidth(output);
}
