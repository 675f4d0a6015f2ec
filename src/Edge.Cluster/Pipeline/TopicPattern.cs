namespace Edge.Cluster.Pipeline;

/// <summary>
/// Topics of rows: <c>plant/+/rows</c>. The first <c>+</c> stands for the device's name. A second one stands for the stream's; without it,
/// all have the same stream name.
/// </summary>
internal sealed class TopicPattern
{
    /// <summary>Longest pattern.</summary>
    internal const int LengthMax = 200;

    private const int WildcardsMax = 2;

    private readonly string[] _levels;

    private TopicPattern(string text, string[] levels)
    {
        Text = text;
        _levels = levels;
    }

    /// <summary>As it is written.</summary>
    internal string Text { get; }

    /// <summary>Whether topics name the stream.</summary>
    internal bool NamesStream => _levels.Count(level => level == "+") == WildcardsMax;

    /// <summary>As a binding of a topic exchange: the MQTT plugin writes <c>/</c> as a dot.</summary>
    internal string RoutingPattern => string.Join('.', _levels).Replace('+', '*');

    /// <returns>Null if the text is no such pattern.</returns>
    internal static TopicPattern? Parse(string text)
    {
        string[] levels = text.Split('/');
        bool isUsable = text.Length is > 0 and <= LengthMax
            && levels.All(level => level == "+" || (level.Length > 0 && level.AsSpan().IndexOfAny("+#.*\0") < 0))
            && levels.Count(level => level == "+") is 1 or WildcardsMax;
        return isUsable ? new TopicPattern(text, levels) : null;
    }

    /// <summary>Whether a topic is one of these.</summary>
    /// <param name="topic">The topic.</param>
    /// <param name="device">What the first wildcard stands for.</param>
    /// <param name="stream">What the second one stands for; null without one.</param>
    internal bool Matches(string topic, out string device, out string? stream)
    {
        (device, stream) = ("", null);
        string[] levels = topic.Split('/');
        if (levels.Length != _levels.Length)
        {
            return false;
        }

        for (int i = 0; i < levels.Length; i++)
        {
            if (_levels[i] != "+")
            {
                if (_levels[i] != levels[i])
                {
                    return false;
                }
            }
            else if (device.Length == 0)
            {
                device = levels[i];
            }
            else
            {
                stream = levels[i];
            }
        }

        return true;
    }
}
