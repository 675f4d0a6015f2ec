namespace Edge.Streams.Detection;

/// <summary>A channel that fails while an anomaly of another is open has its own.</summary>
internal sealed partial class AnomalyDetector
{
    // What comes sooner after an anomaly has opened is taken for a part of it.
    private const int OtherTicksMin = 30;

    // The channel had less than this part in the anomaly so far, and has this part or more of what is seen now.
    private const double OtherShareBefore = 0.2;
    private const double OtherShareNow = 2.0 / 3;

    // Ticks for which another channel has had the largest part.
    private int _otherTicks;

    /// <summary>The channel with the largest score.</summary>
    internal int LargestChannel => _largestChannel;

    private bool IsOfAnotherChannel()
    {
        bool isOther = Score >= 1 && _openTicks >= OtherTicksMin && _largestChannel != _openedAt && !_isAccepted && IsStillOff
            && SharesSinceOpened()[_largestChannel] < OtherShareBefore && Shares()[_largestChannel] >= OtherShareNow;
        _otherTicks = isOther ? _otherTicks + 1 : 0;
        return _otherTicks >= _minDurationTicks;
    }

    // When the fault ends, what it has left in the means of the other channels is all that is seen.
    private bool IsStillOff
    {
        get
        {
            float largest = 0;
            for (int at = _openedAt; at < _quotient.Length; at += _channels)
            {
                largest = Math.Max(largest, _quotient[at]);
            }

            return largest >= CloseScore;
        }
    }

    // The next tick opens the other anomaly. What is left of the one before counts again when it grows.
    private AnomalyChange Replace()
    {
        for (int at = 0; at < _mute.Length; at++)
        {
            bool isMuted = at % _channels != _largestChannel && (Kind)(at / _channels) != Kind.Noise;
            _mute[at] = isMuted ? Math.Max(_mute[at], Remainder(at)) : _mute[at];
        }

        (IsOpen, _above, _coolDown, _damped) = (false, _minDurationTicks, 0, 0);
        return AnomalyChange.Replaced;
    }
}
