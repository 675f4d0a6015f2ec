using System.Globalization;
using Edge.Sensors;

namespace Edge.Runtime.Mqtt;

/// <summary>What a row's time makes of the row.</summary>
internal enum RowTimeVerdict
{
    /// <summary>The row is used.</summary>
    Believed,

    /// <summary>Its time cannot be right, unless the next rows agree with it: it is left out for now.</summary>
    Doubted,

    /// <summary>It and the rows that were doubted before it agree: all of them are used, from the first on.</summary>
    Confirmed,

    /// <summary>It is not newer than the row before, and is left out.</summary>
    NotNewer,
}

/// <summary>
/// Doubts rows whose time lies in the future: one of them, believed, would shut out every row until then. A row is believed if its time is
/// not ahead of the clock of this machine, or follows the row before it. If three rows in a row agree with each other, they are believed
/// against the clock, which may be wrong. So are rows behind a believed one that turns out to lie in the future.
/// </summary>
/// <param name="clock">Wall time and monotonic time.</param>
/// <param name="period">Usual time from row to row.</param>
internal sealed class RowTimeGuard(TimeProvider clock, TimeSpan period)
{
    /// <summary>Rows in a row that must agree to be believed against the clock.</summary>
    internal const int ConfirmingRows = 3;

    private const int AheadPeriods = 10;
    private static readonly TimeSpan AheadMin = TimeSpan.FromMinutes(10);

    private readonly TimeSpan _aheadMax = AheadMax(period);
    private DateTime _last;
    private long _lastAt;
    private DateTime _doubted;
    private long _doubtedAt;
    private int _agreeing;
    private DateTime _confirmedUpTo;

    /// <summary>How far ahead of the clock here a row may be: clocks of a sender and of this machine differ by some minutes.</summary>
    /// <param name="period">Usual time from row to row.</param>
    internal static TimeSpan AheadMax(TimeSpan period) => AheadPeriods * period > AheadMin ? AheadPeriods * period : AheadMin;

    /// <summary>Time of the last row that was believed; the default before the first.</summary>
    internal DateTime Last => _last;

    /// <summary>Whether the row that was doubted last agrees with the one that was doubted before it.</summary>
    internal bool IsAgreeing => _agreeing > 1;

    /// <summary>
    /// Continues behind the last row of an earlier process. What that one believed, this one does: if each start doubted a sender whose
    /// clock is ahead, a process killed before the third row would lose two, which the broker has as taken.
    /// </summary>
    internal void Resume(DateTime last) => (_last, _lastAt) = (last, clock.GetTimestamp());

    /// <summary>Believes the doubted rows, which are judged again now, up to the one that confirmed them.</summary>
    internal void BelieveDoubted() => (_last, _lastAt, _agreeing, _confirmedUpTo) = (default, 0, 0, _doubted);

    /// <summary>Judges the time of a row.</summary>
    internal RowTimeVerdict Judge(DateTime time)
    {
        DateTime now = clock.GetUtcNow().UtcDateTime;
        bool fitsClock = time <= now + _aheadMax;
        if (_confirmedUpTo != default)
        {
            _confirmedUpTo = time >= _confirmedUpTo ? default : _confirmedUpTo;
            return Believe(time);
        }

        if (_last != default && time <= _last)
        {
            return fitsClock && _last > now + _aheadMax ? Weigh(time) : RowTimeVerdict.NotNewer;
        }

        bool follows = _lastAt != 0 && time <= _last + clock.GetElapsedTime(_lastAt) + _aheadMax;
        return fitsClock || follows ? Believe(time) : Weigh(time);
    }

    /// <summary>Why a row is left out, as a clause.</summary>
    internal string Reason(RowTimeVerdict verdict, DateTime time) => verdict == RowTimeVerdict.NotNewer
        ? $"a row of {Text(time)} came, which is not newer than the one before ({Text(_last)}); "
            + $"it was taken in already, or rows do not come in the order of their time"
        : $"a row of {Text(time)} came, and the clock here says {Text(clock.GetUtcNow().UtcDateTime)}; it is left out unless the next "
            + $"rows agree with it";

    private RowTimeVerdict Believe(DateTime time)
    {
        (_last, _lastAt, _agreeing) = (time, clock.GetTimestamp(), 0);
        return RowTimeVerdict.Believed;
    }

    private RowTimeVerdict Weigh(DateTime time)
    {
        bool agrees = _agreeing > 0 && time > _doubted && time <= _doubted + clock.GetElapsedTime(_doubtedAt) + _aheadMax;
        (_agreeing, _doubted, _doubtedAt) = (agrees ? _agreeing + 1 : 1, time, clock.GetTimestamp());
        return _agreeing >= ConfirmingRows ? RowTimeVerdict.Confirmed : RowTimeVerdict.Doubted;
    }

    private static string Text(DateTime time) => time.ToString(Timestamp.Format, CultureInfo.InvariantCulture);
}
