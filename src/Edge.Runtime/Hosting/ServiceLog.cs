using Edge.Sensors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Edge.Runtime.Hosting;

/// <summary>
/// The log: one line per event on stderr. For systemd's journal each line has its level (sd-daemon(3)) and no time, which the journal
/// adds.
/// </summary>
internal static class ServiceLog
{
    /// <summary>Whether stderr goes to the journal: systemd says so, and stderr is not a terminal.</summary>
    internal static bool IsJournal =>
        Console.IsErrorRedirected && !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("JOURNAL_STREAM"));

    internal static ILoggerFactory Create() => LoggerFactory.Create(builder =>
        (IsJournal ? builder.AddSystemdConsole() : builder.AddSimpleConsole(Plain))
        .SetMinimumLevel(LogLevel.Information)
        .Services.Configure<ConsoleLoggerOptions>(options => options.LogToStandardErrorThreshold = LogLevel.Trace));

    /// <summary>Formats the error that ends the program, for stderr.</summary>
    internal static string LastWords(string message, bool toJournal) =>
        toJournal ? "<3>" + message.Replace("\n", "\n<3>", StringComparison.Ordinal) : message;

    private static void Plain(SimpleConsoleFormatterOptions options)
    {
        options.SingleLine = true;
        options.ColorBehavior = LoggerColorBehavior.Disabled;
        options.UseUtcTimestamp = true;
        options.TimestampFormat = Timestamp.Format + " ";
    }
}
