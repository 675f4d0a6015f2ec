using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>What the service says at its start.</summary>
public sealed class EdgeServiceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("", null)]
    [InlineData("period: 200.19ms, ", null)]
    [InlineData("period: 1s, ", "s: 'period' is 1 s, and the model was trained on rows 0.2 s apart. Remove 'period', or train a model ")]
    public void A_period_that_is_not_the_models_is_said(string period, string? said)
    {
        EdgeConfig config = ConfigFile.Parse(
            $"device: d\nmqtt: {{ host: 127.0.0.1 }}\nstreams: [ {{ name: s, model: demo, {period}source: {{ simulated: {{ }} }} }} ]\n",
            "edge.yaml");
        var log = new ListLog();
        using var service = new EdgeService(config, new FakeTimeProvider(), log);
        string[] warnings = [.. log.Lines.Where(line => line.Level == LogLevel.Warning).Select(line => line.Text)];
        Assert.Equal(said is null ? 0 : 1, warnings.Length);
        Assert.All(warnings, warning => Assert.StartsWith(said!, warning, StringComparison.Ordinal));
    }

    // A model that came over MQTT is kept as a file where edge.yaml says so; that of a stream that learned is gone with its folder.
    [Theory]
    [InlineData("", "", " Offer it again.")]
    [InlineData("models: { unsigned: allowed }", "", " Offer it again. 'models.incoming' keeps such files.")]
    [InlineData("models: { unsigned: allowed, incoming: in }", "", " Offer it again.")]
    [InlineData("models: { unsigned: allowed, incoming: in }", "in/s.safetensors.trial", null)]
    public void A_canary_phase_that_no_start_can_continue_has_ended_and_that_is_said(string models, string file, string? said)
    {
        byte[] demo = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        byte[] next = ModelVariant.Of(demo, 1);
        File.WriteAllBytes(_folder.File("m.safetensors"), demo);
        EdgeConfig config = ConfigFile.Parse(
            $"device: d\nstate: state\nmqtt: {{ host: 127.0.0.1 }}\n{models}\n"
                + "streams: [ { name: s, model: m.safetensors, source: { simulated: { } } } ]\n",
            _folder.File("edge.yaml"));
        var clock = new FakeTimeProvider();
        using (var stream = new SensorStream(new Int8Engine(EdgeModel.Parse(demo)), config.Streams[0]))
        using (StateStore store = StateStore.Open(
            config.StateFolder!, config.Durability, TimeSpan.FromDays(7), clock, "boot", NullLogger.Instance))
        {
            stream.BeginCanary(new Int8Engine(EdgeModel.Parse(next)), 1000);
            stream.Step(new Reading(4));
            store.Commit("s", stream.Seq, stream.Save(), config.Streams[0].Source.Identity, []);
        }

        if (file.Length > 0)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(file))!);
            File.WriteAllBytes(_folder.File(file), next);
        }

        var log = new ListLog();
        using var service = new EdgeService(config, clock, log);
        string sha256 = EdgeModel.Parse(next).Sha256;
        Assert.Contains("s: continues after tick 1", log.Lines.Select(line => line.Text));
        string[] warnings = [.. log.Lines.Where(line => line.Level == LogLevel.Warning).Select(line => line.Text)];
        Assert.Equal(
            said is null ? []
                : [
                    $"s: model {sha256[..6]} refused: Its canary phase has ended with the service, because the file of the model is not "
                        + $"there.{said}",
                ],
            warnings);
        Assert.Equal(said is null ? sha256 : null, service.Streams[0].InterruptedCanary);
    }
}
