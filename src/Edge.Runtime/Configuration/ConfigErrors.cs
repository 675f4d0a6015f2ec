using Edge.Inference;
using YamlDotNet.RepresentationModel;

namespace Edge.Runtime.Configuration;

/// <summary>Every mistake found in the configuration, in the order of the file.</summary>
internal sealed class ConfigErrors(string path)
{
    // A limit, because a file of garbage would have thousands of mistakes.
    private const int ErrorsMax = 50;

    private readonly List<(long Line, long Column, string Message)> _errors = [];

    internal void Add(YamlNode node, string message) => Add(node.Start.Line, node.Start.Column, message);

    internal void Add(long line, long column, string message)
    {
        if (_errors.Count < ErrorsMax)
        {
            _errors.Add((line, column, message));
        }
    }

    /// <exception cref="InputException">There was a mistake.</exception>
    internal void ThrowIfAny()
    {
        if (_errors.Count > 0)
        {
            throw new InputException(
                string.Join('\n', _errors.Order().Select(error => $"{path}:{error.Line}:{error.Column}: {error.Message}.")));
        }
    }
}
