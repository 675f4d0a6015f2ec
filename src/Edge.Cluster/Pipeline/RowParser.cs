using System.Globalization;
using System.Text.Json;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Streams;

namespace Edge.Cluster.Pipeline;

/// <summary>Reads a message as a row of a stream. What cannot be read is said, never thrown.</summary>
/// <param name="clock">Rows from the future are refused: one of them would shut out every row until then.</param>
internal sealed class RowParser(TimeProvider clock)
{
    private PartitionModel? _model;
    private Reading? _into;
    private DateTime _after;
    private long _number;
    private Func<JsonElement, string?>? _read;

    /// <summary>Reads a message.</summary>
    /// <param name="body">The message.</param>
    /// <param name="model">How its rows are written.</param>
    /// <param name="after">Time of the row before; the default for none.</param>
    /// <param name="into">Receives the row.</param>
    /// <param name="number">Receives its number; 0 if rows have none.</param>
    /// <returns>Why it is no row, as a clause, or null.</returns>
    internal string? Read(ReadOnlyMemory<byte> body, PartitionModel model, DateTime after, Reading into, out long number)
    {
        (_model, _into, _after, _number) = (model, into, after, 0);
        string? problem = MqttPayload.Read(body, _read ??= Read);
        number = _number;
        return problem;
    }

    private string? Read(JsonElement root)
    {
        PartitionModel model = _model!;
        DateTime now = clock.GetUtcNow().UtcDateTime;
        if (!model.Time.TryFind(root, out JsonElement stamp))
        {
            return MqttPayload.NoTime(model.Time);
        }

        DateTime expected = _after == default ? now : _after + model.Period;
        if (MqttPayload.Time(stamp, model.Times, expected, out DateTime time) is { } problem)
        {
            return $"a message came whose time cannot be read: {problem}";
        }

        if (time > now + RowTimeGuard.AheadMax(model.Period))
        {
            return $"a row of {Text(time)} came, and the clock here says {Text(now)}";
        }

        if (model.Number is { } path)
        {
            if (!path.TryFind(root, out JsonElement number) || number.ValueKind != JsonValueKind.Number || !number.TryGetInt64(out _number)
                || _number < 0)
            {
                return $"a message came without its number ({model.Rule.NumberPath}), a whole number from 0 on";
            }
        }

        model.Values.Read(root, _into!);
        _into!.Time = time;
        return null;
    }

    private static string Text(DateTime time) => time.ToString(Timestamp.Format, CultureInfo.InvariantCulture);
}
