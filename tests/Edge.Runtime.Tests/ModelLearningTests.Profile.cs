using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Control;
using Edge.Streams.Engines;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>When a stream learns what is normal, for a model whose weights stay.</summary>
public sealed partial class ModelLearningTests
{
    // Of a soft sensor no one knows what it missed: nothing is compared in its canary phase, which ends all the same.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public async Task A_profile_is_learned_for_the_model_in_use_whatever_its_outputs_are(int others)
    {
        byte[] model = _demo;
        ModelManifest manifest = EdgeModel.Parse(_demo).Manifest;
        for (int k = 0; k < Math.Min(others, manifest.Outputs.Count); k++)
        {
            model = ModelVariant.WithOutput(model, manifest.OutputName(k), $"wear_{k}");
        }

        _train = () => Write(model);
        using var rig = new Rig(this, isTrained: true, model: model);
        File.WriteAllBytes(ModelPath, model);
        Assert.Equal("Has 0 % of the readings that it needs to learn what is normal.", rig.Learning.StateOf("greenhouse"));
        rig.Step(100);
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.Equal("learning Learns what is normal from the stored rows.", _said[0]);
        Assert.StartsWith("trial ", _said[1], StringComparison.Ordinal);
        LearningJob job = Assert.Single(_jobs);
        Assert.Equal((ModelPath, DateTime.UnixEpoch), (job.ModelInUse, job.AnomaliesFrom));

        await rig.StepUntilAsync(() => _said.Count == 3);
        Assert.StartsWith("taken ", _said[2], StringComparison.Ordinal);
        Assert.Equal(model, File.ReadAllBytes(ModelPath + ".previous"));
        Assert.Contains("Learns what is normal again from ", rig.Learning.StateOf("greenhouse"), StringComparison.Ordinal);

        // What came with the model was wrong here; from its own profile on, anomalies are faults.
        _clock.Advance(TimeSpan.FromDays(1));
        await rig.UntilAsync(() => _jobs.Count == 2);
        Assert.NotEqual(DateTime.UnixEpoch, _jobs[1].AnomaliesFrom);
        await rig.UntilAsync(() => _said.Count == 5);
        await rig.StepUntilAsync(() => _said.Count == 6);

        // After a rollback it is not learned again at once.
        Task rolledBack = rig.Updates.RollBackAsync("greenhouse");
        await rig.UntilAsync(() => rolledBack.IsCompleted);
        await rig.WaitAsync(TimeSpan.FromMinutes(5));
        Assert.Equal(2, _jobs.Count);
        Assert.Contains("again from ", rig.Learning.StateOf("greenhouse"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_came_while_its_profile_was_learned_stays_and_gets_a_profile_of_its_own()
    {
        using var rig = new Rig(this, isTrained: true, model: _demo);
        byte[] other = ModelVariant.Of(_demo, 99);
        _train = () =>
        {
            if (_jobs.Count == 1)
            {
                Replace(rig, other);
            }

            return Write(_demo);
        };
        rig.Step(100);
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.Equal(
            "failed No new profile: another model came into use while it was learned. It is learned again.", _said[1]);
        Assert.Equal(EdgeModel.Parse(other).Sha256, rig.Control.Stream.Engine.ModelSha256);

        // As long as 100 ticks take, and not only after `every`.
        await rig.UntilAsync(() => _said.Count == 4);
        Assert.StartsWith("trial ", _said[3], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_profile_whose_learning_fails_is_tried_again_after_as_long_as_the_readings_take()
    {
        using var rig = new Rig(this, isTrained: true, model: _demo);
        _train = () => throw new InputException("A profile needs at least 150 rows and at most 256 columns; these are 99 rows of 4.");
        rig.Step(100);
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.StartsWith("failed No new profile: A profile needs at least 150 rows", _said[1], StringComparison.Ordinal);
        DateTimeOffset failed = _clock.GetUtcNow();
        await rig.UntilAsync(() => _jobs.Count == 2);
        Assert.True(_clock.GetUtcNow() - failed < TimeSpan.FromDays(1), "it does not wait for `every`");
    }

    [Fact]
    public void A_profile_needs_no_period_and_no_columns()
    {
        LearnOptions learn = ConfigFile.Parse(
            """
            device: d
            state: state
            streams:
              - { name: s, model: m.safetensors, source: { replay: { file: x.csv } }, learn: { what: profile, after: 7d, every: 30d } }
            """,
            _folder.File("edge.yaml")).Streams[0].Learn!;
        Assert.True(learn.IsProfile);
        Assert.Empty(learn.Columns);
        Assert.Equal((TimeSpan.FromDays(7), TimeSpan.FromDays(30)), (learn.After, learn.Every));
        Assert.Equal(
            "'learn.after' is 1d, which is 144 rows at a period of 10m, and a profile is learned from at least 150 rows. "
                + "Set it to at least 25h.",
            (learn with { After = TimeSpan.FromDays(1) }).WhyNot(TimeSpan.FromMinutes(10), 4, 1000, TimeSpan.FromDays(30)));
    }

    private static void Replace(Rig rig, byte[] model) =>
        rig.Control.ReplaceAsync(running => running.WithEngine(new Int8Engine(EdgeModel.Parse(model)))).Wait();

    // A model as a learned profile would change it; each with a hash of its own.
    private string Write(byte[] model)
    {
        string path = _folder.File("state/learn/greenhouse.safetensors");
        File.WriteAllBytes(path, ModelVariant.Of(model, _jobs.Count));
        return path;
    }
}
