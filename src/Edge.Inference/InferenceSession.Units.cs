using Edge.Inference.Models;

namespace Edge.Inference;

/// <summary>Steps in the model's own units, for callers who have readings rather than normalized inputs.</summary>
public sealed partial class InferenceSession
{
    private float[]? _normalizedInputs;
    private float[]? _normalizedOutputs;

    /// <summary>Takes one row of readings in and gives one row of forecasts, both in the units of the model's manifest.</summary>
    /// <param name="readings">Readings [I], finite, each in the unit of its column.</param>
    /// <param name="outputs">
    /// Receives the outputs [O]: a forecast in the unit of the column that it forecasts; an output that forecasts none as the model gives
    /// it.
    /// </param>
    /// <exception cref="ArgumentException">
    /// A length is wrong, a reading is NaN or infinite, or the model reads symbols or a calendar; the state is untouched.
    /// </exception>
    public void StepInUnits(ReadOnlySpan<double> readings, Span<double> outputs)
    {
        if (Model.Manifest.Calendar.Count > 0)
        {
            throw new ArgumentException("The model reads a calendar. Call StepInUnits with the time of the readings.");
        }

        StepInUnits(readings, default, outputs);
    }

    /// <summary>The same for a model that may read a calendar.</summary>
    /// <param name="readings">Readings [I], finite, each in the unit of its column.</param>
    /// <param name="time">Time of the readings, UTC.</param>
    /// <param name="outputs">Receives the outputs [O].</param>
    /// <exception cref="ArgumentException">
    /// A length is wrong, a reading is NaN or infinite, or the model reads symbols; the state is untouched.
    /// </exception>
    public void StepInUnits(ReadOnlySpan<double> readings, DateTime time, Span<double> outputs)
    {
        if (Model.ReadsSymbols)
        {
            throw new ArgumentException("The model reads symbols, which have no unit. Call Step with the number of the symbol.");
        }

        ModelManifest manifest = Model.Manifest;
        RequireLengths(readings.Length + CalendarInputs.Count(manifest.Calendar), outputs.Length);
        float[] x = _normalizedInputs ??= new float[Model.InputCount];
        float[] y = _normalizedOutputs ??= new float[Model.OutputCount];
        for (int i = 0; i < readings.Length; i++)
        {
            x[i] = manifest.Normalize(i, readings[i]);
        }

        CalendarInputs.Fill(manifest.Calendar, time, x.AsSpan(readings.Length));

        Step(x, y);
        for (int k = 0; k < y.Length; k++)
        {
            outputs[k] = manifest.DenormalizeOutput(k, y[k]);
        }
    }

    private void RequireLengths(int inputs, int outputs)
    {
        if (inputs != Model.InputCount || outputs != Model.OutputCount)
        {
            throw new ArgumentException(
                $"A step takes {Model.InputCount} inputs and {Model.OutputCount} outputs, not {inputs} and {outputs}.");
        }
    }
}
