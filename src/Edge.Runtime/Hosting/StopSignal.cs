using System.Runtime.InteropServices;

namespace Edge.Runtime.Hosting;

/// <summary>SIGTERM and SIGINT request a clean stop; SIGHUP requests to read the configuration again.</summary>
internal sealed class StopSignal : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    internal StopSignal()
    {
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Reload),
        ];
    }

    internal CancellationToken Token => _source.Token;

    /// <summary>Called on SIGHUP. Without it the signal is ignored: a closed terminal must not stop the service.</summary>
    internal Action? ReloadRequested { get; set; }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _source.Dispose();
    }

    private void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        _source.Cancel();
    }

    private void Reload(PosixSignalContext context)
    {
        context.Cancel = true;
        ReloadRequested?.Invoke();
    }
}
