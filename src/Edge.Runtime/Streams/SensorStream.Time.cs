using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Streams;

/// <summary>What a stream notes of time: ticks that nobody saw, how regularly they come, how long a step takes, what the clock does.</summary>
internal sealed partial class SensorStream
{
    // Ticks that a live source lost, and after a restart those of the world that went on: nobody saw them.
    private void NoteGap()
    {
        _gapTicks = _reading.SkippedTicks;
        if (_seq == _firstSeq && _lastTime != default && !_sensor.CanWait)
        {
            _gapTicks = Math.Max(0, (long)Math.Round((_reading.Time - _lastTime) / _period) - 1);
        }

        _missed += _gapTicks;
        _lastTime = _reading.Time;
    }

    private void NoteJitter()
    {
        if (Metrics is not { IsWanted: true } metrics || !_hasPace)
        {
            return;
        }

        long now = _clock.GetTimestamp();
        if (_arrivedAt != 0)
        {
            metrics.Ticked(_clock.GetElapsedTime(_arrivedAt, now) - (_period * (1 + _reading.SkippedTicks)));
        }

        _arrivedAt = now;
    }

    private void NoteClock()
    {
        if (_reading.ClockJump != TimeSpan.Zero)
        {
            _log.LogWarning("{Stream}: tick {Seq}: the clock was set by {Seconds:0.#} s", Name, _seq, _reading.ClockJump.TotalSeconds);
        }

        if (_reading.ClockIsUnset != _clockIsUnset)
        {
            _clockIsUnset = _reading.ClockIsUnset;
            _log.LogWarning("{Stream}: tick {Seq}: {What}", Name, _seq, _clockIsUnset
                ? "the clock is not synchronised; times are flagged until it is"
                : "the clock is synchronised now");
        }
    }

    private void Step()
    {
        if (Metrics is not { IsWanted: true } metrics)
        {
            _forecaster.Step(_seq, _reading);
            return;
        }

        long started = _clock.GetTimestamp();
        _forecaster.Step(_seq, _reading);
        metrics.Stepped(_clock.GetElapsedTime(started));
    }
}
