namespace Edge.Sensors.Polling;

/// <summary>
/// One thread that reads the devices of one bus, in turn. A read of the kernel's I2C cannot be cancelled: when one hangs, its
/// thread is left behind with it and another goes on with the rest of the bus.
/// </summary>
internal sealed class BusThread : IDisposable
{
    private readonly string _name;
    private readonly object _gate = new();
    private readonly Queue<DevicePoller> _due = new();
    private int _thread;
    private bool _isStopped;

    internal BusThread(string name)
    {
        _name = name;
        Start();
    }

    /// <summary>Has a device read after those that wait already.</summary>
    internal void Post(DevicePoller device)
    {
        lock (_gate)
        {
            _due.Enqueue(device);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Leaves the current thread to the device that holds it up, and goes on with a new one.</summary>
    internal void Abandon()
    {
        lock (_gate)
        {
            _thread++;
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
            }

            device.Run();
        }
    }
}
