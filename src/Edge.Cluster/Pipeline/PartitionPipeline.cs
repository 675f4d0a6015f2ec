using Edge.Cluster.Broker;
using Edge.Cluster.Storage;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime;
using Edge.Runtime.Configuration;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Cluster.Pipeline;

/// <summary>
/// The streams of a partition that are in memory, and a batch of rows through them: load what is missing, step the streams of one model
/// together, render the messages. It commits nothing. For one caller at a time.
/// </summary>
internal sealed class PartitionPipeline : IDisposable
{
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(10);

    private readonly IReadOnlyList<RuleModel> _rules;
    private readonly ClusterDatabase _database;
    private readonly MemoryBudget _budget;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly RowParser _parser;
    private readonly PartitionModel?[] _models;
    private readonly Dictionary<string, ClusterStream> _streams = new(StringComparer.Ordinal);
    private readonly List<ClusterStream> _changed = [];
    private readonly List<(ClusterStream Stream, Reading Row)> _rows = [];
    private readonly PartitionBatch _batch = new();
    private long _batches;
    private long _sweptAt;
    private SensorStream[] _stepped = [];
    private Reading[] _stepRows = [];
    private StreamTick[] _ticks = [];

    internal PartitionPipeline(
        IReadOnlyList<RuleModel> rules, ClusterDatabase database, MemoryBudget budget, TimeProvider clock, ILogger log)
    {
        _rules = rules;
        _database = database;
        _budget = budget;
        _clock = clock;
        _log = log;
        _parser = new RowParser(clock);
        _models = new PartitionModel?[rules.Count];
    }

    /// <summary>The streams in memory.</summary>
    internal IReadOnlyCollection<ClusterStream> Streams => _streams.Values;

    /// <summary>Takes rows through the pipeline.</summary>
    /// <returns>
    /// What they gave, the same object each time. After it is committed, call <see cref="Committed"/>; else <see cref="Clear"/>.
    /// </returns>
    /// <exception cref="OutageException">The database cannot be used.</exception>
    internal async Task<PartitionBatch> RunAsync(IReadOnlyList<RowDelivery> rows, CancellationToken cancel)
    {
        _batch.Clear();
        _changed.Clear();
        _batches++;
        RefreshModels();
        var routes = new Route[rows.Count];
        Dictionary<string, Route>? missing = null;
        for (int i = 0; i < rows.Count; i++)
        {
            routes[i] = RouteOf(rows[i].Topic);
            if (routes[i].Problem is null && !_streams.ContainsKey(routes[i].Key))
            {
                (missing ??= new(StringComparer.Ordinal)).TryAdd(routes[i].Key, routes[i]);
            }
        }

        if (missing is not null)
        {
            await LoadAsync(missing, cancel).ConfigureAwait(false);
        }

        for (int i = 0; i < rows.Count; i++)
        {
            Accept(rows[i], routes[i]);
        }

        StepRounds();
        foreach (ClusterStream stream in _changed)
        {
            _batch.States.Add(stream.Save());
        }

        return _batch;
    }

    /// <summary>Notes that the last batch is committed. Streams that have had no row for long leave memory.</summary>
    internal void Committed()
    {
        foreach (ClusterStream stream in _changed)
        {
            stream.Stored();
        }

        _changed.Clear();
        Evict();
    }

    /// <summary>Forgets all streams: what was not committed did not happen.</summary>
    internal void Clear()
    {
        foreach (ClusterStream stream in _streams.Values)
        {
            stream.Dispose();
        }

        _budget.Remove(_streams.Count);
        _streams.Clear();
        _changed.Clear();
        _rows.Clear();
    }

    /// <summary>Lets streams that have had no row for long leave memory.</summary>
    internal void Evict()
    {
        long now = _clock.GetTimestamp();
        int excess = _budget.Excess;
        if (excess == 0 && _clock.GetElapsedTime(_sweptAt, now) < SweepEvery)
        {
            return;
        }

        _sweptAt = now;
        IEnumerable<ClusterStream> leaving = _streams.Values.Where(stream => _clock.GetElapsedTime(stream.UsedAt, now) >= _budget.IdleMax);
        if (excess > 0)
        {
            leaving = leaving.Union(
                _streams.Values.Where(stream => stream.UsedIn != _batches).OrderBy(stream => stream.UsedIn).Take(excess));
        }

        foreach (ClusterStream stream in leaving.ToArray())
        {
            _streams.Remove(stream.Key);
            stream.Dispose();
            _budget.Remove(1);
        }
    }

    public void Dispose() => Clear();

    private void RefreshModels()
    {
        for (int i = 0; i < _rules.Count; i++)
        {
            EdgeModel? model = _rules[i].Current();
            if (model is null || model.Sha256 == _models[i]?.Model.Sha256)
            {
                continue;
            }

            // Its streams are stored with every batch: they come back from there, with the new model.
            PartitionModel? before = _models[i];
            _models[i] = new PartitionModel(_rules[i].Rule, model);
            foreach (ClusterStream stream in _streams.Values.Where(stream => stream.Model == before).ToArray())
            {
                _streams.Remove(stream.Key);
                stream.Dispose();
                _budget.Remove(1);
            }
        }
    }

