using Edge.Streams;

namespace Edge.Runtime.Web;

/// <summary>Gathers the ticks of one point. Belongs to the thread of the stream; allocates nothing.</summary>
/// <param name="columns">Columns of the stream.</param>
internal sealed class PointBuilder(int columns)
{
    private readonly double[] _sum = new double[columns];
    private readonly int[] _count = new int[columns];

    /// <summary>Time of the last tick, in ms since 1970.</summary>
    internal long TimeMs { get; private set; }

    /// <summary>Time of the first tick, in ms since 1970.</summary>
    internal long BeganMs { get; private set; }

    internal int Ticks { get; private set; }

    /// <summary>Largest score of the ticks.</summary>
    internal float Score { get; private set; }

    /// <summary>Smallest value of each column; NaN where there is none.</summary>
    internal float[] Min { get; } = new float[columns];

    internal float[] Max { get; } = new float[columns];

    /// <summary>Lower end of the interval that was forecast for the last tick; NaN where there was none.</summary>
    internal float[] Low { get; } = new float[columns];

    internal float[] High { get; } = new float[columns];

    /// <summary>Quality of each column, as <see cref="Streams.Quality"/>: the last one that was not good.</summary>
    internal byte[] Quality { get; } = new byte[columns];

    /// <summary>Whether a value of this quality can be shown: measured or held.</summary>
    internal static bool HasValue(Quality quality) => quality is Streams.Quality.Good or Streams.Quality.Held or Streams.Quality.Stuck;

    internal float Mean(int column) => _count[column] == 0 ? float.NaN : (float)(_sum[column] / _count[column]);

    internal void Clear()
    {
        Ticks = 0;
        Score = 0;
        Array.Clear(_sum);
        Array.Clear(_count);
        Array.Clear(Quality);
        Array.Fill(Min, float.NaN);
        Array.Fill(Max, float.NaN);
        Array.Fill(Low, float.NaN);
        Array.Fill(High, float.NaN);
    }

    internal void Add(long timeMs, Reading reading, double score)
    {
        BeganMs = Ticks == 0 ? timeMs : BeganMs;
        TimeMs = timeMs;
        Ticks++;
        Score = Math.Max(Score, (float)score);
        for (int column = 0; column < _sum.Length; column++)
        {
            Quality quality = reading.Quality[column];
            Quality[column] = quality == Streams.Quality.Good ? Quality[column] : (byte)quality;
            if (!HasValue(quality))
            {
                continue;
            }

            float value = (float)reading.Values[column];
            _sum[column] += reading.Values[column];
            _count[column]++;
            Min[column] = float.IsNaN(Min[column]) ? value : Math.Min(Min[column], value);
            Max[column] = float.IsNaN(Max[column]) ? value : Math.Max(Max[column], value);
        }
    }
}
