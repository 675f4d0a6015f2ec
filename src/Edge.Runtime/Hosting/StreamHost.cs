using Edge.Runtime.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>
/// Runs one stream and keeps it running: a live stream that faults is opened again from its last committed tick, with backoff, and the others
/// never notice. Who has something to do to the stream does it here, between two ticks.
/// </summary>
internal sealed class StreamHost : IDisposable
{
    // Faults in a row, without a tick in between, after which the state itself is suspected.
    private const int FaultsBeforeAnew = 3;

    private readonly Func<long, bool, SensorStream> _open;
    private readonly Action _settle;
    private readonly ILogger _log;
    private readonly Backoff _backoff;
    private readonly Lock _gate = new();
    private readonly Queue<Action> _work = new();
    private CancellationTokenSource? _reading;
    private bool _isOver;

    /// <param name="open">Opens the stream where it stood, or, if asked to, anew; it is given the last number that went out, 0 at first.</param>
    /// <param name="settle">Sees to it that what the stream was is there to be opened; an <see cref="InputException"/> says why that cannot be now.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Faults.</param>
    internal StreamHost(Func<long, bool, SensorStream> open, Action settle, TimeProvider clock, ILogger log)
    {
        _open = open;
        _settle = settle;
        _log = log;
        _backoff = new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5), clock);
        Stream = open(0, false);
    }

    /// <summary>The stream as it is now; another object after a fault or a reset.</summary>
    internal SensorStream Stream { get; private set; }

    /// <summary>Called, between two ticks, with the stream that was opened in the place of another: true after a fault, false after a reset.</summary>
    internal Action<SensorStream, bool>? Reopened { get; set; }

    /// <summary>How often it was opened again after a fault.</summary>
    internal long Restarts { get; private set; }

    /// <summary>Runs until the source ends or <paramref name="stop"/> says stop.</summary>
    /// <returns>Whether it ended well.</returns>
    internal async Task<bool> RunAsync(CancellationToken stop)
    {
        int faults = 0;
        try
        {
            while (true)
            {
                long before = Stream.Seq;
                Exception fault;
                try
                {
                    if (await RunOnceAsync(stop).ConfigureAwait(false))
                    {
                        return true;
                    }

                    continue;
                }
                catch (OperationCanceledException) when (stop.IsCancellationRequested)
                {
                    return true;
                }
                catch (InputException e) when (Stream.IsRecorded)
                {
                    // The row will be as wrong the next time.
                    _log.LogError("{Stream}: {Message} The other streams go on", Stream.Name, e.Message);
                    return false;
                }
                catch (Exception e) when (!Stream.IsRecorded)
                {
                    fault = e;
                }

                if (Stream.Seq > before)
                {
                    faults = 0;
                    _backoff.Reset();
                }

                faults++;
                await OpenAgainAsync(fault, anew: faults > FaultsBeforeAnew, stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return true;
        }
        finally
        {
            EndWork();
        }
    }

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

            _work.Enqueue(() =>
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
            // Not on this thread: whoever waits for the next tick would go on from here.
            _ = _reading?.CancelAsync();
        }

        return done.Task;
    }

    /// <summary>Closes the stream and opens it anew, without what it was; its numbers go on.</summary>
    internal Task<long> BeginAnewAsync() => BetweenTicksAsync(stream =>
    {
        long seq = stream.Seq;
        Replace(anew: true);
        Reopened?.Invoke(Stream, false);
        return seq;
    });

    /// <summary>Has the stream go on as what <paramref name="replace"/> makes of it, between two ticks.</summary>
    internal Task ReplaceAsync(Func<SensorStream, SensorStream> replace) => BetweenTicksAsync(stream =>
    {
        Stream = replace(stream);
        return true;
    });

    public void Dispose() => Stream.Dispose();

    // False if somebody had something to do in between.
    private async Task<bool> RunOnceAsync(CancellationToken stop)
    {
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(stop);
        while (true)
        {
            Action? work;
            lock (_gate)
            {
                if (!_work.TryDequeue(out work))
                {
                    _reading = reading;
                    break;
                }
            }

            work();
        }

        try
        {
            await Stream.RunAsync(reading.Token, stop).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            lock (_gate)
            {
                _reading = null;
            }
        }
    }

    private async Task OpenAgainAsync(Exception fault, bool anew, CancellationToken stop)
    {
        _log.LogError("{Stream}: {Kind}: {Message} It is opened again{Anew}; the other streams go on", Stream.Name, fault is InputException ? "fault" : $"a bug of ours ({fault.GetType().Name})", fault.Message, anew ? " anew, without its state" : "");
        while (true)
        {
            await _backoff.WaitAsync(stop).ConfigureAwait(false);
            try
            {
                Replace(anew);
                Restarts++;
                Reopened?.Invoke(Stream, true);
                return;
            }
            catch (InputException e)
            {
                _log.LogError("{Stream}: cannot be opened again yet: {Message}", Stream.Name, e.Message);
            }
        }
    }

    private void Replace(bool anew)
    {
        _settle();
        Stream.Dispose();
        Stream = _open(Stream.Seq, anew);
    }

    private void EndWork()
    {
        Action[] left;
        lock (_gate)
        {
            _isOver = true;
            left = [.. _work];
            _work.Clear();
        }

        Array.ForEach(left, each => each());
    }
}
