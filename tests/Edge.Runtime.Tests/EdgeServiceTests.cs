using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Edge.Testing;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Tests;

/// <summary>What the service says at its start.</summary>
public sealed class EdgeServiceTests
{
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
}