    private Route RouteOf(string topic)
    {
        for (int i = 0; i < _rules.Count; i++)
        {
            StreamRule rule = _rules[i].Rule;
            if (!rule.Topics.Matches(topic, out string device, out string? name))
            {
                continue;
            }

            name ??= rule.Name!;
            if (!ConfigFile.IsName(device) || !ConfigFile.IsName(name))
            {
                return Route.Refused($"topic '{PrintableText.Of(topic)}' has no name of 1 to 64 of the letters a-z, digits, _ and -");
            }

            return _models[i] is { } model
                ? new Route($"{device}/{name}", device, name, model, null)
                : Route.Refused(_rules[i].Problem!);
        }

        return Route.Refused($"topic '{PrintableText.Of(topic)}' is none that 'streams' has");
    }

    private async Task LoadAsync(Dictionary<string, Route> missing, CancellationToken cancel)
    {
        IReadOnlyList<StoredState> stored = await _database.LoadAsync(missing.Keys, cancel).ConfigureAwait(false);
        foreach (StoredState state in stored)
        {
            Add(missing[state.Key], state);
            missing.Remove(state.Key);
        }

        foreach (Route fresh in missing.Values)
        {
            Add(fresh, null);
        }
    }

    private void Add(Route route, StoredState? stored)
    {
        _streams.Add(route.Key, Open(route, stored));
        _budget.Add();
    }

    private ClusterStream Open(Route route, StoredState? stored)
    {
        try
        {
            return new ClusterStream(route.Key, route.Device, route.Name, route.Model!, stored);
        }
        catch (ModelFormatException e) when (stored is not null)
        {
            _log.LogError("Stream {Stream}: {Problem} It begins again and keeps its numbers", route.Key, e.Message);
            return new ClusterStream(route.Key, route.Device, route.Name, route.Model!, stored with { State = [], Tail = [] });
        }
    }

    private void Accept(RowDelivery delivery, Route route)
    {
        if (route.Problem is { } problem)
        {
            _batch.Refused.Add((delivery, problem));
            return;
        }

        ClusterStream stream = _streams[route.Key];
        Reading row = stream.Model.Rent();
        if (_parser.Read(delivery.Body, stream.Model, stream.LastTime, row, out long number) is { } reason)
        {
            stream.Model.Return(row);
            _batch.Refused.Add((delivery, reason));
            return;
        }

        if (stream.Knows(row.Time, number))
        {
            stream.Model.Return(row);
            _batch.Duplicates++;
            return;
        }

        stream.Accept(row, number);
        if (stream.UsedIn != _batches)
        {
            (stream.UsedIn, stream.UsedAt) = (_batches, _clock.GetTimestamp());
            _changed.Add(stream);
        }

        _rows.Add((stream, row));
        _batch.Rows++;
    }

    // Round after round: in each, every stream has at most one row, and those of one model step together.
    private void StepRounds()
    {
        if (_stepped.Length < _rows.Count)
        {
            _stepped = new SensorStream[_rows.Count];
            _stepRows = new Reading[_rows.Count];
            _ticks = new StreamTick[_rows.Count];
        }

        foreach (ClusterStream stream in _changed)
        {
            stream.RowsInBatch = 0;
            if (stream.Stream.Seq == 0)
            {
                stream.RenderBegin(_batch.Messages);
            }
        }

        var rounds = _rows.GroupBy(row => (Round: row.Stream.RowsInBatch++, row.Stream.Model)).OrderBy(round => round.Key.Round);
        foreach (var round in rounds)
        {
            (ClusterStream Stream, Reading Row)[] members = [.. round];
            for (int i = 0; i < members.Length; i++)
            {
                (_stepped[i], _stepRows[i]) = (members[i].Stream.Stream, members[i].Row);
            }

            round.Key.Model.Batch.Step(
                _stepped.AsSpan(0, members.Length), _stepRows.AsSpan(0, members.Length), _ticks.AsSpan(0, members.Length));
            for (int i = 0; i < members.Length; i++)
            {
                members[i].Stream.Render(_ticks[i], _batch.Messages);
                round.Key.Model.Return(members[i].Row);
            }

            // What stays here would keep streams in memory that have left it: hundreds in each partition.
            Array.Clear(_stepped, 0, members.Length);
            Array.Clear(_stepRows, 0, members.Length);
            Array.Clear(_ticks, 0, members.Length);
        }

        _rows.Clear();
    }

    // Where a row goes, or why it goes nowhere.
    private readonly record struct Route(string Key, string Device, string Name, PartitionModel? Model, string? Problem)
    {
        internal static Route Refused(string problem) => new("", "", "", null, problem);
    }
}
