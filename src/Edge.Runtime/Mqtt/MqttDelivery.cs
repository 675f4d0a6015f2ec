namespace Edge.Runtime.Mqtt;

/// <summary>
/// A message that was handed to a link, and what became of it. It settles once: acknowledged, refused by the broker, or lost with its
/// connection.
/// </summary>
internal sealed class MqttDelivery(MqttMessage message)
{
    private static readonly object Acknowledged = new();

    private object? _outcome;
    private TaskCompletionSource? _waiting;

    internal MqttMessage Message => message;

    /// <summary>Whether it is settled: acknowledged, refused or lost.</summary>
    internal bool IsSettled => Volatile.Read(ref _outcome) is not null;

    /// <summary>Whether the broker has acknowledged it (QoS 1) or the link has taken it (QoS 0).</summary>
    internal bool IsDelivered => ReferenceEquals(Volatile.Read(ref _outcome), Acknowledged);

    /// <summary>Why it was not delivered; null while it is in flight, and if it was delivered.</summary>
    internal MqttLinkException? Failure => Volatile.Read(ref _outcome) as MqttLinkException;

    /// <summary>Settles it. The first call counts.</summary>
    /// <param name="failure">Why it was not delivered, or null if it was.</param>
    internal void Settle(MqttLinkException? failure = null)
    {
        if (Interlocked.CompareExchange(ref _outcome, failure ?? Acknowledged, null) is null && Volatile.Read(ref _waiting) is { } waiting)
        {
            End(waiting);
        }
    }

    /// <summary>
    /// Waits until it is settled. A delivery without a waiting caller costs no task: one wait serves a whole window of messages.
    /// </summary>
    /// <exception cref="MqttRefusedException">The broker refused it.</exception>
    /// <exception cref="MqttLinkException">The connection was lost first.</exception>
    internal Task SettledAsync()
    {
        if (IsDelivered)
        {
            return Task.CompletedTask;
        }

        var fresh = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource waiting = Interlocked.CompareExchange(ref _waiting, fresh, null) ?? fresh;

        // It may have been settled just before the waiting task was created.
        if (IsSettled)
        {
            End(waiting);
        }

        return waiting.Task;
    }

    private void End(TaskCompletionSource waiting)
    {
        if (Failure is not { } failure)
        {
            waiting.TrySetResult();
        }
        else if (waiting.TrySetException(failure))
        {
            // The waiting task may have been canceled: observe the failure, so that it is not reported as unobserved.
            _ = waiting.Task.Exception;
        }
    }
}
