using Edge.Inference;
using YamlDotNet.RepresentationModel;

namespace Edge.Runtime.Configuration;

/// <summary>Every mistake found in the configuration, in the order of the file.</summary>
internal sealed class ConfigErrors(string path)
{
    // A limit, because a file of garbage would have thousands of mistakes.
    private const int ErrorsMax = 50;
    private const int MessageMax = 1000;

    // A shorter value would be found in words that have nothing to do with it.
    private const int SecretMin = 3;

    private readonly List<(long Line, long Column, string Message)> _errors = [];
    private readonly List<(string Value, string Name)> _secrets = [];

    /// <summary>What could not be read because the environment lacks it, one sentence each.</summary>
    internal List<string> Unknown { get; } = [];

    /// <summary>Keeps a value out of every sentence, because it comes from the environment or from a file of secrets.</summary>
    /// <param name="value">The value.</param>
    /// <param name="name">What stands for it.</param>
    internal void Hide(string value, string name)
    {
        if (value.Length >= SecretMin)
        {
            _secrets.Add((value, name));
        }
    }

    internal void Add(YamlNode node, string message) => Add(node.Start.Line, node.Start.Column, message);

    /// <summary>Takes back what was said of a node as a whole.</summary>
    internal void Withdraw(YamlNode node) =>
        _errors.RemoveAll(error => (error.Line, error.Column) == (node.Start.Line, node.Start.Column));

    internal void Add(long line, long column, string message)
    {
        if (_errors.Count < ErrorsMax)
        {
            _errors.Add((line, column, _secrets.Aggregate(message, (text, secret) => text.Replace(secret.Value, secret.Name))));
        }
    }

    /// <exception cref="InputException">There was a mistake.</exception>
    internal void ThrowIfAny()
    {
        if (_errors.Count > 0)
        {
            throw new InputException(
                string.Join(
                    '\n',
                    _errors.Order().Select(
                        error => $"{path}:{error.Line}:{error.Column}: {Sentence(error.Message)}")));
        }
    }

    private static string Sentence(string message) =>
        PrintableText.Of(message, MessageMax) + (message.EndsWith('?') ? "" : ".");
}
