namespace Edge.Runtime.Mqtt;

/// <summary>Whether messages are retained.</summary>
internal enum RetainMode
{
    /// <summary>If the broker takes retained messages.</summary>
    Auto,

    /// <summary>Always.</summary>
    True,

    /// <summary>Never.</summary>
    False,
}

/// <summary>
/// Whether this broker takes retained messages: what the configuration says, or what the connections so far have shown. A broker of MQTT 5
/// says so. One of 3.1.1 closes the connection without a word; then every other attempt goes without retained messages.
/// </summary>
internal sealed class RetainSupport(RetainMode mode)
{
    private int _isOff = mode == RetainMode.False ? 1 : 0;

    /// <summary>Whether messages may be sent as retained.</summary>
    internal bool IsOn => Volatile.Read(ref _isOff) == 0;

    /// <summary>Notes that the broker does not take retained messages.</summary>
    /// <returns>Whether that was unknown, so that another attempt may help.</returns>
    internal bool TryTurnOff() => mode == RetainMode.Auto && Interlocked.Exchange(ref _isOff, 1) == 0;

    /// <summary>Notes that a broker of MQTT 3.1.1 has closed a connection, perhaps because of a retained message.</summary>
    internal void Suspect()
    {
        if (mode == RetainMode.Auto)
        {
            Volatile.Write(ref _isOff, IsOn ? 1 : 0);
        }
    }
}
