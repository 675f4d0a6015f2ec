using System.Collections.Concurrent;
using Edge.Inference;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Telemetry;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>
/// Keeps one stream running. After a fault, a live stream is opened again from its last committed tick, with backoff. The other
/// streams are not affected.
/// </summary>
internal sealed class StreamHost : IDisposable
{
    // Consecutive faults without a tick in between after which the state is discarded, because it may be the cause.
    private const int FaultsBeforeReset = 3;

    // Events that wait for a tick; a stream that has ended stores no more of them.
    private const int NotedMax = 100;

    private readonly Func<long, bool, StreamLoop> _open;
    private readonly Action _settle;
    private readonly ILogger _log;
    private readonly Backoff _backoff;
    private readonly Lock _onlineGate = new();
    private readonly ConcurrentQueue<HistoryEvent> _noted = new();
    private StreamLoop _loop;
    private volatile bool _isRunning;
    private volatile bool _hasTicked;

    /// <param name="open">
    /// Opens the stream from its state, or without it. Its argument is the last number that was sent, 0 at first.
    /// </param>
    /// <param name="settle">Waits until the last tick is stored; an <see cref="InputException"/> says why it cannot be stored.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Faults.</param>
    internal StreamHost(Func<long, bool, StreamLoop> open, Action settle, TimeProvider clock, ILogger log)
    {
        _open = open;
        _settle = settle;
        _log = log;
        _backoff = new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5), clock);
        _loop = open(0, false);
        Control = new StreamControl(_loop.Stream) { OpenWithoutState = () => Replace(withState: false) };
    }

    /// <summary>Control actions on the stream.</summary>
    internal StreamControl Control { get; }

    /// <summary>The current stream.</summary>
    internal SensorStream Stream => Control.Stream;

    /// <summary>Whether it ticks as it should.</summary>
    internal bool IsAlive => _loop.IsAlive;

    /// <summary>The same, apart from rows that others send and that cannot be used.</summary>
    internal bool IsTicking => _loop.IsTicking;

    /// <summary>Rows that came and could not be used as a row.</summary>
    internal long SkippedRows => _loop.SkippedRows;

    /// <summary>Whether it runs and has ticked as it should.</summary>
    internal bool IsOnline { get; private set; }

    /// <summary>Called when <see cref="IsOnline"/> has changed; by any thread, one at a time.</summary>
    internal Action<bool>? OnlineChanged { get; set; }

    /// <summary>Compares <see cref="IsOnline"/> with how the stream is now.</summary>
    internal void NoteOnline()
    {
        lock (_onlineGate)
        {
            bool isOnline = _isRunning && _hasTicked && IsAlive;
            if (isOnline != IsOnline)
            {
                IsOnline = isOnline;
                OnlineChanged?.Invoke(isOnline);
            }
        }
    }

    /// <summary>Called after each tick.</summary>
    internal Action<StreamTick>? Ticked { get; set; }

    /// <summary>Called with each event that comes from no tick; by any thread.</summary>
    internal Action<HistoryEvent>? Noted { get; set; }

    /// <summary>Takes an event that comes from no tick, and stores it with the next tick.</summary>
    internal void Note(HistoryEvent each)
    {
        if (_noted.Count < NotedMax)
        {
            _noted.Enqueue(each);
        }

        Noted?.Invoke(each);
    }

    /// <summary>How often it was opened again after a fault.</summary>
    internal long Restarts { get; private set; }

    /// <summary>Records durations from now on.</summary>
    internal void Record(StreamMetrics metrics) => _loop.Metrics = metrics;

    /// <summary>Runs until the source ends, or until <paramref name="stop"/>.</summary>
    /// <returns>Whether it ended well.</returns>
    internal async Task<bool> RunAsync(CancellationToken stop)
    {
        int faults = 0;
        _isRunning = true;
        try
        {
            while (true)
            {
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
                catch (InputException e) when (_loop.Kind.IsRecorded())
                {
                    // The row would be wrong again after a restart.
                    _log.LogError("{Stream}: {Message} The other streams continue", Stream.Name, e.Message);
                    return false;
                }
                catch (Exception e) when (!_loop.Kind.IsRecorded())
                {
                    fault = e;
                }

                // Its number counts a tick that began; the same tick may fail for ever.
                if (_hasTicked)
                {
                    faults = 0;
                    _backoff.Reset();
                }

                faults++;
                await OpenAgainAsync(fault, withState: faults <= FaultsBeforeReset, stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return true;
        }
        finally
        {
            _isRunning = false;
            if (!stop.IsCancellationRequested)
            {
                NoteOnline();
            }

            Control.End();
        }
    }

    public void Dispose() => _loop.Dispose();

    // False if a control action must run first.
    private async Task<bool> RunOnceAsync(CancellationToken stop)
    {
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Control.RunActions(reading);
        FollowControl();
        _loop.Noted = _noted;
        _loop.Ticked = tick =>
        {
            if (!_hasTicked)
            {
                _hasTicked = true;
                NoteOnline();
            }

            Ticked?.Invoke(tick);
            Control.AfterTick();
        };
        try
        {
            await _loop.RunAsync(reading.Token, stop).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            Control.ReadEnded();
        }
    }

    private async Task OpenAgainAsync(Exception fault, bool withState, CancellationToken stop)
    {
        _log.LogError(
            "{Stream}: {Kind}: {Message} The stream is opened again{Reset}; the other streams continue",
            Stream.Name,
            fault is InputException ? "fault" : $"a bug in edge-runtime ({fault.GetType().Name})",
            PrintableText.Of(fault.Message, 500),
            withState ? "" : " without its state");
        _hasTicked = false;
        NoteOnline();
        while (true)
        {
            await _backoff.WaitAsync(stop).ConfigureAwait(false);
            try
            {
                SensorStream stream = Replace(withState);
                Restarts++;
                Control.Reopen(stream, isAfterFault: true);
                return;
            }
            catch (InputException e)
            {
                _log.LogError("{Stream}: cannot be opened again yet: {Message}", Stream.Name, e.Message);
            }
        }
    }

    // A control action may have replaced this stream with one of another model.
    private void FollowControl()
    {
        if (!ReferenceEquals(_loop.Stream, Control.Stream))
        {
            _loop.SwitchTo(Control.Stream);
        }
    }

    private SensorStream Replace(bool withState)
    {
        _settle();
        FollowControl();
        long seq = Stream.Seq;
        _loop.Dispose();
        _loop = _open(seq, !withState);
        return _loop.Stream;
    }
}
