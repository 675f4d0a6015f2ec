using Edge.Inference;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Control;

/// <summary>
/// Runs control actions on one stream between two ticks. Actions may be posted from any thread; the thread that runs the stream
/// executes them, one after the other.
/// </summary>
/// <param name="stream">The stream.</param>
internal sealed class StreamControl(SensorStream stream)
{
    private readonly Lock _gate = new();
    private readonly Queue<Action> _actions = new();
    private CancellationTokenSource? _reading;
    private bool _isOver;
    private Action<CanaryVerdict>? _decided;

    /// <summary>The current stream: a new object after a fault, a reset or a change of the model.</summary>
    internal SensorStream Stream { get; private set; } = stream;

    /// <summary>Closes the stream and opens it again without its state; its numbers continue.</summary>
    internal Func<SensorStream>? OpenWithoutState { get; set; }

    /// <summary>Called between two ticks with the stream that replaced another one: true after a fault, false after a reset.</summary>
    internal Action<SensorStream, bool>? Reopened { get; set; }

    /// <summary>Runs an action on the stream between two ticks.</summary>
    /// <exception cref="InputException">The stream has ended.</exception>
    internal Task<T> BetweenTicksAsync<T>(Func<SensorStream, T> action)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_isOver)
            {
                throw new InputException($"Stream '{Stream.Name}' has ended.");
            }

            _actions.Enqueue(() =>
            {
                try
                {
                    done.SetResult(action(Stream));
                }
                catch (Exception e)
                {
                    done.SetException(e);
                }
            });

            // Not on this thread: the code that waits for the next tick would continue on it.
            _ = _reading?.CancelAsync();
        }

        return done.Task;
    }

    /// <summary>Resets the stream: it loses its state, and its numbers continue.</summary>
    /// <returns>The number of the last tick before the reset.</returns>
    internal Task<long> ResetAsync() => BetweenTicksAsync(stream =>
    {
        long seq = stream.Seq;
        SensorStream next = OpenWithoutState!();
        next.EndAnomalyOf(stream);
        Reopen(next, isAfterFault: false);
        return seq;
    });

    /// <summary>Replaces the stream with what <paramref name="replace"/> returns, between two ticks.</summary>
    internal Task ReplaceAsync(Func<SensorStream, SensorStream> replace) => BetweenTicksAsync(stream =>
    {
        Stream = replace(stream);
        return true;
    });

    /// <summary>
    /// Steps a new model beside the one in use; <paramref name="decided"/> is called once, after a tick, with the verdict.
    /// </summary>
    internal void BeginCanary(SensorStream running, IInferenceEngine engine, long ticks, Action<CanaryVerdict> decided)
    {
        running.BeginCanary(engine, ticks);
        _decided = decided;
    }

    /// <summary>Replaces the stream with one that was opened again. Called by the thread that runs the stream.</summary>
    internal void Reopen(SensorStream stream, bool isAfterFault)
    {
        Stream = stream;
        Reopened?.Invoke(stream, isAfterFault);
    }

    /// <summary>Reports the verdict of a canary. Called by the thread that runs the stream, after each tick.</summary>
    internal void AfterTick()
    {
        // A model that takes over brings a detector of its own: the end of an open anomaly would never be said.
        if (_decided is { } decided && Stream.CanaryVerdict is { } verdict && !(verdict.IsNoWorse && Stream.IsAnomalyOpen))
        {
            _decided = null;
            decided(verdict);
        }
    }

    /// <summary>Runs the pending actions. From then on, a new action cancels the read through <paramref name="reading"/>.</summary>
    internal void RunActions(CancellationTokenSource reading)
    {
        while (true)
        {
            Action? action;
            lock (_gate)
            {
                if (!_actions.TryDequeue(out action))
                {
                    _reading = reading;
                    return;
                }
            }

            action();
        }
    }

    /// <summary>Marks that no read is pending.</summary>
    internal void ReadEnded()
    {
        lock (_gate)
        {
            _reading = null;
        }
    }

    /// <summary>The stream has ended: runs the pending actions and accepts no more.</summary>
    internal void End()
    {
        Action[] left;
        lock (_gate)
        {
            _isOver = true;
            left = [.. _actions];
            _actions.Clear();
        }

        Array.ForEach(left, action => action());
    }
}
