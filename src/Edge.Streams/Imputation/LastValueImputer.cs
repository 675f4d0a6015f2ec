using Edge.Inference.Models;

namespace Edge.Streams.Imputation;

/// <summary>
/// Last observation carried forward. A channel without a usable value keeps its last good one for up to
/// <paramref name="holdTicks"/> ticks. After that, or before its first value, the row cannot be used.
/// </summary>
internal sealed class LastValueImputer(ModelManifest manifest, int holdTicks)
{
    // No sensor is right that is so many standard deviations off. Without a model nothing is known of its unit.
    private const float DeviationsMax = 1e9f;

    private readonly double[] _last = new double[manifest.Columns.Count];
    private readonly int[] _age = [.. Enumerable.Repeat(int.MaxValue, manifest.Columns.Count)];
    private readonly long[] _bad = new long[manifest.Columns.Count];

    /// <summary>Ticks on which each channel had no usable value.</summary>
    internal ReadOnlySpan<long> BadTicks => _bad;

    /// <summary>Ticks for which a channel without a value keeps its last one.</summary>
    internal int HoldTicks => holdTicks;

    /// <summary>Whether a channel has ever had a usable value.</summary>
    internal bool HasValue(int channel) => _age[channel] < int.MaxValue;

    /// <summary>Whether the last good value of a channel would stand in at the next tick.</summary>
    internal bool Holds(int channel) => _age[channel] < holdTicks;

    /// <summary>Whether it stood in at the last tick, and would again.</summary>
    internal bool StandsIn(int channel) => _age[channel] > 0 && Holds(channel);

    internal void Archive(StreamSnapshot snapshot)
    {
        for (int i = 0; i < _last.Length; i++)
        {
            _last[i] = snapshot.Field(_last[i]);
            _age[i] = snapshot.Field(_age[i]);
            _bad[i] = snapshot.Field(_bad[i]);
        }
    }

    /// <summary>
    /// Marks values that are not finite as invalid, those so far out that their squares and products would not be, and those that are no
    /// symbol of the model in a column of symbols.
    /// </summary>
    internal void Reject(Reading reading)
    {
        float most = manifest.IsTrained ? DeviationsMax : float.MaxValue;
        for (int i = 0; i < _last.Length; i++)
        {
            if (reading.Quality[i].IsMeasured()
                && (!(MathF.Abs(manifest.Normalize(i, reading.Values[i])) <= most) || !manifest.CanHave(i, reading.Values[i])))
            {
                reading.Quality[i] = Quality.Invalid;
            }
        }
    }

    /// <summary>Fills missing values with the last good ones.</summary>
    /// <returns>Whether every channel has a value, so that the model may step.</returns>
    internal bool Fill(Reading reading)
    {
        bool usable = true;
        for (int i = 0; i < _last.Length; i++)
        {
            if (reading.Quality[i].IsMeasured())
            {
                _last[i] = reading.Values[i];
                _age[i] = 0;
                continue;
            }

            _bad[i]++;
            if (_age[i] < holdTicks)
            {
                _age[i]++;
                reading.Values[i] = _last[i];
                reading.Quality[i] = Quality.Held;
            }
            else
            {
                reading.Values[i] = 0;
                usable = false;
            }
        }

        return usable;
    }
}
