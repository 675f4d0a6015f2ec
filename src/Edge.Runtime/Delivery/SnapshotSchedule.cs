using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>
/// When the state of a stream is stored again: after some rows, some minutes, or so much in the log that the state is little beside it;
/// and at once when the state has changed by something other than a row. Until then a start steps the rows again.
/// Not thread-safe: only the loop of the stream uses it.
/// </summary>
/// <param name="clock">Time.</param>
internal sealed class SnapshotSchedule(TimeProvider clock)
{
    /// <summary>Most rows that a start may have to step again.</summary>
    internal const int RowsMax = 1000;

    // The log grows by at most this many times the state.
    private const int LogPerState = 16;

    private static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(5);

    private long _savedAt = clock.GetTimestamp();
    private long _rows;
    private long _bytes;
    private long _stateBytes;

    /// <summary>Notes a commit.</summary>
    /// <returns>Whether the state is to be stored after it.</returns>
    internal bool IsDue(CommittedRows rows, IReadOnlyList<MqttMessage> messages)
    {
        _rows += rows.Count;
        _bytes += rows.Rows.Length;
        for (int i = 0; i < messages.Count; i++)
        {
            _bytes += messages[i].Payload.Length;
        }

        return rows.IsStateChanged
            || (rows.Count > 0
                && (_rows >= RowsMax || _bytes >= LogPerState * _stateBytes || clock.GetElapsedTime(_savedAt) >= TimeMax));
    }

    /// <summary>Notes that the state is stored.</summary>
    internal void Saved(int stateBytes)
    {
        (_savedAt, _rows, _bytes, _stateBytes) = (clock.GetTimestamp(), 0, 0, stateBytes);
    }
}
