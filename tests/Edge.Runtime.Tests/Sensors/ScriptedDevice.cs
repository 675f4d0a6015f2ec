using Edge.Sensors.Iio;
using Edge.Sensors.Polling;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>A device that does what the test says: gives values, fails, has none yet, or hangs.</summary>
internal sealed class ScriptedDevice(string name, string bus = "bus") : PolledDevice(new IioDeviceOptions(name, null), bus)
{
    private readonly object _gate = new();
    private bool _hangs;

    internal Func<double> Value { get; set; } = () => 20;

    internal string? Failure { get; set; }

    internal bool HasMeasurement { get; set; } = true;

    internal int Opened { get; private set; }

    internal int Closed { get; private set; }

    internal int ReadCount { get; private set; }

    internal bool IsHanging { get; private set; }

    internal void Hang() => _hangs = true;

    internal void GoOn()
    {
        lock (_gate)
        {
            _hangs = false;
            Monitor.PulseAll(_gate);
        }
    }

    internal override (double Min, double Max) Range(int read) => (-40, 85);

    internal override void Open()
    {
        Opened++;
        ThrowIfFailing();
    }

    internal override bool Read(Span<double> values)
    {
        ReadCount++;
        lock (_gate)
        {
            while (_hangs)
            {
                IsHanging = true;
                Monitor.Wait(_gate);
            }

            IsHanging = false;
        }

        ThrowIfFailing();
        values.Fill(Value());
        return HasMeasurement;
    }

    internal override void Close() => Closed++;

    private void ThrowIfFailing()
    {
        if (Failure is not null)
        {
            throw new IOException(Failure);
        }
    }
}
