namespace Edge.Quantize.Commands;

/// <summary>One progress line on stderr; nothing if stderr or the output is not a terminal.</summary>
internal sealed class Progress : IDisposable
{
    private readonly bool _isShown;

    internal Progress(TextWriter output) => _isShown = output == Console.Out && !Console.IsErrorRedirected && !Console.IsOutputRedirected;

    /// <summary>Shows a stage and how much of it is done, 0 to 1.</summary>
    internal void Say(string stage, double? share = null)
    {
        if (!_isShown)
        {
            return;
        }

        const int Width = 30;
        string bar = share is { } part ? $" [{new string('#', (int)(part * Width)),-Width}] {100 * part:0} %" : " …";
        Console.Error.Write($"\r\u001b[K{stage}{bar}");
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
