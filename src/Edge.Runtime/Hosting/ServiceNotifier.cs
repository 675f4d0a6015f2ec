using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Edge.Runtime.Hosting;

/// <summary>
/// Reports the status of the service to systemd: one datagram to <c>$NOTIFY_SOCKET</c> each, or nothing without that socket.
/// systemd, sd_notify(3).
/// </summary>
internal sealed class ServiceNotifier : IDisposable
{
    private readonly Socket? _socket;

    /// <param name="address">Path of the socket; a name that starts with @ is abstract; null for no socket.</param>
    /// <param name="watchdogMicroseconds">Watchdog timeout, or null.</param>
    internal ServiceNotifier(string? address, string? watchdogMicroseconds)
    {
        if (long.TryParse(watchdogMicroseconds, NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds) && microseconds > 0)
        {
            WatchdogInterval = TimeSpan.FromMicroseconds(microseconds);
        }

        if (string.IsNullOrEmpty(address))
        {
            return;
        }

        try
        {
            _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            _socket.Connect(new UnixDomainSocketEndPoint(address[0] == '@' ? "\0" + address[1..] : address));
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            // No process listens: the service runs all the same.
            _socket?.Dispose();
            _socket = null;
        }
    }

    /// <summary>The notifier that the environment describes.</summary>
    internal static ServiceNotifier FromEnvironment() =>
        new(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"), Environment.GetEnvironmentVariable("WATCHDOG_USEC"));

    /// <summary>Longest time between two watchdog notifications, or null for no watchdog.</summary>
    internal TimeSpan? WatchdogInterval { get; }

    internal void Ready(string status) => Send($"READY=1\nSTATUS={status}");

    internal void Status(string status) => Send($"STATUS={status}");

    internal void Alive() => Send("WATCHDOG=1");

    internal void Stopping() => Send("STOPPING=1");

    /// <summary>Begins a reload; <see cref="Ready"/> ends it.</summary>
    internal void Reloading() =>
        Send(
            string.Create(
                CultureInfo.InvariantCulture,
                $"RELOADING=1\nMONOTONIC_USEC={Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000)}"));

    public void Dispose() => _socket?.Dispose();

    private void Send(string message)
    {
        try
        {
            _socket?.Send(Encoding.UTF8.GetBytes(message));
        }
        catch (SocketException)
        {
            // An unreachable systemd must not stop the service.
        }
    }
}
