using System.Text.Json;
using Edge.Inference;
using Edge.Streams;

namespace Edge.Runtime.Mqtt;

/// <summary>Fills the values of a row from a JSON message.</summary>
internal sealed class JsonValues
{
    private readonly JsonPath[] _paths;
    private readonly string[] _absent;
    private readonly NumberOptions _numbers;

    /// <param name="paths">JSON paths of columns; a column without a path is the member of its name.</param>
    /// <param name="columns">The columns, in the order of the row.</param>
    /// <param name="numbers">How numbers in text are written.</param>
    /// <exception cref="InputException">There is a path of a column that the row does not have.</exception>
    internal JsonValues(IReadOnlyDictionary<string, string> paths, IReadOnlyList<string> columns, NumberOptions numbers)
    {
        string[] unknown = [.. paths.Keys.Except(columns)];
        if (unknown.Length > 0)
        {
            throw new InputException(
                $"'values' has {string.Join(", ", unknown)}, which the model does not read; its columns are {string.Join(", ", columns)}.");
        }

        _paths =
        [
            .. columns.Select(column => paths.TryGetValue(column, out string? path) ? JsonPath.Parse(path) : JsonPath.Member(column)),
        ];
        _absent = [.. _paths.Select(MqttPayload.NoValue)];
        _numbers = numbers;
    }

    /// <summary>Fills values, qualities and faults. What is not there or no finite number is marked.</summary>
    internal void Read(JsonElement root, Reading into)
    {
        for (int i = 0; i < _paths.Length; i++)
        {
            Read(root, into, i);
        }
    }

    private void Read(JsonElement root, Reading into, int channel)
    {
        // A number by itself is the row of a model with one column.
        bool isThere = _paths[channel].TryFind(root, out JsonElement value)
            || (_paths.Length == 1 && (value = root).ValueKind == JsonValueKind.Number);
        double number = isThere ? MqttPayload.Number(value, _numbers) : double.NaN;
        bool isFinite = double.IsFinite(number);
        into.Values[channel] = isFinite ? number : 0;
        into.Quality[channel] = isFinite ? Quality.Good : isThere ? Quality.Invalid : Quality.Missing;
        into.Faults[channel] = isFinite ? null : isThere ? MqttPayload.NotANumber(value) : _absent[channel];
    }
}
