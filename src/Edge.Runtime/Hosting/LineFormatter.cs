using System.Globalization;
using Edge.Inference;
using Edge.Sensors;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Edge.Runtime.Hosting;

/// <summary>
/// One line per event, whatever is in it: text from outside can neither begin a line nor steer a terminal. For systemd's journal each line
/// has its level in front (sd-daemon(3)) and no time, which the journal adds.
/// </summary>
internal sealed class LineFormatter : ConsoleFormatter
{
    internal const string PlainName = "edge";
    internal const string JournalName = "edge-journal";

    // A line of an event with several sentences.
    private const int LengthMax = 4000;

    private readonly bool _toJournal;

    private LineFormatter(string name)
        : base(name) => _toJournal = name == JournalName;

    internal static LineFormatter Plain { get; } = new(PlainName);

    internal static LineFormatter Journal { get; } = new(JournalName);

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        string message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        textWriter.Write(_toJournal
            ? Priority(logEntry.LogLevel)
            : $"{DateTime.UtcNow.ToString(Timestamp.Format, CultureInfo.InvariantCulture)} {Level(logEntry.LogLevel)}: ");
        textWriter.Write($"{logEntry.Category}[0] ");
        textWriter.Write(PrintableText.Of(message.Replace('\n', ' '), LengthMax));
        textWriter.Write('\n');
    }

    private static string Level(LogLevel level) => level switch
    {
        LogLevel.Trace => "trce",
        LogLevel.Debug => "dbug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error => "fail",
        _ => "crit",
    };

    private static string Priority(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "<7>",
        LogLevel.Information => "<6>",
        LogLevel.Warning => "<4>",
        LogLevel.Error => "<3>",
        _ => "<2>",
    };
}
