using Edge.Inference;
using Edge.Onnx;
using Edge.Onnx.OnnxRuntime;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>
/// Random graphs: what is accepted equals ONNX Runtime over the whole sequence, what mixes rows is refused. 100,000 with
/// EDGE_TEST_CASES=100000.
/// </summary>
public sealed class RandomGraphTests : IDisposable
{
    private const int Rows = 12;

    private static readonly int Cases = int.TryParse(Environment.GetEnvironmentVariable("EDGE_TEST_CASES"), out int cases) ? cases : 2000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_stepped_equals_the_whole_sequence_and_what_mixes_rows_is_refused()
    {
        (int stepped, int windows, int refused, int imported) = (0, 0, 0, 0);
        string path = _folder.File("random.onnx");
        for (int seed = 0; seed < Cases; seed++)
        {
            var graph = new RandomGraph(seed);
            byte[] bytes = graph.ToBytes();
            File.WriteAllBytes(path, bytes);
            bool isWindow = graph.Mixes && graph.WindowRows > 0;
            try
            {
                using var original = new OnnxSequence(bytes, null);
                Assert.True(!graph.Mixes || isWindow, $"seed {seed}: a graph that mixes rows was accepted");
                int count = graph.WindowRows == 0 ? Rows : isWindow ? graph.WindowRows + 3 : graph.WindowRows;
                float[] rows = RowsOf(seed, count * graph.Width);
                float[][] expected = original.Run(rows, count);
                RequireSame(seed, ImportCheck.Of(expected, path, rows));
                stepped += isWindow ? 0 : 1;
                windows += isWindow ? 1 : 0;
                imported += Import(seed, bytes, expected, rows) ? 1 : 0;
            }
            catch (ModelFormatException e)
            {
                Assert.True(graph.Mixes, $"seed {seed}: a graph that keeps rows apart was refused: {e.Message}");
                Assert.True(e.Message.Contains("node '", StringComparison.Ordinal), $"seed {seed}: no node is named: {e.Message}");
                refused++;
            }
        }

        Assert.True(stepped > Cases / 4 && refused > Cases / 4 && windows > 0 && imported > 0, $"{stepped} {windows} {refused} {imported}");
    }

    // The float import takes fewer operators; those it takes are right.
    private static bool Import(int seed, byte[] bytes, float[][] expected, float[] rows)
    {
        try
        {
            FloatModel model = FloatModels.Import(bytes);
            RequireSame(seed, ImportCheck.Of(expected, model, rows));
            return true;
        }
        catch (InputException)
        {
            return false;
        }
    }

    private static void RequireSame(int seed, ImportDifference difference)
    {
        Assert.True(difference.Rows > 0, $"seed {seed}: nothing was compared");
        Assert.True(difference.Largest <= ImportCheck.Tolerance, $"seed {seed}: {difference.Largest} in row {difference.Row}");
    }

    private static float[] RowsOf(int seed, int count)
    {
        var random = new Random(seed ^ 0x5EED);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 4) - 2)];
    }
}
