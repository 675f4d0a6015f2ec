namespace Edge.Runtime.Sensors.Channels;

/// <summary>The threads of all buses; streams that read from the same bus share its thread.</summary>
internal sealed class Buses : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, BusThread> _threads = [];

    internal BusThread this[string bus]
    {
        get
        {
            lock (_gate)
            {
                if (!_threads.TryGetValue(bus, out BusThread? thread))
                {
                    _threads[bus] = thread = new BusThread(bus);
                }

                return thread;
            }
        }
    }

    /// <summary>The threads so far.</summary>
    internal IReadOnlyList<BusThread> All
    {
        get
        {
            lock (_gate)
            {
                return [.. _threads.Values];
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (BusThread thread in _threads.Values)
            {
                thread.Dispose();
            }
        }
    }
}
