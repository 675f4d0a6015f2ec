using System.Globalization;
using Edge.Streams;

namespace Edge.Sensors.Polling;

/// <summary>
/// One channel between its source and the rows: takes samples as they arrive, from any thread, and returns one value per tick with
/// its quality.
/// </summary>
internal sealed class Channel
{
    private readonly ChannelOptions _config;
    private readonly TimeSpan? _ageMax;
    private readonly string _silence;
    private readonly TimeProvider _clock;
    private readonly (double Min, double Max) _range;
    private readonly Lock _gate = new();
    private double _value;
    private int _samples;
    private int _rejected;
    private Quality _worst;
    private string? _fault;
    private double _current = double.NaN;
    private long _lastAt;
    private bool _isLastUsable;
    private int _same;

    /// <param name="config">Scale, offset, limits, aggregate.</param>
    /// <param name="range">What the source can measure, before scale and offset.</param>
    /// <param name="ageMax">How long a value that arrived by itself counts as current; null for a polled source.</param>
    /// <param name="clock">Monotonic time.</param>
    internal Channel(ChannelOptions config, (double Min, double Max) range, TimeSpan? ageMax, TimeProvider clock)
    {
        _config = config;
        _range = range;
        _ageMax = ageMax;
        _clock = clock;
        _silence = $"no value from {config.Device}";
    }

    /// <summary>Takes a sample.</summary>
    /// <param name="raw">As the source gave it; NaN if it is not valid.</param>
    /// <param name="at">When, as a timestamp of the clock.</param>
    internal void Add(double raw, long at)
    {
        double value = (raw * _config.Scale) + _config.Offset;
        lock (_gate)
        {
            if (!double.IsFinite(value))
            {
                Reject(Quality.Invalid, "the value is not a valid number", at);
                return;
            }

            if (Outside(raw, value) is { } outside)
            {
                Reject(Quality.OutOfRange, outside, at);
                return;
            }

            _value = (_samples, _config.Aggregate) switch
            {
                (0, _) or (_, Aggregate.Last) => value,
                (_, Aggregate.Min) => Math.Min(_value, value),
                (_, Aggregate.Max) => Math.Max(_value, value),
                _ => _value + value,
            };
            _samples++;
            _lastAt = at;
            _isLastUsable = true;
        }
    }

    /// <summary>Notes that the source has no value, and why.</summary>
    internal void Fail(string fault)
    {
        lock (_gate)
        {
            _worst = Quality.Missing;
            _fault = fault;
        }
    }

    /// <summary>Notes that the source gave something that is not a number, and what.</summary>
    internal void Invalid(string fault)
    {
        lock (_gate)
        {
            Reject(Quality.Invalid, fault, _clock.GetTimestamp());
        }
    }

    /// <summary>Returns the value of a tick and begins the next.</summary>
    internal void Take(Reading into, int column)
    {
        lock (_gate)
        {
            bool isFresh = _samples > 0;
            if (isFresh)
            {
                double value = _config.Aggregate == Aggregate.Mean ? _value / _samples : _value;
                _same = value.Equals(_current) ? _same + 1 : 0;
                _current = value;
            }

            bool isCurrent = _ageMax is { } ageMax && _clock.GetElapsedTime(_lastAt) <= ageMax;
            if (isFresh || (isCurrent && _isLastUsable))
            {
                bool isStuck = _config.StuckTicks > 0 && _same >= _config.StuckTicks;
                into.Values[column] = _current;
                into.Quality[column] = isStuck ? Quality.Stuck : Quality.Good;
                into.Faults[column] = isStuck ? "it returns the same value at every tick" : null;
            }
            else
            {
                if (_ageMax is not null && !isCurrent && _rejected == 0 && _worst is not Quality.Missing)
                {
                    // The rejected value is as old as a good one may become.
                    Forget();
                }

                into.Values[column] = 0;
                into.Quality[column] = _worst is Quality.Good ? Quality.Missing : _worst;
                into.Faults[column] = _fault ?? _silence;
            }

            // The reason is still the device that failed and waits for its next attempt, or the last value, which is current.
            if (_ageMax is null ? isFresh || _worst is not Quality.Missing : isFresh && _isLastUsable)
            {
                Forget();
            }

            _samples = 0;
            _rejected = 0;
        }
    }

    private string? Outside(double raw, double value) =>
        _config.Range.Outside(value) is { } outside ? outside
        : raw > _range.Max ? string.Create(CultureInfo.InvariantCulture, $"the value is above {_range.Max}, the sensor's limit: '{raw}'")
        : raw < _range.Min ? string.Create(CultureInfo.InvariantCulture, $"the value is below {_range.Min}, the sensor's limit: '{raw}'")
        : null;

    // A value that arrives by itself takes the place of the one before, also if it cannot be used.
    private void Reject(Quality quality, string fault, long at)
    {
        _worst = quality;
        _fault = fault;
        _rejected++;
        _lastAt = at;
        _isLastUsable = false;
    }

    private void Forget()
    {
        _worst = Quality.Good;
        _fault = null;
    }
}
