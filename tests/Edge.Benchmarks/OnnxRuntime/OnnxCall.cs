using Edge.Onnx;
using Edge.Onnx.Graphs;
using Edge.Onnx.OnnxRuntime;
using Microsoft.ML.OnnxRuntime;

namespace Edge.Benchmarks;

/// <summary>One call of the engine onnx for many streams, as it makes it for streams that tick while another call runs.</summary>
internal sealed class OnnxCall : IDisposable
{
    private readonly RunOptions _run = new();
    private readonly InferenceSession[] _sessions;
    private readonly OnnxBank _bank;
    private readonly OnnxBatch _batch;

    internal OnnxCall(string path, OnnxOptions options, int streams, int outputs)
    {
        var step = StepGraph.Read(File.ReadAllBytes(path), Path.GetDirectoryName(path)!, outputs, null);
        OnnxLibrary.Load(options.Library);
        (_sessions, string provider) = OnnxProviders.Open(options, (session, provider, _) => (new[]
        {
            new InferenceSession(BankGraph.Step(step), session),
            new InferenceSession(BankGraph.Read(step.States), session),
            new InferenceSession(BankGraph.Write(step.States), session),
        }, provider));
        using OrtMemoryInfo? device = OnnxProviders.MemoryOf(provider, options);
        _bank = new OnnxBank(step.States, streams, _sessions[1], _sessions[2], device);
        float[] state = new float[step.States.Sum(each => each.Width)];
        for (int row = 0; row < streams; row++)
        {
            _bank.Write(row, state);
        }

        _batch = new OnnxBatch(_sessions[0], step, _bank, streams, [1, streams, outputs]);
        for (int row = 0; row < streams; row++)
        {
            _batch.Rows[row] = row;
        }
    }

    /// <summary>Steps all streams.</summary>
    /// <param name="inputs">Inputs of all streams, one after another.</param>
    /// <returns>Their outputs.</returns>
    internal ReadOnlySpan<float> Step(ReadOnlySpan<float> inputs)
    {
        int width = inputs.Length / _batch.Size;
        for (int stream = 0; stream < _batch.Size; stream++)
        {
            _batch.SetInputs(stream, inputs.Slice(stream * width, width));
        }

        _batch.Run(_run, _bank.Side);
        _bank.Turn();
        return _batch.Outputs;
    }

    public void Dispose()
    {
        _batch.Dispose();
        _bank.Dispose();
        Array.ForEach(_sessions, session => session.Dispose());
        _run.Dispose();
    }
}
