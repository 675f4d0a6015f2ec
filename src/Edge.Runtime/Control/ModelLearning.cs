using System.Globalization;
using System.Security.Cryptography;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Delivery;
using Edge.Sensors;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Control;

/// <summary>A stream that learns.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Options">When, and with what.</param>
/// <param name="ModelPath">File of its model, which need not be there yet.</param>
/// <param name="CanaryTicks">Length of the canary phase.</param>
internal sealed record LearningStream(string Name, LearnOptions Options, string ModelPath, int CanaryTicks);

/// <summary>
/// Lets streams learn models from their own stored rows: the first once there are enough, later ones on a schedule. A model must beat
/// persistence, and the model in use, on the newest rows before its canary phase begins. Where only a profile is learned, the weights
/// stay. One stream learns at a time. docs/train.md.
/// </summary>
internal sealed partial class ModelLearning : IDisposable
{
    // Rows are not older than this.
    private const double DaysMax = 3660;

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    private readonly IReadOnlyList<LearningStream> _streams;
    private readonly string _folder;
    private readonly Func<string, StreamControl> _control;
    private readonly ModelUpdates _updates;
    private readonly ModelEvents _events;
    private readonly StateStore _store;
    private readonly TrainAction _train;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _said = [];
    private readonly Dictionary<string, LearnSchedule> _schedules;
    private Task _running = Task.CompletedTask;

