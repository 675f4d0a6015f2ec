using Edge.Inference;
using Edge.Inference.Models;
using Edge.Training.Reference;

namespace Edge.Quantize.Evaluation;

/// <summary>
/// Whether int8 drifts away from float over a long time: the same rows are repeated, and the state is kept. As each block has the
/// same rows, a difference that grows from block to block is drift.
/// </summary>
/// <param name="BlockSteps">Steps of a block.</param>
/// <param name="Worst">Of each block, the worst output's RMS of int8 minus float over its standard deviation.</param>
internal sealed record Drift(int BlockSteps, IReadOnlyList<double> Worst)
{
    private const int BlockMin = 10_000;
    private const int BlockLeast = 1_000;
    private const int StepsMin = 100_000;
    private const double Operations = 5e10;

    internal int Steps => BlockSteps * Worst.Count;

    internal double First => Worst[0];

    /// <summary>The worst block after the first.</summary>
    internal double Later => Worst.Skip(1).Max();

    internal static Drift Measure(FloatRun reference, EdgeModel int8Model, Action<double>? progress = null)
    {
        int least = StepBudget.Of(reference.Model, Operations / 4, BlockLeast, BlockMin);
        int rows = Math.Min(least, reference.Readings.RowCount);
        int block = (least + rows - 1) / rows * rows;
        int steps = StepBudget.Of(reference.Model, Operations, 2 * block, StepsMin);
        int blocks = (steps + block - 1) / block;
        var floatSession = new FloatSession(reference.Model);
        var int8Session = new InferenceSession(int8Model);
        var worst = new double[blocks];
        int outputs = int8Model.OutputCount;
        float[] expected = new float[block * outputs];
        float[] actual = new float[block * outputs];
        for (int b = 0; b < blocks; b++)
        {
            Parallel.Invoke(
                () =>
                {
                    for (int step = 0; step < block; step++)
                    {
                        floatSession.Step(reference.Readings.Row(step % rows), expected.AsSpan(step * outputs, outputs));
                    }
                },
                () =>
                {
                    for (int step = 0; step < block; step++)
                    {
                        int8Session.Step(reference.Readings.Row(step % rows), actual.AsSpan(step * outputs, outputs));
                    }
                });
            var differences = new ErrorSum[outputs];
            for (int at = 0; at < expected.Length; at++)
            {
                differences[at % outputs].Add(actual[at] - expected[at]);
            }

            worst[b] = reference.WorstDifference(differences);
            progress?.Invoke((b + 1.0) / blocks);
        }

        return new Drift(block, worst);
    }
}
