using System.Text;
using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Onnx.Graphs;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Import;
using Edge.Quantize.Quantization;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>
/// Files as they come from a bad disk or a bad person: nothing but the documented refusal, no hang, no memory. The fast suite takes a
/// sample of the random mutations; EDGE_TEST_CASES=200000 is the long run.
/// </summary>
public sealed class FuzzTests : IDisposable
{
    private const long BytesMax = 500L << 20;
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(2);
    private static readonly int Cases = int.TryParse(Environment.GetEnvironmentVariable("EDGE_TEST_CASES"), out int cases) ? cases : 6000;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> TinyModels => ["tiny.onnx", "tiny_state.safetensors", "tiny_book.npz"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(TinyModels))]
    public void Every_truncation_and_bit_flip_of_a_float_model_is_refused_or_usable(string name)
    {
        byte[] file = Export(name);
        for (int length = 0; length < file.Length; length++)
        {
            ImportsOrRefuses(file[..length], quantizes: length % 8 == 0);
        }

        for (int bit = 0; bit < file.Length * 8; bit++)
        {
            byte[] damaged = [.. file];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            ImportsOrRefuses(damaged, quantizes: bit % 8 == 6);
        }
    }

    [Fact]
    public void Every_truncation_and_bit_flip_of_an_int8_model_is_refused_or_whole()
    {
        byte[] file = ModelVariant.WithoutChecksum(RandomModels.Int8(1, 1, 1, 1, 1));
        for (int length = 0; length < file.Length; length++)
        {
            Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(file.AsMemory(0, length)));
        }

        for (int bit = 0; bit < file.Length * 8; bit++)
        {
            byte[] damaged = [.. file];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Bounded(() => ParsesOrRefuses(damaged));
        }
    }

    [Fact]
    public void Every_truncation_and_bit_flip_of_a_manifest_is_refused_or_whole()
    {
        byte[] file = Encoding.UTF8.GetBytes(Manifest);
        for (int length = 0; length < file.Length; length++)
        {
            Bounded(() => ManifestOrRefusal(file[..length]));
        }

        for (int bit = 0; bit < file.Length * 8; bit++)
        {
            byte[] damaged = [.. file];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Bounded(() => ManifestOrRefusal(damaged));
        }
    }

    [Fact]
    public void Random_mutations_of_every_format_are_refused_or_usable()
    {
        byte[][] int8 =
        [
            .. Enumerable.Range(0, 12).Select(seed => RandomModels.Int8Family(seed, 3, 4, 2, 2)),
            .. Enumerable.Range(0, 6).Select(seed => RandomModels.Int8WithResiduals(seed, 3, 4, 2)),
            .. Enumerable.Range(0, 6).Select(seed => RandomStacks.Int8(seed, 3, headsMax: 2, headUnitsMax: 3)),
        ];
        byte[][] seeds =
        [
            .. Directory.GetFiles(RepositoryFile.Path("tests/Edge.Quantize.Tests/Exports"))
                .Where(path => !path.EndsWith(".py", StringComparison.Ordinal)
                    && !path.EndsWith(".y", StringComparison.Ordinal)
                    && !path.EndsWith(".f32", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
                .Select(File.ReadAllBytes),
            .. int8.Select(ModelVariant.WithoutChecksum),
            .. Enumerable.Range(0, 4).Select(seed => RandomCheckpoint.Of(seed)),
            Encoding.UTF8.GetBytes(Manifest),
        ];
        var random = new Random(20260101);
        for (int i = 0; i < Cases; i++)
        {
            byte[] mutated = Mutation.Of(seeds[random.Next(seeds.Length)], seeds[random.Next(seeds.Length)], random);
            try
            {
                ImportsOrRefuses(mutated, quantizes: i % 50 == 0);
                Bounded(() => ParsesOrRefuses(mutated));
                Bounded(() => ManifestOrRefusal(mutated));
            }
            catch (Exception e)
            {
                string kept = Path.Combine(Path.GetTempPath(), $"edge-fuzz-{i}.bin");
                File.WriteAllBytes(kept, mutated);
                throw new InvalidOperationException($"mutation {i}, kept in {kept}", e);
            }
        }
    }

    [Fact]
    public void Well_formed_graphs_that_make_no_sense_are_refused_or_usable()
    {
        byte[][] seeds = Directory.GetFiles(RepositoryFile.Path("tests/Edge.Quantize.Tests/Exports"), "*.onnx")
            .Order(StringComparer.Ordinal)
            .Select(File.ReadAllBytes)
            .ToArray();
        var random = new Random(20260102);
        for (int i = 0; i < Cases; i++)
        {
            byte[] mutated = GraphMutation.Of(seeds[random.Next(seeds.Length)], random);
            try
            {
                ImportsOrRefuses(mutated, quantizes: i % 20 == 0);
            }
            catch (Exception e)
            {
                string kept = Path.Combine(Path.GetTempPath(), $"edge-fuzz-graph-{i}.bin");
                File.WriteAllBytes(kept, mutated);
                throw new InvalidOperationException($"mutation {i}, kept in {kept}", e);
            }
        }
    }

    // Files that once ended in something else than a sentence.
    [Fact]
    public void What_found_something_once_finds_nothing_now()
    {
        string[] corpus = Directory.GetFiles(RepositoryFile.Path("tests/Edge.Quantize.Tests/Corpus"));
        Assert.NotEmpty(corpus);
        Assert.All(corpus, path => ImportsOrRefuses(File.ReadAllBytes(path), quantizes: true));
    }

    private const string Manifest =
        """{"name":"m","columns":["a","b"],"units":["V","A"],"period_seconds":1,"mean":[0,1],"std":[1,2]"""
            + ""","min":[0,null],"max":[9,null],"outputs_named":["a[t+1]","b[t+12]"],"train_rows":[0,10],"test_rows":[10,20]}""";

    private static void ImportsOrRefuses(byte[] bytes, bool quantizes) => Bounded(() =>
    {
        StepsOrRefuses(bytes);
        try
        {
            FloatModel model = FloatModels.Import(bytes);
            if (quantizes)
            {
                Quantize(model);
            }
        }
        catch (InputException e)
        {
            Assert.InRange(e.Message.Length, 20, 2000);
        }
    });

    private static void StepsOrRefuses(byte[] bytes)
    {
        try
        {
            BankGraph.Step(StepGraph.Read(bytes));
        }
        catch (ModelFormatException e)
        {
            Assert.InRange(e.Message.Length, 20, 2000);
        }
    }

    // Weights that a flipped bit made enormous must end in a sentence too.
    private static void Quantize(FloatModel model)
    {
        if (model.InputCount > 16 || model.OutputCount > 64 || model.Layers.Any(layer => layer.UnitCount > 64))
        {
            return;
        }

        ModelManifest manifest = ModelManifest.Plain("m", model.InputCount, model.OutputCount);
        ReadingsFile readings = ReadingsFile.Of(
            Enumerable.Range(0, 40 * model.InputCount).Select(i => i % model.InputCount < model.ReadingCount ? MathF.Sin(i) : 0).ToArray(),
            model.InputCount);
        var reference = new FloatRun(model, readings, manifest);
        ActivationStatistics statistics = ActivationStatistics.Measure(model, readings, 0, 32);
        new PrecisionSearch(reference, statistics, new QuantizationSettings(), 0.001, "{}", (_, _) => { }).Run(Precision.Auto);
    }

    private static void ParsesOrRefuses(byte[] bytes)
    {
        try
        {
            EdgeModel.Parse(bytes);
        }
        catch (ModelFormatException)
        {
            // The documented refusal.
        }
    }

    private static void ManifestOrRefusal(byte[] bytes)
    {
        try
        {
            ModelManifest.Parse(bytes);
        }
        catch (ModelFormatException)
        {
            // The documented refusal.
        }
    }

    private static void Bounded(Action action)
    {
        long bytes = GC.GetAllocatedBytesForCurrentThread();
        TimeSpan started = ThreadTime.Now;
        action();
        Assert.InRange(ThreadTime.Now - started, TimeSpan.Zero, TimeMax);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - bytes, 0, BytesMax);
    }

    private static byte[] Export(string name) => File.ReadAllBytes(RepositoryFile.Path($"tests/Edge.Quantize.Tests/Exports/{name}"));
}
