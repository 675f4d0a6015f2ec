using System.Globalization;
using System.Text.RegularExpressions;
using Edge.Inference;
using YamlDotNet.RepresentationModel;

namespace Edge.Runtime.Configuration;

/// <summary>
/// One mapping of the YAML file: returns values by key, records which keys were read, and collects
/// every mistake with line and column, so that the user sees all of them at once.
/// </summary>
internal sealed partial class YamlMap
{
    private const string CredentialsVariable = "CREDENTIALS_DIRECTORY";
    private const long SecretMaxBytes = 64 << 10;

    private readonly Dictionary<string, YamlNode> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, YamlNode> _keys = new(StringComparer.Ordinal);
    private readonly HashSet<string> _known = [];
    private readonly YamlNode _node;
    private readonly ConfigErrors _errors;

    internal YamlMap(YamlMappingNode node, ConfigErrors errors)
    {
        _node = node;
        _errors = errors;
        foreach ((YamlNode key, YamlNode value) in node.Children)
        {
            if (key is not YamlScalarNode { Value: { } name })
            {
                errors.Add(key, "a key must be a plain word");
            }
            else
            {
                (_entries[name], _keys[name]) = (value, key);
            }
        }
    }

    /// <summary>Keys in the order of the file.</summary>
    internal IEnumerable<string> Keys => _entries.Keys;

    internal bool Has(string key) => _entries.ContainsKey(key);

    internal void Fail(string key, string message) => _errors.Add(_entries.GetValueOrDefault(key, _node), message);

    /// <summary>
    /// Reports every key that was not read, and not that this mapping lacks one: a misspelled key is one mistake. Call it last.
    /// </summary>
    internal void RejectUnknown()
    {
        string[] unknown = [.. _entries.Keys.Where(key => !_known.Contains(key))];
        if (unknown.Length > 0)
        {
            _errors.Withdraw(_node);
        }

        foreach (string key in unknown)
        {
            _errors.Add(_keys[key], $"unknown key '{key}'; {Spelling.Hint(key, _known)}");
        }
    }

    /// <summary>Removes a key of earlier versions, whatever its value. It is not listed among the known keys.</summary>
    /// <returns>Whether it was there.</returns>
    internal bool TakeObsolete(string key) => _entries.Remove(key);

    internal string? Text(string key)
    {
        if (!Take(key, out YamlNode node))
        {
            return null;
        }

        if (node is not YamlScalarNode { Value: { } text })
        {
            _errors.Add(node, $"'{key}' must be a single value");
            return null;
        }

        return Expand(node, text);
    }

    internal string RequiredText(string key, string meaning)
    {
        string? text = Text(key);
        if (string.IsNullOrWhiteSpace(text) && !(Has(key) && _entries[key] is not YamlScalarNode))
        {
            _errors.Add(_node, $"'{key}' is missing ({meaning})");
        }

        return text ?? "";
    }

    /// <summary>A value that may live in a file: <c>password: { file: PATH }</c>.</summary>
    internal string? Secret(string key)
    {
        if (!_entries.TryGetValue(key, out YamlNode? node) || node is not YamlMappingNode)
        {
            string? given = Text(key);
            Hide(key, given);
            return given;
        }

        YamlMap map = Map(key)!;
        if (map.Credential("file") is { } credential && Environment.GetEnvironmentVariable(CredentialsVariable) is null)
        {
            // Only systemd knows where it is: without it nothing is wrong with the file.
            map.Take("file", out _);
            map.RejectUnknown();
            _errors.Unknown.Add($"'{key}' is a credential of systemd ({credential}), and systemd did not start this program");
            return "";
        }

        string path = map.RequiredText("file", "where the value is kept");
        map.RejectUnknown();
        try
        {
            string? read = path.Length == 0 ? null : RegularFile.ReadText(path, SecretMaxBytes).TrimEnd('\r', '\n');
            Hide(key, read);
            return read;
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            _errors.Add(node, $"'{key}' cannot be read from its file: {e.Message}");
            return null;
        }
    }

    /// <summary>Whether a secret is a credential of systemd, and systemd did not start this program.</summary>
    internal bool IsUnknown(string key) =>
        _entries.GetValueOrDefault(key) is YamlMappingNode mapping
            && new YamlMap(mapping, _errors).Credential("file") is not null
            && Environment.GetEnvironmentVariable(CredentialsVariable) is null;

    internal bool Flag(string key, bool otherwise)
    {
        string? text = Text(key);
        if (text is null or "true" or "false")
        {
            return text is null ? otherwise : text == "true";
        }

        Fail(key, $"'{key}' must be true or false, not '{text}'");
        return otherwise;
    }

    internal double Number(string key, double otherwise, double min, double max)
    {
        if (Text(key) is not { } text)
        {
            return otherwise;
        }

        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value >= min && value <= max)
        {
            return value;
        }

