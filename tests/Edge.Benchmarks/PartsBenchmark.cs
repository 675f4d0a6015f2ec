using Edge.Inference;
using Edge.Inference.Kernels;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Benchmarks;

/// <summary>
/// <c>parts</c>: what a step of an LSTM is made of, each part alone and again and again: the integer products, the gates and the cell that
/// follow them, the head, the input. What is left of a step is what each part waits for the one before.
/// </summary>
internal static unsafe class PartsBenchmark
{
    private const int Outputs = 4;

    internal static void Run()
    {
        Console.WriteLine($"{CellBenchmark.Processor()}; .NET {Environment.Version}; ns, median of 61 rounds");
        Console.WriteLine("input hidden  kernel        products    gates   a block    head   input    step  the rest");
        foreach ((int input, int hidden) in new[] { (4, 16), (8, 32), (8, 64), (16, 128), (32, 256), (32, 512) })
        {
            foreach (string kernel in InferenceSession.Kernels)
            {
                switch (kernel)
                {
                    case "avxvnni":
                        Measure<VectorKernel256<Vnni256>>(kernel, input, hidden);
                        break;
                    case "avx512":
                        Measure<VectorKernel256<SignedPairs512>>(kernel, input, hidden);
                        break;
                    case "avx2":
                        Measure<VectorKernel256<SignedPairs256>>(kernel, input, hidden);
                        break;
                    case "advsimd-dot":
                        Measure<VectorKernel128<AdvSimdDot128>>(kernel, input, hidden);
                        break;
                    case "advsimd":
                        Measure<VectorKernel128<AdvSimd128>>(kernel, input, hidden);
                        break;
                }
            }
        }
    }

    private static void Measure<TKernel>(string kernel, int input, int hidden)
        where TKernel : struct, IKernel
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8(1, input, hidden, 1, Outputs, clips: false));
        PackedModel packed = PackedModel.Of(model, TKernel.ActivationOffset);
        PackedLayer layer = packed.Layers[0]!;
        PinnedBuffer x = PinnedBuffer.OfBlocks(input);
        PinnedBuffer h = PinnedBuffer.OfBlocks(hidden + 4);
        PinnedBuffer newH = PinnedBuffer.OfBlocks(hidden);
        PinnedBuffer c = PinnedBuffer.OfBlocks(hidden);
        PinnedBuffer output = PinnedBuffer.OfBlocks(hidden);
        var sums = new PinnedBuffer(layer.Blocks * sizeof(LstmSums));
        new Random(1).NextBytes(x.As<byte>());
        for (int j = 0; j < hidden; j++)
        {
            newH.As<sbyte>()[j] = (sbyte)((j * 37 % 255) - 127);
        }

        TKernel.Lay((sbyte*)newH.Pointer, hidden, h.Pointer);
        double products = CellBenchmark.Measure(
            () => TKernel.SumLstm(layer, 0, layer.Blocks, x.Pointer, h.Pointer, (LstmSums*)sums.Pointer)).Ns;
        var clipped = new PinnedBuffer(layer.Blocks * sizeof(uint));
        double gates = CellBenchmark.Measure(() => TKernel.ActivateLstm(
            layer, 0, layer.Blocks, (LstmSums*)sums.Pointer, (sbyte*)newH.Pointer, (short*)c.Pointer, (short*)output.Pointer,
            (uint*)clipped.Pointer)).Ns;
        float[] y = new float[Outputs];
        double head = CellBenchmark.Measure(() =>
        {
            fixed (float* to = y)
            {
                TKernel.StepHead(packed.Head!, (short*)output.Pointer, to);
            }
        }).Ns;
        float[] readings = [.. Enumerable.Range(0, input).Select(i => MathF.Sin(i))];
        short[] quantized = new short[input];
        long[] saturations = new long[input];
        double inputs = CellBenchmark.Measure(() =>
        {
            InputQuantizer.RequireUsable(model, readings);
            InputQuantizer.Quantize(model, readings, quantized, saturations);
        }).Ns;
        var session = new InferenceSession(model, kernel);
        double step = CellBenchmark.Measure(() => session.Step(readings, y)).Ns;
        GC.KeepAlive(packed);
        Console.WriteLine(
            $"{input,5} {hidden,6}  {kernel,-12} {products,9:0} {gates,8:0} {gates / layer.Blocks,9:0} {head,7:0} {inputs,7:0} {step,7:0} "
                + $"{step - products - gates - head - inputs,9:0}");
    }
}
