using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;
using Edge.Inference;
using Edge.Sensors;
using Edge.Sensors.Timing;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Rows from the messages of one topic, each a row, in its own session: a message is acknowledged when its row is committed. The broker
/// keeps messages while this process does not run. If messages carry their time, a repeated message is detected by it, so that each
/// is processed exactly once.
/// </summary>
internal sealed class MqttRowSensor : ISensor
{
    // A time further ahead than this would block every row until then.
    private static readonly TimeSpan AheadMax = TimeSpan.FromDays(1);

    private readonly MqttRowOptions _config;
    private readonly JsonPath[] _paths;
    private readonly JsonPath? _time;
    private readonly TimeSpan _period;
    private readonly TimeProvider _clock;
    private readonly SystemClock _system;
    private readonly ILogger _log;
    private readonly Func<MqttSubscriber> _connect;
    private readonly Channel<Arrival> _arrivals = System.Threading.Channels.Channel.CreateBounded<Arrival>(1);
    private readonly Func<JsonElement, string?> _readRow;
    private MqttSubscriber? _input;
    private Arrival? _taken;
    private Reading? _row;
    private DateTime _lastTime;
    private bool _isSaid;

    /// <param name="config">Topic, and where in its messages the values and the time are.</param>
    /// <param name="columns">The model's columns.</param>
    /// <param name="period">Time from row to row, by which a gap is known.</param>
    /// <param name="clock">Time of rows that carry none.</param>
    /// <param name="system">Whether the clock is set.</param>
    /// <param name="connect">Connects, at the first read.</param>
    /// <param name="log">Logs messages that are not a row.</param>
    /// <exception cref="InputException">The configuration names a column that the model does not have.</exception>
    internal MqttRowSensor(
        MqttRowOptions config,
        IReadOnlyList<string> columns,
        TimeSpan period,
        TimeProvider clock,
        SystemClock system,
        Func<MqttSubscriber> connect,
        ILogger log)
    {
        string[] unknown = [.. config.Values.Keys.Except(columns)];
        if (unknown.Length > 0)
        {
            throw new InputException(
                $"'values' has {string.Join(", ", unknown)}, which the model does not read; its columns are {string.Join(", ", columns)}.");
        }

        _config = config;
        _paths =
        [
            .. columns.Select(
                column => config.Values.TryGetValue(column, out string? path) ? JsonPath.Parse(path) : JsonPath.Member(column)),
        ];
        _time = config.TimePath is { } timePath ? JsonPath.Parse(timePath) : null;
        _period = period;
        _clock = clock;
        _system = system;
        _connect = connect;
        _log = log;
        _readRow = ReadRow;
    }

    public SourceKind Kind => SourceKind.Queued;

    public void Resume(long rows, DateTime lastTime) => _lastTime = lastTime;

    public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        if (_input is null)
        {
            _input = _connect();
            _input.Subscribe(_config.Topic, TakeAsync);
        }

        while (true)
        {
            Arrival arrival = await _arrivals.Reader.ReadAsync(cancel).ConfigureAwait(false);
            _row = into;
            if (MqttPayload.Read(arrival.Payload, _readRow) is { } why)
            {
                SaySkipped(why);
                arrival.Done.SetResult(true);
                continue;
            }

            _isSaid = false;
            _taken = arrival;
            return true;
        }
    }

    public void Committed()
    {
        _taken?.Done.SetResult(true);
        _taken = null;
    }

    /// <summary>An uncommitted row is not acknowledged, so the broker sends it again.</summary>
    public void Dispose()
    {
        _arrivals.Writer.TryComplete();

        // Before the link learns that a message was not accepted, which it would report as a loss.
        _input?.Dispose();
        while (_arrivals.Reader.TryRead(out Arrival? waiting))
        {
            waiting.Done.SetResult(false);
        }

        _taken?.Done.SetResult(false);
        _taken = null;
    }

    // A retained message is a row from before this session.
    private async ValueTask<bool> TakeAsync(MqttReceived message)
    {
        if (message.Retain)
        {
            return true;
        }

        var arrival = new Arrival(message.Payload, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _arrivals.Writer.TryWrite(arrival) && await arrival.Done.Task.ConfigureAwait(false);
    }

    // Why the message is not a usable row, or null.
    private string? ReadRow(JsonElement root)
    {
        DateTime now = _clock.GetUtcNow().UtcDateTime;
        DateTime time = now;
        bool clockIsSet = _system.IsSet();
        if (_time is not null)
        {
            if (!_time.TryFind(root, out JsonElement stamp) || !MqttPayload.TryTime(stamp, out time))
            {
                return "a message came without a usable time";
            }

            if (time <= _lastTime)
            {
                return $"a row of {Text(time)} came, which is not newer than the one before ({Text(_lastTime)}); "
                    + $"it was taken in already, or rows do not come in the order of their time";
            }

            if (clockIsSet && time > now + AheadMax)
            {
                return $"a row of {Text(time)} came, which is more than a day ahead";
            }
        }

        for (int i = 0; i < _paths.Length; i++)
        {
            ReadValue(root, i);
        }

        _row!.Time = time;
        _row.ClockIsUnset = _time is null && !clockIsSet;
        _row.SkippedTicks = _lastTime == default ? 0 : Math.Max(0, (long)Math.Round((time - _lastTime) / _period) - 1);
        _lastTime = time;
        return null;
    }

    private void ReadValue(JsonElement root, int channel)
    {
        // A number by itself is the row of a model with one column.
        bool isThere = _paths[channel].TryFind(root, out JsonElement value)
            || (_paths.Length == 1 && (value = root).ValueKind == JsonValueKind.Number);
        double number = isThere ? MqttPayload.Number(value) : double.NaN;
        bool isFinite = double.IsFinite(number);
        _row!.Values[channel] = isFinite ? number : 0;
        _row.Quality[channel] = isFinite ? Quality.Good : isThere ? Quality.Invalid : Quality.Missing;
        _row.Faults[channel] = isFinite
            ? null
            : isThere
            ? "a message came with something that is no finite number"
            : "a message came without its value";
    }

    private void SaySkipped(string why)
    {
        if (!_isSaid)
        {
            _isSaid = true;
            _log.LogWarning("Topic '{Topic}': skipped: {Why}", _config.Topic, why);
        }
    }

    private static string Text(DateTime time) => time.ToString(Timestamp.Format, CultureInfo.InvariantCulture);

    private sealed record Arrival(ReadOnlyMemory<byte> Payload, TaskCompletionSource<bool> Done);
}
