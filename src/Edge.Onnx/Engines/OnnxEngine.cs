using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.OnnxRuntime;
using Edge.Streams.Engines;

namespace Edge.Onnx.Engines;

/// <summary>One stream of a float model on ONNX Runtime. Streams of the same model share it and are stepped together.</summary>
internal sealed class OnnxEngine : IInferenceEngine
{
    private readonly OnnxModel _model;
    private readonly int _row;
    private readonly long[] _saturations;
    private bool _isDisposed;

    internal OnnxEngine(OnnxModel model, ModelManifest manifest)
    {
        _model = model;
        _row = model.Open();
        _saturations = new long[model.InputCount];
        Manifest = manifest;
    }

    public ModelManifest Manifest { get; }

    public string ModelSha256 => _model.Sha256;

    public string Description
    {
        get
        {
            string without = _model.LeftOut.Count == 0
                ? ""
                : $", without output {string.Join(", ", _model.LeftOut.Select(output => $"'{output}'"))}, which the manifest does not name";
            string refused = _model.Refused.Count == 0 ? "" : $" ({string.Join(" ", _model.Refused)})";
            return $"onnx {OnnxLibrary.Version}{without}, {_model.Provider}{refused}";
        }
    }

    /// <summary>Always 0: floats are not clipped.</summary>
    public ReadOnlySpan<long> InputSaturations => _saturations;

    /// <summary>Always 0: floats are not clipped.</summary>
    public long StateSaturations => 0;

    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _model.Step(_row, inputs, outputs);
    }

    public IInferenceEngine Fork() => new OnnxEngine(_model, Manifest);

    public void CopyStateTo(IInferenceEngine fork) => ((OnnxEngine)fork).ImportState(ExportState());

    public float[] ExportState()
    {
        float[] values = new float[_model.StateCount];
        _model.Read(_row, values);
        return values;
    }

    public void ImportState(ReadOnlySpan<float> values)
    {
        if (values.Length != _model.StateCount)
        {
            throw new ModelFormatException(
                $"The state has {values.Length} values, but this model has {_model.StateCount}. It belongs to another model. "
                    + $"Start without it.");
        }

        _model.Write(_row, values);
    }

    public byte[] SaveState() => _model.Save(_row);

    public void RestoreState(ReadOnlySpan<byte> saved) => _model.Restore(_row, saved);

    public void Dispose()
    {
        // A second time, the row may be another stream's.
        if (!_isDisposed)
        {
            _isDisposed = true;
            _model.Close(_row);
        }
    }
}
