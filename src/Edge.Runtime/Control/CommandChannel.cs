using System.Text.Json;
using System.Threading.Channels;
using Edge.Inference;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Control;

/// <summary>The result of a request.</summary>
/// <param name="Said">A sentence for the client that sent the request.</param>
/// <param name="Then">What to do after the answer is queued, or null.</param>
internal readonly record struct CommandResult(string Said, Action? Then = null);

/// <summary>
/// Requests on <c>edge/DEVICE/command/NAME</c>: only those that edge.yaml allows, one at a time, at a limited rate.
/// Each accepted request is answered and logged.
/// </summary>
internal sealed class CommandChannel : IDisposable
{
    // Requests that may arrive at once, and requests per second after that.
    private const double Burst = 20;
    private const double Rate = 2;
    private const int QueueMax = 20;
    private const int ResponseTopicMax = 256;
    private static readonly TimeSpan SayFloodEvery = TimeSpan.FromMinutes(1);

    private readonly string _device;
    private readonly IReadOnlyCollection<string> _streams;
    private readonly Func<CommandRequest, Task<CommandResult>> _execute;
    private readonly Action<MqttMessage> _answer;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly List<IDisposable> _subscriptions = [];
    private readonly Channel<(CommandName Name, MqttReceived Message)> _queue =
        Channel.CreateBounded<(CommandName, MqttReceived)>(QueueMax);
    private readonly Lock _gate = new();
    private double _tokens = Burst;
    private long _filledAt;
    private long _refused;
    private long _saidAt;

    /// <param name="device">The device's name.</param>
    /// <param name="allowed">Which requests are accepted; all others are ignored.</param>
    /// <param name="streams">Names of the streams.</param>
    /// <param name="execute">Executes the request and returns what it did; an <see cref="InputException"/> says why it cannot.</param>
    /// <param name="answer">Publishes an answer.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Every request.</param>
    internal CommandChannel(
        string device,
        IReadOnlyCollection<CommandName> allowed,
        IReadOnlyCollection<string> streams,
        Func<CommandRequest, Task<CommandResult>> execute,
        Action<MqttMessage> answer,
        TimeProvider clock,
        ILogger log)
    {
        _device = device;
        Allowed = allowed;
        _streams = streams;
        _execute = execute;
        _answer = answer;
        _clock = clock;
        _log = log;
        _filledAt = clock.GetTimestamp();
        Working = Task.Run(WorkAsync);
    }

    internal IReadOnlyCollection<CommandName> Allowed { get; }

    /// <summary>Requests that exceeded the rate limit and were dropped unread.</summary>
    internal long Refused => Interlocked.Read(ref _refused);

    /// <summary>Completes when all accepted requests are done, after <see cref="Dispose"/>.</summary>
    internal Task Working { get; }

    internal void Subscribe(MqttSubscriber input)
    {
        foreach (CommandName name in Allowed)
        {
            _subscriptions.Add(input.Subscribe(Topics.Command(_device, Text(name)), message => Take(name, message)));
        }
    }

    /// <summary>Takes a message, from any thread.</summary>
    internal void Take(CommandName name, MqttReceived message)
    {
        // A retained request would be executed again at every connection.
        if (message.Retain || !TrySpend() || !_queue.Writer.TryWrite((name, message)))
        {
            Interlocked.Increment(ref _refused);
            SayFlood();
        }
    }

    public void Dispose()
    {
        _subscriptions.ForEach(subscription => subscription.Dispose());
        _queue.Writer.TryComplete();
    }

    internal static string Text(CommandName name) => name.ToString().ToLowerInvariant();

    private async Task WorkAsync()
    {
        await foreach ((CommandName name, MqttReceived message) in _queue.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            string? origin = ResponseTopic(name, message);
            (bool isDone, CommandResult result) = await ExecuteAsync(name, message).ConfigureAwait(false);
            _log.Log(
                isDone ? LogLevel.Information : LogLevel.Warning,
                "Command {Command}, answered on {Topic}: {Said}",
                Text(name),
                origin,
                result.Said);
            _answer(Answer(name, message, origin, isDone, result.Said));
            result.Then?.Invoke();
        }
    }

    private async Task<(bool IsDone, CommandResult Result)> ExecuteAsync(CommandName name, MqttReceived message)
    {
        try
        {
            return (true, await _execute(CommandRequest.Parse(name, message.Payload, _streams)).ConfigureAwait(false));
        }
        catch (InputException e)
        {
            return (false, new CommandResult(e.Message));
        }
        catch (Exception e)
        {
            _log.LogError("A bug in edge-runtime: command {Command} failed: {Message}", Text(name), e.Message);
            return (false, new CommandResult("The command failed. The log of the service says why."));
        }
    }

    // The response topic of the request, unless other messages use that topic.
    private string ResponseTopic(CommandName name, MqttReceived message)
    {
        string own = Topics.CommandResponse(_device, Text(name));
        return message.ResponseTopic is { Length: > 0 and <= ResponseTopicMax } wanted
            && wanted.AsSpan().IndexOfAny("+#\0") < 0 && wanted[0] != '$'
            && !wanted.StartsWith("homeassistant/", StringComparison.Ordinal)
            && !wanted.StartsWith("edge/", StringComparison.Ordinal)
            ? wanted : own;
    }

    private MqttMessage Answer(CommandName name, MqttReceived message, string topic, bool isDone, string said)
    {
        using var payload = new MemoryStream();
        using (var json = new Utf8JsonWriter(payload, PayloadJson.Options))
        {
            json.WriteStartObject();
            json.WriteString("device", _device);
            json.WriteString("command", Text(name));
            json.WriteBoolean("ok", isDone);
            json.WriteString("message", said);
            json.WriteEndObject();
        }

        return new MqttMessage
        {
            Topic = topic,
            Payload = payload.ToArray(),
            Class = MessageClass.Event,
            ContentType = "application/json",
            ExpirySeconds = 300,
            CorrelationData = message.CorrelationData.Length <= 1024 ? message.CorrelationData : default,
        };
    }

    private bool TrySpend()
    {
        lock (_gate)
        {
            long now = _clock.GetTimestamp();
            _tokens = Math.Min(Burst, _tokens + (_clock.GetElapsedTime(_filledAt, now).TotalSeconds * Rate));
            _filledAt = now;
            if (_tokens < 1)
            {
                return false;
            }

            _tokens--;
            return true;
        }
    }

    private void SayFlood()
    {
        lock (_gate)
        {
            if (_saidAt != 0 && _clock.GetElapsedTime(_saidAt) < SayFloodEvery)
            {
                return;
            }

            _saidAt = _clock.GetTimestamp();
        }

        _log.LogWarning(
            "Dropped {Commands} so far: retained, or more than {Rate} per second", Quantity.Of(Refused, "command"), Rate);
    }
}