        Fail(key, $"'{key}' must be a number from {min} to {max}, not '{text}'");
        return otherwise;
    }

    internal int Whole(string key, int otherwise, int min, int max)
    {
        if (Text(key) is not { } text)
        {
            return otherwise;
        }

        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= min && value <= max)
        {
            return value;
        }

        Fail(key, $"'{key}' must be a whole number from {min} to {max}, not '{text}'");
        return otherwise;
    }

    internal int? WholeOrNull(string key, int min, int max)
    {
        int value = Whole(key, min, min, max);
        return Has(key) ? value : null;
    }

    internal double? NumberOrNull(string key, double min, double max)
    {
        double value = Number(key, min, min, max);
        return Has(key) ? value : null;
    }

    internal int RequiredWhole(string key, string meaning, int min, int max)
    {
        if (!Has(key))
        {
            _errors.Add(_node, $"'{key}' is missing ({meaning})");
        }

        return Whole(key, min, min, max);
    }

    /// <summary>A time of any length; null if there is none, or a wrong one.</summary>
    internal TimeSpan? Duration(string key) => Duration(key, Edge.Runtime.Duration.Range.Min, Edge.Runtime.Duration.Range.Max);

    /// <summary>A time from <paramref name="min"/> to <paramref name="max"/>; null if there is none, or a wrong one.</summary>
    internal TimeSpan? Duration(string key, TimeSpan min, TimeSpan max)
    {
        if (Text(key) is not { } text)
        {
            return null;
        }

        if (Edge.Runtime.Duration.TryParse(text, out TimeSpan duration) && duration >= min && duration <= max)
        {
            return duration;
        }

        string meaning = Edge.Runtime.Duration.IsWritten(text)
            ? $"from {Edge.Runtime.Duration.Text(min)} to {Edge.Runtime.Duration.Text(max)}"
            : "a time such as 500ms, 1s, 5m, 2h or 7d";
        Fail(key, $"'{key}' must be {meaning}, not '{text}'");
        return null;
    }

    /// <summary>A list of texts, or a single one.</summary>
    internal IReadOnlyList<string> TextOrTexts(string key)
    {
        if (!_entries.TryGetValue(key, out YamlNode? node) || node is not YamlSequenceNode list)
        {
            return Text(key) is { } text ? [text] : [];
        }

        _known.Add(key);
        if (list.Children.Any(item => item is not YamlScalarNode { Value.Length: > 0 }))
        {
            _errors.Add(node, $"'{key}' must be a text or a list of texts");
            return [];
        }

        return [.. list.Children.Select(item => Expand(item, ((YamlScalarNode)item).Value!))];
    }

    internal long Bytes(string key, long otherwise)
    {
        if (Text(key) is not { } text)
        {
            return otherwise;
        }

        Match match = SizePattern().Match(text);
        if (match.Success && long.TryParse(match.Groups[1].ValueSpan, out long value) && value is > 0 and <= 1L << 20)
        {
            return value << (match.Groups[2].Value switch { "KB" => 10, "MB" => 20, _ => 30 });
        }

        Fail(key, $"'{key}' must be a size such as 512KB, 256MB or 1GB, not '{text}'");
        return otherwise;
    }

    /// <summary>A list of names, each of those known and each once.</summary>
    internal IReadOnlyList<string> Texts(string key, IReadOnlyList<string> otherwise, IReadOnlyList<string> known, bool mayBeEmpty = false)
    {
        if (!Take(key, out YamlNode node))
        {
            return otherwise;
        }

        var list = node as YamlSequenceNode;
        string[] texts = list is { } sequence ? [.. sequence.Children.Select(item => (item as YamlScalarNode)?.Value ?? "")] : [];
        if ((texts.Length > 0 || (mayBeEmpty && list is not null)) && texts.All(known.Contains) && texts.Distinct().Count() == texts.Length)
        {
            return texts;
        }

        _errors.Add(node, $"'{key}' must be a list of some of {string.Join(", ", known)}, each once");
        return otherwise;
    }

    internal T Choice<T>(string key, T otherwise)
        where T : struct, Enum
    {
        if (Text(key) is not { } text)
        {
            return otherwise;
        }

        string[] names = Enum.GetNames<T>().Select(name => name.ToLowerInvariant()).ToArray();
        int at = Array.IndexOf(names, text);
        if (at >= 0)
        {
            return Enum.GetValues<T>()[at];
        }

        Fail(key, $"'{key}' must be one of {string.Join(", ", names)}, not '{text}'");
        return otherwise;
    }

    internal YamlMap? Map(string key)
    {
        if (!Take(key, out YamlNode node))
        {
            return null;
        }

        if (node is YamlMappingNode mapping)
        {
            return new YamlMap(mapping, _errors);
        }

        _errors.Add(node, $"'{key}' must be a group of keys");
        return null;
    }

    internal IReadOnlyList<YamlMap> Maps(string key)
    {
        if (!Take(key, out YamlNode node))
        {
            return [];
        }

        if (node is not YamlSequenceNode sequence || sequence.Children.Any(item => item is not YamlMappingNode))
        {
            _errors.Add(node, $"'{key}' must be a list, each entry a group of keys");
            return [];
        }

        return sequence.Children.Select(item => new YamlMap((YamlMappingNode)item, _errors)).ToArray();
    }

    // A user's name is no secret, and may be a word that sentences have.
    private void Hide(string key, string? value)
    {
        if (key != "username" && value is not null)
        {
            _errors.Hide(value, $"the value of '{key}'");
        }
    }

    // The written value of a key, if it names a credential of systemd.
    private string? Credential(string key) =>
        _entries.GetValueOrDefault(key) is YamlScalarNode { Value: { } text }
            && text.Contains($"${{{CredentialsVariable}}}", StringComparison.Ordinal)
            ? text
            : null;

    private bool Take(string key, out YamlNode node)
    {
        _known.Add(key);
        return _entries.TryGetValue(key, out node!);
    }

    // ${VAR} is the environment variable VAR.
    private string Expand(YamlNode node, string text) =>
        VariablePattern().Replace(text, match =>
        {
            string name = match.Groups[1].Value;
            string? value = Environment.GetEnvironmentVariable(name);
            if (value is null)
            {
                _errors.Add(node, $"the environment has no variable '{name}'");
            }
            else
            {
                _errors.Hide(value, match.Value);
            }

            return value ?? "";
        });

    [GeneratedRegex(@"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")]
    private static partial Regex VariablePattern();

    [GeneratedRegex(@"^([0-9]{1,7}) ?(KB|MB|GB)$")]
    private static partial Regex SizePattern();
}
