using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Tests;

/// <summary>Keeps what is logged, for any thread.</summary>
internal sealed class ListLog : ILogger
{
    private readonly List<(LogLevel Level, string Text)> _lines = [];

    /// <summary>All lines so far.</summary>
    internal IReadOnlyList<(LogLevel Level, string Text)> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
        {
            _lines.Add((logLevel, formatter(state, exception)));
        }
    }
}
