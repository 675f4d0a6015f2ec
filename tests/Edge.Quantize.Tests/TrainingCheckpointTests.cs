using System.Globalization;
using Edge.Quantize.Learning;
using Edge.Sensors.Replay;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>Training that is cut off goes on from its checkpoint.</summary>
public sealed class TrainingCheckpointTests : IDisposable
{
    private const int CutAfter = 3;
    private const int MagicBytes = 10;

    private readonly TemporaryFolder _folder = new();
    private readonly string _recording;

    public TrainingCheckpointTests() => _recording = _folder.Write("r.csv", "time,a,b\n" + string.Concat(
        Enumerable.Range(0, 1000).Select(i => string.Create(
            CultureInfo.InvariantCulture,
            $"{1767225600 + (60 * i)},{Math.Sin(i / 9.0):0.####},{Math.Cos(i / 7.0) * Math.Sin(i / 31.0):0.####}\n"))));

    private string Checkpoint => _folder.File("c");

    private LearnerOptions Options => new() { Epochs = 2, Units = 4, Horizons = [1, 5], Checkpoint = Checkpoint };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Cut_off_and_run_again_it_ends_with_the_model_of_an_unbroken_training()
    {
        var unbroken = new ForecastLearner(Rows(), Options with { Checkpoint = null });
        FloatModel expected = unbroken.Run(_ => { }, default);
        CutOff();
        var again = new ForecastLearner(Rows(), Options);
        var trained = new HashSet<Candidate>();
        FloatModel actual = again.Run(progress => trained.Add(progress.Candidate), default);

        Assert.InRange(again.Resumed, CutAfter, unbroken.Candidates.Count - 1);
        Assert.Equal(unbroken.Candidates.Count - again.Resumed, trained.Count);
        Assert.Equal(Told(unbroken), Told(again));
        Assert.Equal(unbroken.Net, again.Net);
        Assert.Equal(expected.Head!.Weight, actual.Head!.Weight);
        Assert.Equal(expected.Head.Bias, actual.Head.Bias);
    }

    [Fact]
    public void With_other_rows_or_options_it_begins_at_its_beginning()
    {
        CutOff();
        Assert.NotEqual(0, Resumed(Options));
        Assert.Equal(0, Resumed(Options with { Seed = 2 }));
        CutOff();
        Assert.Equal(0, Resumed(Options with { Horizons = [1, 6] }));
        CutOff();
        File.AppendAllText(_recording, "1767285600,0.5,0.25\n");
        Assert.Equal(0, Resumed(Options));
    }

    [Fact]
    public void A_damaged_file_counts_as_none()
    {
        byte[] key = TrainingCheckpoint.KeyOf(Rows(), Options);
        CutOff();
        byte[] whole = File.ReadAllBytes(Checkpoint);
        var random = new Random(20261127);
        for (int i = 0; i < 500; i++)
        {
            byte[] damaged = [.. whole];
            damaged[random.Next(MagicBytes, damaged.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(Checkpoint, i % 2 == 0 ? damaged : whole[..random.Next(MagicBytes, whole.Length)]);
            Assert.Null(TrainingCheckpoint.Read(Checkpoint, key, []));
        }

        File.Delete(Checkpoint);
        Assert.Null(TrainingCheckpoint.Read(Checkpoint, key, []));
    }

    [Fact]
    public void Another_file_is_refused_and_left_as_it_is()
    {
        string before = File.ReadAllText(_recording);
        string[] train = ["train", _recording, "--epochs", "1", "--hidden", "4", "-o", _folder.File("m"), "--resume"];
        CommandLine.Refuses([.. train, _recording], "is no checkpoint of a training", "Name another file with --resume");
        Assert.Equal(before, File.ReadAllText(_recording));
        CommandLine.Refuses([.. train, _folder.Path], "is a folder");
    }

    [Fact]
    public void The_command_goes_on_and_deletes_the_file_at_the_end()
    {
        string[] train =
        [
            "train", _recording, "--hidden", "4", "--epochs", "2", "--horizons", "1,5", "--resume", Checkpoint, "-o",
            _folder.File("m.safetensors"),
        ];
        CutOff();
        Assert.Matches($"resumed from '.*': [{CutAfter}-9] candidates had been trained", CommandLine.Done(train));
        Assert.False(File.Exists(Checkpoint));
        byte[] resumed = File.ReadAllBytes(_folder.File("m.safetensors"));
        Assert.DoesNotContain("resumed", CommandLine.Done(train), StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(_folder.File("m.safetensors")), resumed);
    }

    private static IEnumerable<(Candidate Candidate, double Score, string Losses)> Told(ForecastLearner learner) => learner.Candidates
        .OrderBy(each => each.Candidate.Seed)
        .Select(each => (each.Candidate, each.Score, string.Join(',', each.Losses)));

    // Ends in the middle of a candidate, as a kill does, after others have ended.
    private void CutOff()
    {
        var learner = new ForecastLearner(Rows(), Options);
        Assert.Throws<AggregateException>(() => learner.Run(
            _ =>
            {
                if (learner.Candidates.Count >= CutAfter)
                {
                    throw new InvalidOperationException("cut off");
                }
            },
            default));
    }

    private int Resumed(LearnerOptions options)
    {
        var learner = new ForecastLearner(Rows(), options);
        _ = learner.Run(_ => { }, default);
        return learner.Resumed;
    }

    private TrainingRows Rows() => TrainingRows.Load([new ReplayOptions { File = _recording }], [], null, null);
}