    /// <param name="streams">The streams that learn.</param>
    /// <param name="folder">Where trained models wait for the end of their canary phase.</param>
    /// <param name="control">Finds a stream.</param>
    /// <param name="updates">Takes models in.</param>
    /// <param name="events">Reports what happens.</param>
    /// <param name="store">Remembers when each stream learned.</param>
    /// <param name="train">Trains a model.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">The log.</param>
    /// <exception cref="InputException">A folder cannot be created.</exception>
    internal ModelLearning(
        IReadOnlyList<LearningStream> streams,
        string folder,
        Func<string, StreamControl> control,
        ModelUpdates updates,
        ModelEvents events,
        StateStore store,
        TrainAction train,
        TimeProvider clock,
        ILogger log)
    {
        (_streams, _folder, _control, _updates, _events) = (streams, folder, control, updates, events);
        (_store, _train, _clock, _log) = (store, train, clock, log);
        _schedules = streams.ToDictionary(stream => stream.Name, stream => Recall(stream.Name));
        updates.Decided += Decide;
        try
        {
            Directory.CreateDirectory(folder);
            foreach (LearningStream stream in streams)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(stream.ModelPath)!);
            }
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"'learn' cannot use '{folder}': {e.Message}", e);
        }
    }

    /// <summary>Whether a stream has a learned model whose canary phase the last end of the service has interrupted.</summary>
    internal bool Found(string stream) => _streams.Any(each => each.Name == stream) && File.Exists(CandidateOf(stream));

    /// <summary>Begins to look for streams that are to learn.</summary>
    internal void Start() => _running = Task.Run(RunAsync);

    /// <summary>What a stream that learns does now, for a person; null for a stream that does not learn.</summary>
    internal string? StateOf(string stream)
    {
        if (_streams.FirstOrDefault(each => each.Name == stream) is not { } learning)
        {
            return null;
        }

        lock (_gate)
        {
            if (_said.TryGetValue(stream, out string? now))
            {
                return now;
            }
        }

        SensorStream running = _control(stream).Stream;
        LearnSchedule schedule = ScheduleOf(stream);
        double share = Share(learning, running);
        string normal = learning.Options.IsProfile ? " what is normal" : "";
        DateTimeOffset? next = schedule.Next(learning.Options, HasLearned(learning, running), _clock.LocalTimeZone);
        return schedule.Ended is null && share < 1
                ? string.Create(CultureInfo.InvariantCulture, $"Has {100 * share:0} % of the readings that it needs to learn{normal}.")
            : next is { } time && time > _clock.GetUtcNow()
                ? string.Create(CultureInfo.InvariantCulture, $"Learns{normal} again from {time.UtcDateTime:yyyy-MM-dd HH:mm} UTC on.")
            : $"Learns{normal} soon.";
    }

    public void Dispose()
    {
        _stop.Cancel();
        try
        {
            _running.Wait(TimeSpan.FromSeconds(2));
        }
        catch (AggregateException)
        {
            // It was logged.
        }

        _updates.Decided -= Decide;
        _stop.Dispose();
    }

    // Of the readings that it needs to learn for the first time.
    private static double Share(LearningStream stream, SensorStream running) =>
        Math.Min(1, running.Seq * (running.Period / stream.Options.After));

    private async Task RunAsync()
    {
        try
        {
            foreach (LearningStream stream in _streams.Where(each => File.Exists(CandidateOf(each.Name))))
            {
                // It was in its canary phase when the process ended.
                await OfferAsync(stream).ConfigureAwait(false);
            }

            while (true)
            {
                foreach (LearningStream stream in _streams)
                {
                    await GuardAsync(stream).ConfigureAwait(false);
                }

                await Task.Delay(LookEvery, _clock, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    // Whatever happens to the learning of one stream, all tick on and the others to learn.
    private async Task GuardAsync(LearningStream stream)
    {
        LearnSchedule before = ScheduleOf(stream.Name);
        try
        {
            await LookAsync(stream).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // An orderly stop is no failure.
            Remember(stream.Name, before);
            throw;
        }
        catch (Exception e)
        {
            string bug = $"a bug in edge-runtime ({e.GetType().Name}): {PrintableText.Of(e.Message)}";
            Say(stream.Name, "failed", $"No new {What(stream)}, by {bug}");
        }
    }

    private async Task LookAsync(LearningStream stream)
    {
        SensorStream running = _control(stream.Name).Stream;
        LearnSchedule schedule = ScheduleOf(stream.Name);
        DateTimeOffset now = _clock.GetUtcNow();
        if (_updates.IsOnTrial(stream.Name)
            || (schedule.Ended is null && Share(stream, running) < 1)
            || schedule.Next(stream.Options, HasLearned(stream, running), _clock.LocalTimeZone) > now)
        {
            return;
        }

        Remember(stream.Name, schedule with { Begun = now, Unended = schedule.Unended + 1 });
        await LearnAsync(stream, running).ConfigureAwait(false);
        Remember(stream.Name, new LearnSchedule(_clock.GetUtcNow(), null, 0));
    }

    private async Task LearnAsync(LearningStream stream, SensorStream running)
    {
        bool isTrained = running.Manifest.IsTrained;
        double reachDays = Math.Min(
            stream.Options.RowsMax(running.Manifest.Columns.Count) * running.Period.TotalDays, DaysMax);
        Say(stream.Name, "learning", stream.Options.IsProfile
            ? "Learns what is normal from the stored rows."
            : isTrained
            ? "Learns again from the stored rows."
            : "Learns its first model from the stored rows.");
        try
        {
            ModelManifest manifest = running.Manifest;
            string inUse = running.Engine.ModelSha256;
            if (!manifest.IsForecast && !stream.Options.IsProfile)
            {
                throw new InputException("the model in use has outputs that are no forecasts, and those cannot be learned here.");
            }

            var job = new LearningJob(
                stream.Name,
                stream.Options,
                manifest.Name,
                [.. manifest.Columns.Zip(manifest.Units)],
                [.. manifest.Outputs.Where(output => output.IsForecast).Select(output => manifest.Columns[output.Column]).Distinct()],
                [.. manifest.Outputs.Where(output => output.IsForecast).Select(output => output.TicksAhead).Distinct()],
                running.Period,
                reachDays < DaysMax ? running.LastTime.AddDays(-reachDays) : null,
                FirstOf(stream),
                isTrained ? stream.ModelPath : null);
            string path = await _train(job, _stop.Token).ConfigureAwait(false);
            if (stream.Options.IsProfile)
            {
                RememberProfile(stream, inUse, path);
            }
            else if (WhyNot(path) is { } reason)
            {
                File.Delete(path);
                throw new InputException(reason);
            }

            if (path != CandidateOf(stream.Name))
            {
                File.Move(path, CandidateOf(stream.Name), overwrite: true);
            }

            await OfferAsync(stream).ConfigureAwait(false);
        }
        catch (Exception e) when (e is InputException or ModelFormatException || FileFault.Is(e))
        {
            Say(stream.Name, "failed", $"No new {What(stream)}: {PrintableText.Of(e.Message, 500)}");
        }
        finally
        {
            lock (_gate)
            {
                _said.Remove(stream.Name);
            }
        }
    }

    // Since when there has been a model, as far as its anomalies are concerned, or a profile of this device: that of another device may
    // have been wrong.
    private DateTime? FirstOf(LearningStream stream)
    {
        DateTime? first = TryTime(_store.Recall(FirstKey(stream)) ?? "", out DateTimeOffset known) ? known.UtcDateTime : null;
        return stream.Options.IsProfile ? first ?? DateTime.UnixEpoch
            : stream.Options.Columns.Count == 0 ? DateTime.UnixEpoch
            : first;
    }

    // A model earns its place: over all outputs its mean square error on rows that it has not seen is smaller than those of persistence
    // and of the model in use.
    private static string? WhyNot(string path)
    {
        ModelManifest manifest = EdgeModel.Load(path).Manifest;
        if (manifest.OutputRmse is not { } ours || manifest.Baselines.Count == 0)
        {
            return "the newest rows say nothing of its errors: they are marked as faults, or were not measured.";
        }

        foreach (string name in new[] { ModelManifest.Persistence, "model in use" })
        {
            if (manifest.Baselines.TryGetValue(name, out IReadOnlyList<double>? theirs))
            {
                int[] both = [.. Enumerable.Range(0, ours.Count).Where(k => double.IsFinite(ours[k]) && double.IsFinite(theirs[k]))];
                double own = Math.Sqrt(both.Select(k => ours[k] * ours[k]).DefaultIfEmpty(double.NaN).Average());
                double other = Math.Sqrt(both.Select(k => theirs[k] * theirs[k]).DefaultIfEmpty(double.NaN).Average());
                if (!(own < other))
                {
                    string of = name == ModelManifest.Persistence ? name : $"the {name}";
                    return string.Create(
                        CultureInfo.InvariantCulture,
                        $"on the newest rows its error is {own:G3} standard deviations, and that of {of} {other:G3}.");
                }
            }
        }

        return null;
    }

    private async Task OfferAsync(LearningStream stream)
    {
        string path = CandidateOf(stream.Name);
        try
        {
            byte[] file = RegularFile.ReadBytes(path, ModelAssembly.ModelMaxBytes);
            string sha256 = Convert.ToHexStringLower(SHA256.HashData(file));
            if (sha256 == _control(stream.Name).Stream.Engine.ModelSha256)
            {
                // The process ended after the model was taken and before that was said.
                Decide(stream.Name);
                _events.Say(stream.Name, "taken", sha256, null, $"The new {What(stream)} is in use.");
                return;
            }

            if (stream.Options.IsProfile && WhyNotNow(stream, sha256) is { } reason)
            {
                Say(stream.Name, "failed", $"No new profile: {reason}");
                Delete(path);
                return;
            }

            await _updates.OfferLearnedAsync(stream.Name, file, stream.CanaryTicks).ConfigureAwait(false);
        }
        catch (InputException)
        {
            // It was said.
            Delete(path);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            Say(stream.Name, "failed", $"The new model cannot be read: {e.Message}");
            Delete(path);
        }
    }

    private void Decide(string stream)
    {
        if (_streams.FirstOrDefault(each => each.Name == stream) is { } learning)
        {
            Delete(CandidateOf(stream));
            SensorStream running = _control(stream).Stream;
            if (_store.Recall(FirstKey(learning)) is null
                && (learning.Options.IsProfile ? IsResult(learning, running) : running.Manifest.IsTrained))
            {
                _store.Remember(FirstKey(learning), Text(running.LastTime));
            }
        }
    }

    private void Say(string stream, string change, string message)
    {
        lock (_gate)
        {
            _said[stream] = message;
        }

        _events.Say(stream, change, null, null, message);
    }

    private LearnSchedule ScheduleOf(string stream)
    {
        lock (_gate)
        {
            LearnSchedule stored = _schedules[stream];
            return stored with { Ended = Past(stored.Ended), Begun = Past(stored.Begun) };
        }
    }

    private LearnSchedule Recall(string stream)
    {
        string[] parts = (_store.Recall(Key(stream)) ?? "").Split(' ');
        return parts.Length == 3 && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int unended)
            ? new LearnSchedule(
                TryTime(parts[0], out DateTimeOffset ended) ? ended : null,
                TryTime(parts[1], out DateTimeOffset begun) ? begun : null,
                unended)
            : default;
    }

    // A time that lies ahead was written by a clock that was wrong.
    private DateTimeOffset? Past(DateTimeOffset? time) => time > _clock.GetUtcNow() ? _clock.GetUtcNow() : time;

    private void Remember(string stream, LearnSchedule schedule)
    {
        lock (_gate)
        {
            _schedules[stream] = schedule;
        }

        _store.Remember(
            Key(stream),
            string.Create(CultureInfo.InvariantCulture, $"{Text(schedule.Ended)} {Text(schedule.Begun)} {schedule.Unended}"));
    }

    private string CandidateOf(string stream) => Path.Combine(_folder, $"{stream}.safetensors.trial");

    private void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            _log.LogError("{Path} cannot be removed: {Message}", path, e.Message);
        }
    }

    private static string Text(DateTimeOffset? time) =>
        time is { } known ? known.UtcDateTime.ToString(Timestamp.Format, CultureInfo.InvariantCulture) : "-";

    private static bool TryTime(string text, out DateTimeOffset time) => DateTimeOffset.TryParse(
        text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time);

    private static string Key(string stream) => $"learn:{stream}";

    private static string FirstKey(LearningStream stream) => $"learn:{stream.Name}:first{(stream.Options.IsProfile ? "-profile" : "")}";
}
