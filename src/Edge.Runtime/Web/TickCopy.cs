using Edge.Streams;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Web;

/// <summary>
/// The newest tick of a stream. The thread of the stream writes it without a lock; a reader that meets a write reads again.
/// </summary>
internal sealed class TickCopy
{
    private const int TriesMax = 1000;

    private readonly double[] _values;
    private readonly Quality[] _quality;
    private readonly string?[] _faults;
    private readonly double[] _forecast;
    private readonly double[] _low;
    private readonly double[] _high;
    private long _seq;
    private DateTime _time;
    private bool _hasForecast;
    private bool _isClockUnset;
    private int _version;

    /// <param name="columns">Columns of the stream.</param>
    /// <param name="outputs">Outputs of its model.</param>
    internal TickCopy(int columns, int outputs)
    {
        _values = new double[columns];
        _quality = new Quality[columns];
        _faults = new string?[columns];
        _forecast = new double[outputs];
        _low = new double[outputs];
        _high = new double[outputs];
    }

    /// <summary>Number of the tick; 0 before the first.</summary>
    internal long Seq => _seq;

    internal DateTime Time => _time;

    internal ReadOnlySpan<double> Values => _values;

    internal ReadOnlySpan<Quality> Qualities => _quality;

    /// <summary>Why a channel is not good, or null.</summary>
    internal ReadOnlySpan<string?> Faults => _faults;

    /// <summary>Whether the time comes from a clock that was never synchronized.</summary>
    internal bool IsClockUnset => _isClockUnset;

    /// <summary>Whether the tick has forecasts.</summary>
    internal bool HasForecast => _hasForecast;

    /// <summary>Each output's forecast, in its unit.</summary>
    internal ReadOnlySpan<double> Forecast => _forecast;

    internal ReadOnlySpan<double> Low => _low;

    internal ReadOnlySpan<double> High => _high;

    /// <summary>Takes over a tick. Called by the thread of the stream.</summary>
    /// <param name="tick">The tick.</param>
    /// <param name="outputs">Outputs that are forecasts.</param>
    internal void Write(StreamTick tick, ReadOnlySpan<int> outputs)
    {
        Volatile.Write(ref _version, _version + 1);
        Interlocked.MemoryBarrier();
        (_seq, _time) = (tick.Seq, tick.Reading.Time);
        tick.Reading.Values.CopyTo(_values.AsSpan());
        tick.Reading.Quality.CopyTo(_quality.AsSpan());
        tick.Reading.Faults.CopyTo(_faults.AsSpan());
        (_hasForecast, _isClockUnset) = (tick.Forecast is not null, tick.Reading.ClockIsUnset);
        if (tick.Forecast is { } forecast)
        {
            Copy(forecast, outputs);
        }

        Volatile.Write(ref _version, _version + 1);
    }

    /// <summary>Copies the newest tick.</summary>
    /// <param name="into">Receives it; of the same shape.</param>
    internal void Read(TickCopy into)
    {
        for (int tries = 0; tries < TriesMax; tries++)
        {
            int version = Volatile.Read(ref _version);
            (into._seq, into._time, into._hasForecast, into._isClockUnset) = (_seq, _time, _hasForecast, _isClockUnset);
            _values.CopyTo(into._values, 0);
            _quality.CopyTo(into._quality, 0);
            _faults.CopyTo(into._faults, 0);
            _forecast.CopyTo(into._forecast, 0);
            _low.CopyTo(into._low, 0);
            _high.CopyTo(into._high, 0);
            Interlocked.MemoryBarrier();
            if ((version & 1) == 0 && Volatile.Read(ref _version) == version)
            {
                return;
            }

            Thread.Yield();
        }
    }

    private void Copy(Forecast forecast, ReadOnlySpan<int> outputs)
    {
        foreach (int output in outputs)
        {
            _forecast[output] = forecast.Value(output);
            _low[output] = forecast.Low(output);
            _high[output] = forecast.High(output);
        }
    }
}
