using System.CommandLine;
using Edge.Inference;
using Edge.Sensors;

namespace Edge.Quantize.Commands;

/// <summary>The options of a command that say how its recordings write their times.</summary>
internal sealed class TimeFormat
{
    private readonly Option<string?> _format = new("--time-format")
    {
        Description = "How times are written, such as dd.MM.yyyy HH:mm, or s, ms, us, ns, excel.",
    };

    private readonly Option<string?> _zone = new("--timezone") { Description = "Zone of times that name none, such as Europe/Berlin." };

    /// <summary>Adds the options to a command.</summary>
    internal void AddTo(Command command)
    {
        command.Options.Add(_format);
        command.Options.Add(_zone);
    }

    /// <summary>What a command line says.</summary>
    /// <exception cref="InputException">There is no such format or zone.</exception>
    internal TimeOptions Of(ParseResult parsed) => new TimeOptions().With(parsed.GetValue(_format), parsed.GetValue(_zone));
}
