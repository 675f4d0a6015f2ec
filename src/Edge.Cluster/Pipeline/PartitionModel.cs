using Edge.Inference.Models;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Streams;

namespace Edge.Cluster.Pipeline;

/// <summary>A model of a rule in one partition: steps its streams together, and reads their rows.</summary>
internal sealed class PartitionModel
{
    private readonly Stack<Reading> _spare = new();
    private readonly JsonPath _time;
    private readonly JsonPath? _number;

    internal PartitionModel(StreamRule rule, EdgeModel model)
    {
        Rule = rule;
        Model = model;
        Batch = new StreamBatch(model);
        Values = new JsonValues(rule.Values, model.Manifest.Columns, rule.Numbers);
        Times = new TimeReader(rule.Times);
        Period = rule.Options.Period ?? TimeSpan.FromSeconds(model.Manifest.PeriodSeconds);
        _time = JsonPath.Parse(rule.TimePath);
        _number = rule.NumberPath is { } path ? JsonPath.Parse(path) : null;
    }

    internal StreamRule Rule { get; }

    internal EdgeModel Model { get; }

    internal StreamBatch Batch { get; }

    internal JsonValues Values { get; }

    internal TimeReader Times { get; }

    internal TimeSpan Period { get; }

    internal JsonPath Time => _time;

    internal JsonPath? Number => _number;

    /// <summary>A row to fill.</summary>
    internal Reading Rent()
    {
        if (!_spare.TryPop(out Reading? row))
        {
            return new Reading(Model.Manifest.Columns.Count);
        }

        row.ClockIsUnset = false;
        row.ClockJump = TimeSpan.Zero;
        return row;
    }

    internal void Return(Reading row) => _spare.Push(row);
}
