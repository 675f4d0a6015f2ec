using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Streams.Engines;
using Microsoft.Extensions.Logging;

namespace Edge.Cluster.Pipeline;

/// <summary>
/// The model of a rule: loaded once for all partitions, and again when its file changes. While there is none, one sentence says why. For
/// any thread.
/// </summary>
/// <param name="rule">The rule.</param>
/// <param name="clock">When the file is looked at again.</param>
/// <param name="log">What changes.</param>
internal sealed class RuleModel(StreamRule rule, TimeProvider clock, ILogger log)
{
    /// <summary>How often the file is looked at.</summary>
    internal static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private EdgeModel? _model;
    private (long Length, DateTime Written) _file;
    private long _lookedAt;
    private bool _hasLooked;

    internal StreamRule Rule => rule;

    /// <summary>Why there is no model, one sentence; null if there is one.</summary>
    internal string? Problem { get; private set; }

    /// <summary>The model now, or null.</summary>
    internal EdgeModel? Current()
    {
        lock (_gate)
        {
            if (!_hasLooked || clock.GetElapsedTime(_lookedAt) >= LookEvery)
            {
                _lookedAt = clock.GetTimestamp();
                _hasLooked = true;
                Look();
            }

            return _model;
        }
    }

    private void Look()
    {
        var info = new FileInfo(rule.Model);
        (long Length, DateTime Written) now = rule.Model != "demo" && info.Exists ? (info.Length, info.LastWriteTimeUtc) : default;
        if ((_model is not null || Problem is not null) && now == _file)
        {
            return;
        }

        _file = now;
        try
        {
            EdgeModel? before = _model;
            EdgeModel loaded = ((Int8Engine)EngineFactory.LoadInt8(rule.Model)).Model;
            StreamChecks.Require(rule, loaded.Manifest);
            (_model, Problem) = (loaded, null);
            if (before is not null && before.Sha256 != loaded.Sha256)
            {
                log.LogInformation(
                    "Topics '{Topics}': model {Sha} is in use now; streams begin again with it and keep their numbers",
                    rule.Topics.Text,
                    loaded.Sha256[..6]);
            }
        }
        catch (Exception e) when (e is InputException or ModelFormatException)
        {
            // A file that is just being replaced must not stop what runs.
            Problem = e.Message.TrimEnd('.');
            log.LogError(
                "Topics '{Topics}': {Problem}. {Effect}",
                rule.Topics.Text,
                Problem,
                _model is null ? "Its rows are refused until there is a model" : "The model before stays in use");
        }
    }
}
