using System.CommandLine;
using Edge.Inference;
using Edge.Sensors;
using Edge.Sensors.Replay;

namespace Edge.Quantize.Commands;

/// <summary>The options of a command that say where its recordings have their times, how these are written and in which order.</summary>
internal sealed class TimeFormat
{
    private readonly Option<string[]?> _columns = new("--time-column")
    {
        Description = "Header of the time column; given twice, of the date and of the time. Default: columns named like a time.",
    };

    private readonly Option<string?> _format = new("--time-format")
    {
        Description = "How times are written, such as dd.MM.yyyy HH:mm, or s, ms, us, ns, excel.",
    };

    private readonly Option<string?> _zone = new("--timezone") { Description = "Zone of times that name none, such as Europe/Berlin." };

    private readonly Option<bool> _newestFirst = new("--newest-first") { Description = "The recordings have the newest row first." };

    /// <summary>Adds the options to a command.</summary>
    internal void AddTo(Command command)
    {
        command.Options.Add(_columns);
        command.Options.Add(_format);
        command.Options.Add(_zone);
        command.Options.Add(_newestFirst);
    }

    /// <summary>A recording with what a command line says of its times.</summary>
    /// <exception cref="InputException">There is no such format or zone.</exception>
    internal ReplayOptions Of(ParseResult parsed, string file) => new()
    {
        File = file,
        TimeColumns = parsed.GetValue(_columns) ?? [],
        Times = new TimeOptions().With(parsed.GetValue(_format), parsed.GetValue(_zone)),
        Order = parsed.GetValue(_newestFirst) ? RowOrder.NewestFirst : RowOrder.OldestFirst,
        OrderSetting = "--newest-first",
    };
}
