using System.Security.Cryptography;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Engines;

/// <summary>
/// Stands for a model that is still to be learned: readings are taken and watched, and no output has a value.
/// </summary>
/// <param name="manifest">The columns, and what the model will forecast.</param>
public sealed class NoModelEngine(ModelManifest manifest) : IInferenceEngine
{
    private readonly long[] _saturations = new long[manifest.Columns.Count];

    /// <inheritdoc/>
    public ModelManifest Manifest => manifest;

    /// <summary>SHA-256 of the manifest: the state of other columns or outputs does not fit.</summary>
    public string ModelSha256 { get; } = Hash(manifest);

    /// <inheritdoc/>
    public string Description => "no model yet";

    /// <inheritdoc/>
    public ReadOnlySpan<long> InputSaturations => _saturations;

    /// <inheritdoc/>
    public long StateSaturations => 0;

    /// <summary>The first columns and outputs of a stream that has learned nothing.</summary>
    /// <param name="name">Name of the model to be learned.</param>
    /// <param name="columns">Its columns and their units, "" where none is known.</param>
    /// <param name="period">From tick to tick.</param>
    /// <param name="horizons">Ticks ahead of its forecasts, each of every column.</param>
    public static NoModelEngine Of(
        string name, IReadOnlyList<(string Column, string Unit)> columns, TimeSpan period, IReadOnlyList<int> horizons) => new(
            new ModelManifest
            {
                Name = name,
                Columns = [.. columns.Select(each => each.Column)],
                Units = [.. columns.Select(each => each.Unit)],
                PeriodSeconds = period.TotalSeconds,
                Mean = new double[columns.Count],
                Std = [.. columns.Select(_ => 1.0)],
                Outputs = [.. horizons.SelectMany(ahead => columns.Select((_, column) => new ModelOutput(column, ahead)))],
                IsTrained = false,
            });

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs) => outputs.Fill(float.NaN);

    /// <inheritdoc/>
    public IInferenceEngine Fork() => new NoModelEngine(manifest);

    /// <inheritdoc/>
    public void CopyStateTo(IInferenceEngine fork)
    {
    }

    /// <inheritdoc/>
    public float[] ExportState() => [];

    /// <inheritdoc/>
    public void ImportState(ReadOnlySpan<float> values) => RequireNone(values.Length);

    /// <inheritdoc/>
    public byte[] SaveState() => [];

    /// <inheritdoc/>
    public void RestoreState(ReadOnlySpan<byte> saved) => RequireNone(saved.Length);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static void RequireNone(int length)
    {
        if (length > 0)
        {
            throw new ModelFormatException("The state is that of a model, and this stream has none.");
        }
    }

    private static string Hash(ModelManifest manifest)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            manifest.Write(json);
        }

        return Convert.ToHexStringLower(SHA256.HashData(bytes.ToArray()));
    }
}
