using Edge.Streams;

namespace Edge.Runtime.Delivery;

/// <summary>Stored rows as a stream takes them.</summary>
internal static class StoredRows
{
    /// <summary>Fills one reading after the other, always the same object.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="channels">Channels of the stream. A row of another number ends the sequence.</param>
    internal static IEnumerable<Reading> Fill(IEnumerable<HistoryRow> rows, int channels)
    {
        var reading = new Reading(channels);
        foreach (HistoryRow row in rows)
        {
            if (row.Values.Length != channels)
            {
                yield break;
            }

            reading.Time = row.Time;
            reading.SkippedTicks = row.SkippedTicks;
            reading.ClockJump = row.ClockJump;
            reading.ClockIsUnset = row.ClockIsUnset;
            for (int i = 0; i < channels; i++)
            {
                reading.Values[i] = row.Quality[i].IsMeasured() ? row.Values[i] : 0;
                reading.Quality[i] = row.Quality[i];
            }

            yield return reading;
        }
    }
}
