using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Engines;

/// <summary>
/// Rolls out a one-step model: after each step its forecasts are fed back as readings through a copy of the state, tick after tick.
/// The live state receives real readings only.
/// </summary>
public sealed class RolloutEngine : IInferenceEngine
{
    private readonly IInferenceEngine _engine;
    private readonly IInferenceEngine _copy;
    private readonly int _horizon;
    private readonly int[] _outputOfColumn;
    private readonly float[] _inputs;
    private readonly float[] _outputs;

    /// <param name="engine">The model; this object owns it.</param>
    /// <param name="horizon">Ticks to look ahead, 2 or more.</param>
    /// <exception cref="InputException">
    /// The model does not forecast each of its columns one tick ahead and nothing else, or reads a calendar or a symbol.
    /// </exception>
    public RolloutEngine(IInferenceEngine engine, int horizon)
    {
        ModelManifest manifest = engine.Manifest;
        _outputOfColumn = [.. Enumerable.Range(0, manifest.Columns.Count).Select(column => IndexOf(manifest, column))];
        if (manifest.Outputs.Count != manifest.Columns.Count || _outputOfColumn.Contains(-1))
        {
            throw new InputException(
                $"'forecast.horizon' feeds forecasts back as readings, so the model must forecast each of its columns one tick ahead and "
                    + $"nothing else; '{manifest.Name}' does not. Remove it.");
        }

        if (manifest.SymbolColumn >= 0)
        {
            throw new InputException(
                $"'forecast.horizon' feeds forecasts back as readings, but '{manifest.Name}' reads a symbol in column "
                    + $"'{manifest.Columns[manifest.SymbolColumn]}', which no forecast is. Remove it.");
        }

        if (manifest.Calendar.Count > 0)
        {
            throw new InputException(
                $"'forecast.horizon' feeds forecasts back as readings, but '{manifest.Name}' also reads the time of a tick ('calendar'). "
                    + "Remove it, or train a model with outputs for the ticks ahead.");
        }

        _engine = engine;
        _copy = engine.Fork();
        _horizon = horizon;
        _inputs = new float[manifest.Columns.Count];
        _outputs = new float[manifest.Outputs.Count];
        Manifest = Extend(manifest, horizon);
    }

    /// <summary>
    /// The manifest of the model, with one output per column and tick up to the horizon: tick after tick, columns in the order of the
    /// model's outputs.
    /// </summary>
    public ModelManifest Manifest { get; }

    /// <inheritdoc/>
    public string ModelSha256 => _engine.ModelSha256;

    /// <inheritdoc/>
    public string Description => $"{_engine.Description}, rolled out {_horizon} ticks";

    /// <inheritdoc/>
    public ReadOnlySpan<long> InputSaturations => _engine.InputSaturations;

    /// <inheritdoc/>
    public long StateSaturations => _engine.StateSaturations;

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        Span<float> first = outputs[.._outputs.Length];
        _engine.Step(inputs, first);
        _engine.CopyStateTo(_copy);
        first.CopyTo(_outputs);
        for (int tick = 1; tick < _horizon; tick++)
        {
            for (int column = 0; column < _inputs.Length; column++)
            {
                _inputs[column] = _outputs[_outputOfColumn[column]];
            }

            _copy.Step(_inputs, _outputs);
            _outputs.CopyTo(outputs[(tick * _outputs.Length)..]);
        }
    }

    /// <inheritdoc/>
    public void Skip(long rows) => _engine.Skip(rows);

    /// <inheritdoc/>
    public int LagRowCount => _engine.LagRowCount;

    /// <inheritdoc/>
    public float[] ExportState() => _engine.ExportState();

    /// <inheritdoc/>
    public void ImportState(ReadOnlySpan<float> values) => _engine.ImportState(values);

    /// <inheritdoc/>
    public byte[] SaveState() => _engine.SaveState();

    /// <inheritdoc/>
    public void RestoreState(ReadOnlySpan<byte> saved) => _engine.RestoreState(saved);

    /// <inheritdoc/>
    public IInferenceEngine Fork() => new RolloutEngine(_engine.Fork(), _horizon);

    /// <inheritdoc/>
    public void CopyStateTo(IInferenceEngine fork) => _engine.CopyStateTo(((RolloutEngine)fork)._engine);

    /// <inheritdoc/>
    public void Dispose()
    {
        _engine.Dispose();
        _copy.Dispose();
    }

    // Errors of a rollout are unknown at first: they start as those of a random walk, and the intervals adapt.
    private static ModelManifest Extend(ModelManifest manifest, int horizon) => manifest.WithOutputs(
        [.. Enumerable.Range(1, horizon).SelectMany(ahead => manifest.Outputs.Select(output => output with { TicksAhead = ahead }))],
        manifest.OutputRmse is { } rmse
            ? [.. Enumerable.Range(1, horizon).SelectMany(ahead => rmse.Select(error => error * Math.Sqrt(ahead)))]
            : null);

    private static int IndexOf(ModelManifest manifest, int column)
    {
        for (int k = 0; k < manifest.Outputs.Count; k++)
        {
            if (manifest.Outputs[k] == new ModelOutput(column, 1))
            {
                return k;
            }
        }

        return -1;
    }
}
