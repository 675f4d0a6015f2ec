using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Where in a JSON message a value is: <c>$.a.b</c>, <c>$['a b']</c>, <c>$.list[0]</c>; <c>$</c> alone is the message itself. The part of
/// RFC 9535 that names one value.
/// </summary>
internal sealed partial class JsonPath
{
    private readonly List<(string? Name, int Index)> _steps = [];

    private JsonPath()
    {
    }

    /// <summary>The path as it was written; null for the member of a name.</summary>
    internal string? Text { get; private init; }

    /// <summary>A path that was found valid before.</summary>
    internal static JsonPath Parse(string text) =>
        TryParse(text, out JsonPath? path) ? path! : throw new InvalidOperationException($"'{text}' was checked before.");

    /// <summary>The member of this name, whatever characters it is of.</summary>
    internal static JsonPath Member(string name)
    {
        var path = new JsonPath();
        path._steps.Add((name, 0));
        return path;
    }

    internal static bool TryParse(string text, out JsonPath? path)
    {
        path = null;
        if (!WholePattern().IsMatch(text))
        {
            return false;
        }

        path = new JsonPath { Text = text };
        foreach (Match step in StepPattern().Matches(text))
        {
            path._steps.Add(step.Groups["index"].Success
                ? (null, int.Parse(step.Groups["index"].ValueSpan, CultureInfo.InvariantCulture))
                : ((step.Groups["quoted"].Success ? step.Groups["quoted"] : step.Groups["name"]).Value, 0));
        }

        return true;
    }

    /// <returns>False if there is no such value.</returns>
    internal bool TryFind(JsonElement root, out JsonElement value)
    {
        value = root;
        foreach ((string? name, int index) in _steps)
        {
            if (name is not null)
            {
                if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(name, out value))
                {
                    return false;
                }
            }
            else if (value.ValueKind == JsonValueKind.Array && index < value.GetArrayLength())
            {
                value = value[index];
            }
            else
            {
                return false;
            }
        }

        return true;
    }

    [GeneratedRegex(@"^\$(\.[A-Za-z_][A-Za-z0-9_-]*|\['[^']+'\]|\[[0-9]{1,6}\])*\z")]
    private static partial Regex WholePattern();

    [GeneratedRegex(@"\.(?<name>[A-Za-z_][A-Za-z0-9_-]*)|\['(?<quoted>[^']+)'\]|\[(?<index>[0-9]{1,6})\]")]
    private static partial Regex StepPattern();
}
