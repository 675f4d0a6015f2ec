using System.Globalization;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Benchmarks;

/// <summary>
/// <c>xlstm</c>: a step of one part of an xLSTM block stack, with its norm, convolution, projections and residual, in every kernel.
/// </summary>
internal static class XlstmBenchmark
{
    internal static void Run()
    {
        Console.WriteLine($"{CellBenchmark.Processor()}; .NET {Environment.Version}; median of 61 rounds");
        Console.WriteLine("part          width  kernel                 ns/step  bytes/step");
        foreach (int width in new[] { 8, 16 })
        {
            Measure("slstm 32", RandomStacks.OneSlstm(32, width), width);
            Measure("slstm 64", RandomStacks.OneSlstm(64, width), width);
            Measure("mlstm 4x16", RandomStacks.OneMlstm(4, 16, width), width);
            Measure("mlstm 2x64", RandomStacks.OneMlstm(2, 64, width), width);
        }
    }

    private static void Measure(string part, byte[] file, int width)
    {
        EdgeModel model = EdgeModel.Parse(file);
        float[] x = [.. Enumerable.Range(0, model.InputCount).Select(i => MathF.Sin(i))];
        float[] y = new float[model.OutputCount];
        foreach (string kernel in InferenceSession.Kernels)
        {
            var session = new InferenceSession(model, kernel);
            int step = 0;
            (double ns, double bytes) = CellBenchmark.Measure(() =>
            {
                x[step++ % x.Length] = -x[0];
                session.Step(x, y);
            });
            Console.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"{part,-12} int{width,-3}  {kernel,-16} {ns,12:0}  {bytes,10:0.##}"));
        }
    }
}
