using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Engines;

/// <summary>A stateful model and the state of one stream. Each step takes one row.</summary>
public interface IInferenceEngine : IDisposable
{
    /// <summary>The manifest: what the model reads and forecasts.</summary>
    ModelManifest Manifest { get; }

    /// <summary>SHA-256 of the model file, lower-case hex.</summary>
    string ModelSha256 { get; }

    /// <summary>Description of the engine for users: <c>int8, scalar kernel</c>.</summary>
    string Description { get; }

    /// <summary>How often each input was clipped to its range.</summary>
    ReadOnlySpan<long> InputSaturations { get; }

    /// <summary>How often a unit's cell or hidden state was clipped to its range, over all units.</summary>
    long StateSaturations { get; }

    /// <summary>One step over normalized, finite inputs [I] to normalized outputs [O].</summary>
    void Step(ReadOnlySpan<float> inputs, Span<float> outputs);

    /// <summary>Rows were missed: the next step is not of the row after that of the last one. By default the state stands still.</summary>
    /// <param name="rows">How many, 0 or more.</param>
    void Skip(long rows)
    {
    }

    /// <summary>Rows after which a state that began empty holds all rows that the model reads; 0 if it keeps no rows.</summary>
    int LagRowCount => 0;

    /// <summary>Creates another engine of the same model, with its own state.</summary>
    IInferenceEngine Fork();

    /// <summary>Copies the state to an engine that <see cref="Fork"/> created.</summary>
    void CopyStateTo(IInferenceEngine fork);

    /// <summary>The state in real numbers: hidden states of every recurrent layer, then cell states of every LSTM layer.</summary>
    float[] ExportState();

    /// <summary>Continues from a state in real numbers, of another engine with the same weights.</summary>
    /// <exception cref="ModelFormatException">It is another model's.</exception>
    void ImportState(ReadOnlySpan<float> values);

    /// <summary>The state with a header that names its model: what <see cref="RestoreState"/> takes.</summary>
    byte[] SaveState();

    /// <summary>Continues from a saved state.</summary>
    /// <exception cref="ModelFormatException">The state is damaged or another model's.</exception>
    void RestoreState(ReadOnlySpan<byte> saved);
}
