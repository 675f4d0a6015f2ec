using Edge.Inference;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Control;

/// <summary>
/// One stream for those who command it: runs control actions on the stream between two ticks. Actions come from any thread; the thread that
/// runs the stream takes them, one after the other.
/// </summary>
/// <param name="stream">The stream.</param>
internal sealed class StreamControl(SensorStream stream)
{
    private readonly Lock _gate = new();
    private readonly Queue<Action> _actions = new();
    private CancellationTokenSource? _reading;
    private bool _isOver;
    private Action<CanaryVerdict>? _decided;

    /// <summary>The stream as it is now; another object after a fault, a reset or a change of its model.</summary>
    internal SensorStream Stream { get; private set; } = stream;

    /// <summary>Closes the stream and opens it again without its state; its numbers continue.</summary>
    internal Func<SensorStream>? OpenWithoutState { get; set; }

    /// <summary>Called, between two ticks, with the stream that was opened in the place of another: true after a fault, false after a reset.</summary>
    internal Action<SensorStream, bool>? Reopened { get; set; }

    /// <summary>Does something to the stream between two ticks.</summary>
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

            // Not on this thread: whoever waits for the next tick would continue on it.
            _ = _reading?.CancelAsync();
        }

        return done.Task;
    }

    /// <summary>Resets the stream: it loses its state, and its numbers continue.</summary>
    /// <returns>The number of the last tick before.</returns>
    internal Task<long> ResetAsync() => BetweenTicksAsync(stream =>
    {
        long seq = stream.Seq;
        Reopen(OpenWithoutState!(), isAfterFault: false);
        return seq;
    });

    /// <summary>Puts what <paramref name="replace"/> makes of the stream in its place, between two ticks.</summary>
    internal Task ReplaceAsync(Func<SensorStream, SensorStream> replace) => BetweenTicksAsync(stream =>
    {
        Stream = replace(stream);
        return true;
    });

    /// <summary>Steps a new model beside the one in use; <paramref name="decided"/> is called once, after a tick, with how it did.</summary>
    internal void BeginCanary(SensorStream running, IInferenceEngine engine, long ticks, Action<CanaryVerdict> decided)
    {
        running.BeginCanary(engine, ticks);
        _decided = decided;
    }

    /// <summary>Puts a stream that was opened again in the place of the one before. Called by the thread that runs the stream.</summary>
    internal void Reopen(SensorStream stream, bool isAfterFault)
    {
        Stream = stream;
        Reopened?.Invoke(stream, isAfterFault);
    }

    /// <summary>Tells who waits for a canary's verdict. Called by the thread that runs the stream, after each tick.</summary>
    internal void AfterTick()
    {
        if (_decided is { } decided && Stream.CanaryVerdict is { } verdict)
        {
            _decided = null;
            decided(verdict);
        }
    }

    /// <summary>Runs the actions that wait; from then on an action ends the read that <paramref name="reading"/> stops.</summary>
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

    /// <summary>Says that no read is under way.</summary>
    internal void ReadEnded()
    {
        lock (_gate)
        {
            _reading = null;
        }
    }

    /// <summary>The stream has ended: runs what waits, and takes no more.</summary>
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
