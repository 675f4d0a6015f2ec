using Microsoft.Extensions.Logging;

namespace Edge.Streams;

/// <summary>The log of a stream, silent while rows are stepped that were logged when they came.</summary>
internal sealed class ReplayLog(ILogger log) : ILogger
{
    internal bool IsSilent { get; set; }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => log.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => !IsSilent && log.IsEnabled(logLevel);

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsSilent)
        {
            log.Log(logLevel, eventId, state, exception, formatter);
        }
    }
}
