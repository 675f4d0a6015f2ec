using Microsoft.ML.OnnxRuntime;

namespace Edge.Benchmarks;

/// <summary>A step of ONNX Runtime as fast as it can be called: one thread, I/O binding, two sets of state buffers in turn.</summary>
internal sealed class OnnxRuntimeStep : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();
    private readonly OrtIoBinding[] _bindings;
    private readonly List<OrtValue> _values = [];
    private int _turn;

    internal OnnxRuntimeStep(byte[] model, int input, int hidden, int layers, int outputs)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1,
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
        };
        _session = new InferenceSession(model, options);
        OrtValue x = Buffer(input);
        OrtValue y = Buffer(outputs);
        OrtValue[][] states = [Buffers(), Buffers()];
        _bindings = [Bind(states[0], states[1]), Bind(states[1], states[0])];

        OrtValue[] Buffers() => Enumerable.Range(0, 2 * layers).Select(_ => Buffer(hidden)).ToArray();

        OrtIoBinding Bind(OrtValue[] from, OrtValue[] to)
        {
            OrtIoBinding binding = _session.CreateIoBinding();
            binding.BindInput("x", x);
            binding.BindOutput("y", y);
            for (int l = 0; l < layers; l++)
            {
                binding.BindInput($"h{l}", from[2 * l]);
                binding.BindInput($"c{l}", from[(2 * l) + 1]);
                binding.BindOutput($"hn{l}", to[2 * l]);
                binding.BindOutput($"cn{l}", to[(2 * l) + 1]);
            }

            return binding;
        }
    }

    internal void Step()
    {
        _session.RunWithBinding(_run, _bindings[_turn]);
        _turn ^= 1;
    }

    public void Dispose()
    {
        foreach (OrtIoBinding binding in _bindings)
        {
            binding.Dispose();
        }

        _values.ForEach(value => value.Dispose());
        _run.Dispose();
        _session.Dispose();
    }

    private OrtValue Buffer(int size)
    {
        float[] values = new float[size];
        Array.Fill(values, 0.1f);
        OrtValue value = OrtValue.CreateTensorValueFromMemory(values, [1, 1, size]);
        _values.Add(value);
        return value;
    }
}
