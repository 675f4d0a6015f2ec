namespace Edge.Sensors.Polling;

/// <summary>
/// One thread that reads the devices of one bus, in turn. An I2C read in the kernel cannot be canceled: if one hangs, its thread
/// stays with it, and a new thread continues with the rest of the bus.
/// </summary>
internal sealed class BusThread : IDisposable
{
    private readonly string _name;
    private readonly object _gate = new();
    private readonly Queue<DevicePoller> _due = new();
    private int _thread;
    private bool _isReading;
    private int _leftBehind;
    private bool _isStopped;

    internal BusThread(string name)
    {
        _name = name;
        Start();
    }

    internal string Name => _name;

    /// <summary>How many devices are being read or wait for their turn, without those that hang.</summary>
    internal int Busy
    {
        get
        {
            lock (_gate)
            {
                return _due.Count + (_isReading ? 1 : 0);
            }
        }
    }

    /// <summary>Number of threads that hang in a device.</summary>
    internal int LeftBehind
    {
        get
        {
            lock (_gate)
            {
                return _leftBehind;
            }
        }
    }

    /// <summary>Queues a device to be read.</summary>
    internal void Post(DevicePoller device)
    {
        lock (_gate)
        {
            _due.Enqueue(device);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Leaves the current thread to the device that hangs, and continues with a new thread.</summary>
    internal void Abandon()
    {
        lock (_gate)
        {
            // The device may have answered just now. Then no thread hangs, and the old thread waits and must not take the next wake-up.
            _leftBehind += _isReading ? 1 : 0;
            _isReading = false;
            _thread++;
            Monitor.PulseAll(_gate);
            Start();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isStopped = true;
            Monitor.PulseAll(_gate);
        }
    }

    // In the background: a hung read must not keep the process from ending.
    private void Start()
    {
        int number = _thread;
        new Thread(() => Run(number)) { IsBackground = true, Name = _name }.Start();
    }

    private void Run(int number)
    {
        while (true)
        {
            DevicePoller device;
            lock (_gate)
            {
                while (_due.Count == 0 && !_isStopped && _thread == number)
                {
                    Monitor.Wait(_gate);
                }

                if (_isStopped || _thread != number)
                {
                    return;
                }

                device = _due.Dequeue();
                _isReading = true;
            }

            device.Run();
            lock (_gate)
            {
                if (_thread == number)
                {
                    _isReading = false;
                }
                else
                {
                    _leftBehind--;
                }
            }
        }
    }
}
