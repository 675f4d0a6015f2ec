using System.Diagnostics;

namespace Edge.Quantize.Commands;

/// <summary>
/// The stage of a long command on stderr: one line that changes if stderr and the output are terminals, else a line every few seconds.
/// </summary>
internal sealed class Progress : IDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly bool _isShown;
    private readonly bool _isListed;
    private long _said = Stopwatch.GetTimestamp();

    internal Progress(TextWriter output)
    {
        bool isTerminal = !Console.IsErrorRedirected && !Console.IsOutputRedirected;
        _isShown = output == Console.Out && isTerminal;
        _isListed = output == Console.Out && !isTerminal;
    }

    /// <summary>Shows a stage and how much of it is done, 0 to 1. Any thread may call it.</summary>
    internal void Say(string stage, double? share = null)
    {
        using Lock.Scope scope = _lock.EnterScope();
        if (_isListed && Stopwatch.GetElapsedTime(_said) >= Every)
        {
            _said = Stopwatch.GetTimestamp();
            Console.Error.WriteLine(share is { } done ? $"{stage}, {100 * done:0} %" : $"{stage} …");
        }

        if (!_isShown)
        {
            return;
        }

        const int Width = 30;
        string bar = share is { } part ? $" [{new string('#', (int)(part * Width)),-Width}] {100 * part:0} %" : " …";
        Console.Error.Write($"\r\u001b[K{Fit(stage + bar, Console.WindowWidth)}");
    }

    /// <summary>A text cut to one line of a terminal: one that wraps could not be cleared.</summary>
    /// <param name="text">The text.</param>
    /// <param name="columns">Columns of the terminal; 0 or less if it does not tell.</param>
    internal static string Fit(string text, int columns)
    {
        int room = (columns > 1 ? columns : 80) - 1;
        return text.Length <= room ? text : text[..(room - 1)] + "…";
    }

    /// <summary>Clears the line.</summary>
    internal void Done()
    {
        if (_isShown)
        {
            Console.Error.Write("\r\u001b[K");
        }
    }

    public void Dispose() => Done();
}
