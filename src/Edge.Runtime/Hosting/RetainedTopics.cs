using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Payloads;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>
/// The topics whose messages are retained, kept with the state: those of a renamed stream or device are cleared. Those of another device
/// are cleared only if the state was written in its place since the machine booted. Otherwise it may be a copy, and its device may run.
/// </summary>
internal sealed class RetainedTopics
{
    private const string TopicsKey = "retained";
    private const string PlaceKey = "retained_place";

    private readonly StateStore? _store;

    /// <param name="config">The configuration.</param>
    /// <param name="topics">The topics that it retains.</param>
    /// <param name="before">The topics that the previous configuration of this process retained.</param>
    /// <param name="store">Keeps them, or null.</param>
    /// <param name="log">Says which topics are left.</param>
    internal RetainedTopics(
        EdgeConfig config, IEnumerable<string> topics, IReadOnlyCollection<string> before, StateStore? store, ILogger log)
    {
        _store = store;
        Current = [.. topics];
        string place = store is null ? "" : $"{InfoMessage.BootId()} {Path.GetFullPath(config.StateFolder!)}";
        Stale = [.. (store is null ? [] : Own(store, place, config, log)).Concat(before).Distinct().Except(Current)];

        // The place last: a state that names it has no topics of another device any more.
        store?.Remember(TopicsKey, string.Join('\n', Current.Concat(Stale)));
        store?.Remember(PlaceKey, place);
    }

    /// <summary>Topics that this configuration retains.</summary>
    internal IReadOnlyList<string> Current { get; }

    /// <summary>Topics that an earlier configuration of this device retained and this one does not use.</summary>
    internal IReadOnlyList<string> Stale { get; }

    /// <summary>Forgets the topics of <see cref="Stale"/>, once they are cleared.</summary>
    internal void NoteCleared() => _store?.Remember(TopicsKey, string.Join('\n', Current));

    // The topics in the state that are this device's to clear.
    private static string[] Own(StateStore store, string place, EdgeConfig config, ILogger log)
    {
        string[] kept = store.Recall(TopicsKey)?.Split('\n') ?? [];
        if (kept.Length == 0 || kept.Contains(Topics.Status(config.Device)) || store.Recall(PlaceKey) == place)
        {
            return kept;
        }

        SayLeft(config, kept, log);
        return [];
    }

    private static void SayLeft(EdgeConfig config, string[] topics, ILogger log)
    {
        string[] devices = [.. topics.Where(IsOfDevice).Select(topic => topic.Split('/')[1]).Distinct()];
        IEnumerable<string> filters = [.. devices.Select(device => $"edge/{device}/#"), .. topics.Where(topic => !IsOfDevice(topic))];
        log.LogWarning(
            "The state in '{Folder}' is that of device {Devices}, which may still run: its retained messages stay at the broker. If it was "
                + "renamed to '{Device}', remove them: mosquitto_sub -h {Host} -p {Port} --retained-only --remove-retained -W 2 {Filters}",
            config.StateFolder,
            string.Join(", ", devices.Select(device => $"'{device}'")),
            config.Device,
            config.Mqtt.Host,
            config.Mqtt.Port,
            string.Join(' ', filters.Select(filter => $"-t '{filter}'")));
    }

    private static bool IsOfDevice(string topic) => topic.StartsWith("edge/", StringComparison.Ordinal);
}
