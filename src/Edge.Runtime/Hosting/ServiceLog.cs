using Edge.Inference;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Edge.Runtime.Hosting;

/// <summary>The log: one line per event on stderr.</summary>
internal static class ServiceLog
{
    // Lines of the error that ends the program, and the longest of them.
    private const int LastWordsMax = 8000;

    /// <summary>Whether stderr goes to the journal: systemd says so, and stderr is not a terminal.</summary>
    internal static bool IsJournal =>
        Console.IsErrorRedirected && !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("JOURNAL_STREAM"));

    internal static ILoggerFactory Create() => LoggerFactory.Create(builder =>
    {
        builder.AddConsole(options =>
        {
            options.FormatterName = IsJournal ? LineFormatter.JournalName : LineFormatter.PlainName;
            options.LogToStandardErrorThreshold = LogLevel.Trace;
        });
        builder.SetMinimumLevel(LogLevel.Information);
        builder.Services.AddSingleton<ConsoleFormatter>(LineFormatter.Plain);
        builder.Services.AddSingleton<ConsoleFormatter>(LineFormatter.Journal);
    });

    /// <summary>Formats the error that ends the program, for stderr: a line for each sentence.</summary>
    internal static string LastWords(string message, bool toJournal)
    {
        IEnumerable<string> lines = message.Split('\n').Select(line => PrintableText.Of(line.TrimEnd('\r'), LastWordsMax));
        return string.Join('\n', lines.Select(line => toJournal ? $"<3>{line}" : line));
    }
}
