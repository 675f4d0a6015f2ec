using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Streams;

namespace Edge.Runtime.Hosting;

/// <summary>The messages of the ticks of one stream: what each tick sends, and when health and entities are due.</summary>
internal sealed class TickMessages : IDisposable
{
    private static readonly TimeSpan HealthEvery = TimeSpan.FromMinutes(1);

    private readonly string _device;
    private readonly PublishOptions _publish;
    private readonly TimeSpan _expiry;
    private readonly ISensor _sensor;
    private readonly TimeProvider _clock;
    private readonly List<MqttMessage> _messages = [];
    private SensorStream _stream;
    private StreamPayloads _payloads;
    private long _healthAt;
    private long _skippedSaid;
    private long _entitiesAt;
    private ReadOnlyMemory<byte> _entities;

    // What health shows of a queued source while its next row is awaited: the row before, without its values.
    private Reading? _shown;

    /// <param name="device">The device's name.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="sensor">Its source, for the rows that it has skipped.</param>
    /// <param name="publish">Which messages are published.</param>
    /// <param name="expiry">Age at which readings and forecasts expire.</param>
    /// <param name="clock">When health and entities are due.</param>
    internal TickMessages(
        string device, SensorStream stream, ISensor sensor, PublishOptions publish, TimeSpan expiry, TimeProvider clock)
    {
        (_device, _stream, _sensor, _publish, _expiry, _clock) = (device, stream, sensor, publish, expiry, clock);
        _payloads = new StreamPayloads(device, stream, publish, expiry);
    }

    /// <summary>What the entities of a home automation see, or null for no such messages.</summary>
    internal EntityOptions? EntitiesWanted { get; set; }

    /// <summary>The messages since <see cref="Clear"/>.</summary>
    internal IReadOnlyList<MqttMessage> All => _messages;

    /// <summary>Whether rows have been skipped since health said so last.</summary>
    internal bool HaveRowsBeenSkipped => _sensor.SkippedRows > _skippedSaid;

    /// <summary>Continues with another stream over the same source.</summary>
    internal void SwitchTo(SensorStream stream)
    {
        _payloads.Dispose();
        _stream = stream;
        _payloads = new StreamPayloads(_device, stream, _publish, _expiry);
    }

    internal void Clear() => _messages.Clear();

    /// <summary>Adds what subscribers see of an anomaly and of limits that were open before this process.</summary>
    internal void AddStates()
    {
        _messages.Add(_payloads.AnomalyState(_stream.IsAnomalyOpen));
        if (_stream.Limits.Count > 0)
        {
            _messages.Add(_payloads.LimitStates(_stream.Limits));
        }
    }

    /// <summary>Adds the messages of a tick.</summary>
    internal void Add(StreamTick tick)
    {
        _payloads.Render(tick, _messages);
        if (_publish.Scores)
        {
            _messages.Add(_payloads.Score(tick.Seq, tick.Reading.Time, _stream));
        }

        if (tick.Limits.Count > 0)
        {
            _messages.Add(_payloads.LimitStates(_stream.Limits));
        }

        AddEntities(tick);
        if (tick.QualityChanged || tick.IsFirst || _clock.GetElapsedTime(_healthAt) >= HealthEvery)
        {
            _healthAt = _clock.GetTimestamp();
            AddHealth(tick.Seq, tick.Reading);
        }
    }

    /// <summary>Adds health as of a row.</summary>
    internal void AddHealth(long seq, Reading reading) => _messages.Add(Health(seq, reading));

    /// <summary>
    /// Health while a row of a queued source is awaited. That row is being filled, so it shows the one of <see cref="NoteRow"/>.
    /// </summary>
    internal MqttMessage HealthOfWaiting() => Health(_stream.Seq, _shown ??= NothingYet());

    /// <summary>Keeps what health shows of the last row of a queued source while the next one is awaited.</summary>
    internal void NoteRow(Reading reading)
    {
        if (_sensor.Kind == SourceKind.Queued)
        {
            _shown ??= new Reading(_stream.Manifest.Columns.Count);
            _shown.Time = reading.Time;
            reading.Quality.CopyTo(_shown.Quality, 0);
            reading.Faults.CopyTo(_shown.Faults, 0);
        }
    }

    public void Dispose() => _payloads.Dispose();

    private MqttMessage Health(long seq, Reading reading)
    {
        _skippedSaid = _sensor.SkippedRows;
        return _payloads.Health(seq, reading, _stream.Health, _skippedSaid, _sensor.LastSkip);
    }

    private Reading NothingYet()
    {
        var reading = new Reading(_stream.Manifest.Columns.Count) { Time = _clock.GetUtcNow().UtcDateTime };
        Array.Fill(reading.Quality, Quality.Missing);
        return reading;
    }

    private void AddEntities(StreamTick tick)
    {
        if (EntitiesWanted is not { } options
            || (_entitiesAt != 0 && _clock.GetElapsedTime(_entitiesAt) < options.Every - (_stream.Period / 2)))
        {
            return;
        }

        MqttMessage message = _payloads.Entities(tick);
        bool isSame = options.OnChange && message.Payload.Span.SequenceEqual(_entities.Span);
        if (isSame && _clock.GetElapsedTime(_entitiesAt) < options.Expiry(_stream.Period) / 2)
        {
            return;
        }

        _entitiesAt = _clock.GetTimestamp();
        _entities = message.Payload;
        _messages.Add(message);
    }
}
