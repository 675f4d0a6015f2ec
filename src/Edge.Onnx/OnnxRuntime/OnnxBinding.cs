using Microsoft.ML.OnnxRuntime;
using OrtSession = Microsoft.ML.OnnxRuntime.InferenceSession;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>
/// Inputs and outputs of a graph, bound once for many runs. Inputs in host memory may change between runs: for a graph on a GPU, ONNX
/// Runtime copies such an input when it is bound and not when the graph runs, so there each run binds it again.
/// </summary>
internal sealed class OnnxBinding : IDisposable
{
    private readonly OrtSession _session;
    private readonly OrtIoBinding _binding;
    private readonly List<(string Name, OrtValue Value)>? _copied;

    /// <param name="session">The graph.</param>
    /// <param name="isOnHost">Whether it runs on the processor, which reads host memory itself.</param>
    internal OnnxBinding(OrtSession session, bool isOnHost)
    {
        _session = session;
        _binding = session.CreateIoBinding();
        _copied = isOnHost ? null : [];
    }

    /// <summary>Binds an input in host memory, whose values may change.</summary>
    internal void BindHostInput(string name, OrtValue value)
    {
        _binding.BindInput(name, value);
        _copied?.Add((name, value));
    }

    /// <summary>Binds an input in the memory of the graph's device.</summary>
    internal void BindDeviceInput(string name, OrtValue value) => _binding.BindInput(name, value);

    /// <summary>Binds an output of known shape in any memory.</summary>
    internal void BindOutput(string name, OrtValue value) => _binding.BindOutput(name, value);

    /// <summary>Binds an output of unknown shape, to be allocated in host memory.</summary>
    internal void BindUnknownOutput(string name) => _binding.BindOutputToDevice(name, OrtMemoryInfo.DefaultInstance);

    /// <summary>Runs the graph; outputs in host memory are there when it returns.</summary>
    internal void Run(RunOptions options)
    {
        if (_copied is not null)
        {
            foreach ((string name, OrtValue value) in _copied)
            {
                _binding.BindInput(name, value);
            }
        }

        _session.RunWithBinding(options, _binding);
    }

    /// <summary>The outputs of the last run, in the order of binding.</summary>
    internal IDisposableReadOnlyCollection<OrtValue> Outputs() => _binding.GetOutputValues();

    public void Dispose() => _binding.Dispose();
}
