using System.Globalization;
using System.Text.Json;

namespace Edge.Inference.Models;

/// <summary>The entries of <c>outputs_named</c>.</summary>
public sealed partial class ModelManifest
{
    private const int TicksAheadMax = 100_000;

    private static ModelOutput[] ParseOutputs(JsonElement root, string[] columns)
    {
        if (!root.TryGetProperty("outputs_named", out JsonElement list))
        {
            throw Missing("outputs_named", "one entry an output such as \"temperature[t+1]\"");
        }

        if (list.ValueKind != JsonValueKind.Array)
        {
            throw new ModelFormatException("Manifest entry 'outputs_named' must be a list.");
        }

        var outputs = new List<ModelOutput>();
        foreach (JsonElement entry in list.EnumerateArray())
        {
            outputs.AddRange(entry.ValueKind switch
            {
                JsonValueKind.String => [ParseOutput(entry.GetString()!, columns)],
                JsonValueKind.Object => ParseNamed(entry, columns),
                _ => throw new ModelFormatException(
                    "Manifest entry 'outputs_named' must list names, or objects such as {\"life\": \"h\"} and "
                        + "{\"state\": [\"good\", \"worn\"]}."),
            });
            if (outputs.Count > CountMax)
            {
                break;
            }
        }

        if (outputs.Count is 0 or > CountMax)
        {
            throw new ModelFormatException($"Manifest entry 'outputs_named' must name 1 to {CountMax} outputs.");
        }

        if (outputs.Select(output => (output.Column, output.TicksAhead, output.Name, output.Class, output.Quantile)).Distinct().Count()
            != outputs.Count)
        {
            throw new ModelFormatException("Manifest entry 'outputs_named' names an output twice.");
        }

        return [.. outputs];
    }

    // COLUMN[t+N], COLUMN[t+N]:Q, COLUMN[t], or a name of its own.
    private static ModelOutput ParseOutput(string text, string[] columns)
    {
        int bracket = text.LastIndexOf('[');
        if (bracket < 0)
        {
            return NamedOutput(text, columns);
        }

        int column = Array.IndexOf(columns, text[..bracket]);
        int end = text.IndexOf(']', bracket);
        string place = end < 0 ? "" : text[(bracket + 1)..end];
        string rest = end < 0 ? "" : text[(end + 1)..];
        int ticks = 0;
        double quantile = 0;
        bool isNow = place == "t" && rest.Length == 0;
        bool isAhead = place.StartsWith("t+", StringComparison.Ordinal)
            && int.TryParse(place.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out ticks)
            && ticks is >= 1 and <= TicksAheadMax
            && (rest.Length == 0 || TryQuantile(rest, out quantile));
        return column >= 0 && (isNow || isAhead)
            ? new ModelOutput(column, ticks) { Quantile = quantile }
            : throw new ModelFormatException(
                $"Manifest entry 'outputs_named' has '{text}'; write COLUMN[t+N] with a column of 'columns' and N from 1 to "
                    + $"{TicksAheadMax}, "
                    + $"COLUMN[t+N]:0.9 for a quantile, COLUMN[t] for a reconstruction, or a name without brackets.");
    }

    // :0.9 and :p90 are the same.
    private static bool TryQuantile(string text, out double quantile)
    {
        bool isPercent = text.StartsWith(":p", StringComparison.Ordinal);
        bool isNumber = double.TryParse(
            text.AsSpan(isPercent ? 2 : 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out quantile);
        quantile = isPercent ? quantile / 100 : quantile;
        return text[0] == ':' && isNumber && quantile is > 0 and < 1;
    }

    private static ModelOutput NamedOutput(string name, string[] columns) =>
        !string.IsNullOrWhiteSpace(name) && Array.IndexOf(columns, name) < 0 && name.IndexOfAny(['[', ']', ':']) < 0
            ? new ModelOutput(-1, 0, name)
            : throw new ModelFormatException(
                $"Manifest entry 'outputs_named' has '{name}'; write COLUMN[t+N] with a column of 'columns', or a name that is no "
                    + $"column and "
                    + $"has none of the characters [ ] :.");

    // {"life": "h"}, {"life": {"unit": "h", "mean": 100, "std": 50}} or {"state": ["good", "worn"]}.
    private static IEnumerable<ModelOutput> ParseNamed(JsonElement entry, string[] columns)
    {
        JsonProperty[] members = [.. entry.EnumerateObject()];
        if (members.Length != 1)
        {
            throw new ModelFormatException("Manifest entry 'outputs_named' has an object that does not name exactly one output.");
        }

        ModelOutput named = NamedOutput(members[0].Name, columns);
        JsonElement value = members[0].Value;
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return [named with { Unit = value.GetString() }];
            case JsonValueKind.Array:
                string?[] classes = [.. value.EnumerateArray(
                    ).Select(item => item.ValueKind == JsonValueKind.String ? item.GetString() : null)];
                return classes.Length is >= 2 and <= CountMax && !classes.Any(string.IsNullOrWhiteSpace)
                    && classes.Distinct().Count() == classes.Length
                    ? classes.Select(each => named with { Class = each })
                    : throw new ModelFormatException(
                        $"Manifest entry 'outputs_named': the classes of '{named.Name}' must be two or more different names.");
            case JsonValueKind.Object:
                string unit = value.TryGetProperty("unit", out JsonElement text) && text.ValueKind == JsonValueKind.String
                    ? text.GetString()! : "";
                double mean = Number("mean", 0);
                double std = Number("std", 1);
                return std > 0
                    ? [named with { Unit = unit, Mean = mean, Deviation = std }]
                    : throw new ModelFormatException($"Manifest entry 'outputs_named': 'std' of '{named.Name}' must be greater than 0.");
            default:
                throw new ModelFormatException(
                    $"Manifest entry 'outputs_named': '{named.Name}' must have a unit, a list of classes, or an object with 'unit', "
                        + $"'mean' and "
                        + $"'std'.");
        }

        double Number(string key, double otherwise) =>
            !value.TryGetProperty(key, out JsonElement number) ? otherwise
            : number.ValueKind == JsonValueKind.Number && number.TryGetDouble(out double parsed) && float.IsFinite((float)parsed) ? parsed
            : throw new ModelFormatException($"Manifest entry 'outputs_named': '{key}' of '{named.Name}' must be a number.");
    }
}
