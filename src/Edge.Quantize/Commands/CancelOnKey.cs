namespace Edge.Quantize.Commands;

/// <summary>Ctrl-C once ends what runs and keeps the best so far; twice ends the program.</summary>
internal sealed class CancelOnKey : IDisposable
{
    private readonly CancellationTokenSource _cancel = new();

    internal CancelOnKey() => Console.CancelKeyPress += OnKey;

    internal CancellationToken Token => _cancel.Token;

    public void Dispose()
    {
        Console.CancelKeyPress -= OnKey;
        _cancel.Dispose();
    }

    private void OnKey(object? sender, ConsoleCancelEventArgs e)
    {
        e.Cancel = !_cancel.IsCancellationRequested;
        _cancel.Cancel();
    }
}
