namespace Edge.Sensors.Polling;

/// <summary>
/// Reads one device, fills its channels and tracks its health: after a failure it retries at once, then with backoff. While a device
/// hangs, it is not read again until it returns.
/// </summary>
internal sealed class DevicePoller : IDisposable
{
    private const long NotWaitedFor = -1;

    private static readonly TimeSpan BackoffMin = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan BackoffMax = TimeSpan.FromSeconds(10);

    private readonly PolledDevice _device;
    private readonly Channel[] _channels;
    private readonly double[] _values;
    private readonly BusThread _bus;
    private readonly TimeProvider _clock;
    private readonly Action<long> _answered;
    private readonly Lock _gate = new();
    private bool _isDue;
    private bool _isRunning;
    private bool _isHung;
    private bool _isOpen;
    private bool _isDisposed;
    private long _runningSince;
    private long _failedAt;
    private TimeSpan _backoff;
    private long _tick;

    /// <param name="device">The device.</param>
    /// <param name="channels">The channels of its values, in the order of its reads.</param>
    /// <param name="bus">The thread of its bus.</param>
    /// <param name="clock">Monotonic time.</param>
    /// <param name="answered">
    /// Called on the thread of the bus, with the tick, when the reading of that tick has succeeded or failed.
    /// </param>
    internal DevicePoller(PolledDevice device, Channel[] channels, BusThread bus, TimeProvider clock, Action<long> answered)
    {
        _device = device;
        _channels = channels;
        _values = new double[channels.Length];
        _bus = bus;
        _clock = clock;
        _answered = answered;
    }

    /// <summary>Starts a reading, unless one is pending or it is too early to retry.</summary>
    /// <returns>
    /// Whether the tick waits for an answer: a reading has started and the last one succeeded. The tick is then answered once.
    /// </returns>
    internal bool TryStart(long tick)
    {
        bool waitedFor;
        lock (_gate)
        {
            if (_isDue || _isRunning || _isDisposed || (_backoff > TimeSpan.Zero && _clock.GetElapsedTime(_failedAt) < _backoff))
            {
                return false;
            }

            _isDue = true;
            waitedFor = _backoff == TimeSpan.Zero;
            _tick = waitedFor ? tick : NotWaitedFor;
        }

        _bus.Post(this);
        return waitedFor;
    }

    /// <summary>Ends a reading that has timed out.</summary>
    internal void CheckHang()
    {
        lock (_gate)
        {
            if (!_isRunning || _isHung || _clock.GetElapsedTime(_runningSince) < _device.Timeout)
            {
                return;
            }

            _isHung = true;
            Fail($"{_device.Name} did not answer within {_device.Timeout.TotalSeconds:0.#} s");
        }

        _bus.Abandon();
    }

    /// <summary>Reads the device. Called by the bus's thread only.</summary>
    internal void Run()
    {
        lock (_gate)
        {
            _isDue = false;
            if (_isDisposed)
            {
                return;
            }

            _isRunning = true;
            _runningSince = _clock.GetTimestamp();
        }

        string? fault = ReadTwice(out bool isMeasured);
        long tick;
        lock (_gate)
        {
            _isRunning = false;
            tick = _tick;
            if (_isHung || _isDisposed)
            {
                // Too late to be used, but the device answers again, so it may be retried.
                _isHung = false;
                Close();
            }
            else if (fault is not null)
            {
                Fail(fault);
            }
            else
            {
                Succeed(isMeasured);
            }
        }

        _answered(tick);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            if (!_isRunning)
            {
                Close();
            }
        }
    }

    // A single NACK or wrong checksum is common: reopen the device and read once more before it counts as a failure.
    private string? ReadTwice(out bool isMeasured)
    {
        string? fault = null;
        isMeasured = false;
        for (int attempt = 0; attempt < 2; attempt++)
        {
            try
            {
                if (!_isOpen)
                {
                    _device.Open();
                    _isOpen = true;
                }

                isMeasured = _device.Read(_values);
                fault = null;
                if (!isMeasured || !Array.Exists(_values, double.IsNaN))
                {
                    return null;
                }
            }
            catch (Exception e)
            {
                // Drivers throw exceptions of any type. None may end more than this reading.
                fault = $"{_device.Name} does not answer: {e.Message.TrimEnd('.')}";
                Close();
            }

            if (_isHung)
            {
                return fault;
            }
        }

        return fault;
    }

    private void Succeed(bool isMeasured)
    {
        _backoff = TimeSpan.Zero;
        long now = _clock.GetTimestamp();
        for (int i = 0; i < _channels.Length; i++)
        {
            if (isMeasured)
            {
                _channels[i].Add(_values[i], now);
            }
            else
            {
                _channels[i].Fail($"{_device.Name} has no measurement yet");
            }
        }
    }

    private void Fail(string fault)
    {
        _failedAt = _clock.GetTimestamp();
        _backoff = _backoff == TimeSpan.Zero ? BackoffMin : _backoff * 2 < BackoffMax ? _backoff * 2 : BackoffMax;
        foreach (Channel channel in _channels)
        {
            channel.Fail(fault);
        }
    }

    private void Close()
    {
        _isOpen = false;
        try
        {
            _device.Close();
        }
        catch (Exception)
        {
            // Closing a device that is gone may fail.
        }
    }
}
