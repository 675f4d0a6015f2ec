namespace Edge.Runtime.Web;

/// <summary>
/// The last points of a stream, for the page. A point is one tick or, of a fast stream, the ticks of a tenth of a second. One thread
/// writes, without a lock; any thread reads, and leaves out what was overwritten meanwhile.
/// </summary>
internal sealed class PointRing
{
    // Rows of a value per column.
    private const int MeanRow = 0;
    private const int MinRow = 1;
    private const int MaxRow = 2;
    private const int LowRow = 3;
    private const int HighRow = 4;
    private const int Rows = 5;

    private readonly long[] _times;
    private readonly float[] _scores;
    private readonly float[] _values;
    private readonly byte[] _quality;
    private long _written;

    /// <param name="columns">Columns of the stream.</param>
    /// <param name="capacity">Points that are kept; one less can be read, because the oldest may be in writing.</param>
    /// <param name="gapMs">Between two points farther apart than this rows are missing.</param>
    internal PointRing(int columns, int capacity, double gapMs)
    {
        GapMs = gapMs;
        Columns = columns;
        Capacity = capacity;
        _times = new long[capacity];
        _scores = new float[capacity];
        _values = new float[capacity * columns * Rows];
        _quality = new byte[capacity * columns];
    }

    internal int Columns { get; }

    internal int Capacity { get; }

    internal double GapMs { get; }

    /// <summary>Points written so far; the newest has the number one less.</summary>
    internal long Written => Volatile.Read(ref _written);

    /// <summary>Bytes of one point.</summary>
    internal static int BytesOf(int columns) => sizeof(long) + sizeof(float) + (columns * ((Rows * sizeof(float)) + 1));

    /// <summary>Adds a point. Called by the thread of the stream.</summary>
    internal void Add(PointBuilder point)
    {
        long at = _written;
        int slot = (int)(at % Capacity);
        _times[slot] = point.TimeMs;
        _scores[slot] = point.Score;
        point.Quality.CopyTo(_quality.AsSpan(slot * Columns, Columns));
        Span<float> values = _values.AsSpan(slot * Columns * Rows, Columns * Rows);
        for (int column = 0; column < Columns; column++)
        {
            values[(MeanRow * Columns) + column] = point.Mean(column);
            values[(MinRow * Columns) + column] = point.Min[column];
            values[(MaxRow * Columns) + column] = point.Max[column];
            values[(LowRow * Columns) + column] = point.Low[column];
            values[(HighRow * Columns) + column] = point.High[column];
        }

        Volatile.Write(ref _written, at + 1);

        // The next point is not written before this number can be seen.
        Volatile.WriteBarrier();
    }

    /// <summary>Copies the points from a number on.</summary>
    /// <param name="from">The first number that is wanted.</param>
    /// <param name="fromTimeMs">Points before this time are left out.</param>
    /// <param name="toTimeMs">Points after this time are left out.</param>
    /// <returns>The points with a break at each gap, and the number of the point after the last one looked at.</returns>
    internal (Series Points, long Next) Read(long from, long fromTimeMs = long.MinValue, long toTimeMs = long.MaxValue)
    {
        long end = Written;
        // The oldest slot is the next one to be written.
        long begin = Math.Clamp(from, Math.Max(0, end - Capacity + 1), end);
        var points = new Series(Columns);
        long before = begin > Math.Max(0, end - Capacity + 1) ? _times[(begin - 1) % Capacity] : long.MaxValue;
        for (long at = begin; at < end; at++)
        {
            int slot = (int)(at % Capacity);
            long time = _times[slot];
            if (time >= fromTimeMs && time <= toTimeMs)
            {
                if (before >= fromTimeMs && time - GapMs > before)
                {
                    points.AddBreak(before + ((time - before) / 2));
                }

                Copy(slot, time, points);
            }

            before = time;

            // The slot may have been written again while it was copied.
            Volatile.ReadBarrier();
            if (Written - at >= Capacity)
            {
                points.Clear();
            }
        }

        return (points, end);
    }

    private void Copy(int slot, long time, Series into)
    {
        ReadOnlySpan<float> values = _values.AsSpan(slot * Columns * Rows, Columns * Rows);
        into.Add(
            time,
            values.Slice(MeanRow * Columns, Columns),
            values.Slice(MinRow * Columns, Columns),
            values.Slice(MaxRow * Columns, Columns),
            values.Slice(LowRow * Columns, Columns),
            values.Slice(HighRow * Columns, Columns),
            _quality.AsSpan(slot * Columns, Columns),
            _scores[slot]);
    }
}
