using Edge.Training.Reference;

namespace Edge.Quantize.Calibration;

/// <summary>
/// Statistics of what a float block leaves in its scratch: magnitudes of its taps, second moments of what its products read.
/// </summary>
internal sealed class BlockStatistics
{
    private readonly FloatBlock _block;
    private readonly Dictionary<string, float[]> _largest;
    private readonly Dictionary<string, SecondMoment[]> _moments;

    internal BlockStatistics(FloatBlock block)
    {
        _block = block;
        _largest = block.Taps.ToDictionary(tap => tap.Name, tap => new float[tap.Count]);
        _moments = block.Products.ToDictionary(
            product => product.Name,
            product => Enumerable.Range(0, product.Input.Heads)
                .Select(_ => new SecondMoment(HeadInputs(product.Input) + HeadInputs(product.Recurrent) + 1))
                .ToArray());
    }

    /// <summary>Largest magnitude of each value of a tap.</summary>
    internal float[] Largest(string tap) => _largest[tap];

    /// <summary>Second moment of what the rows of each head of a product multiply: [x, h of the step before, 1].</summary>
    internal SecondMoment[] Moments(string product) => _moments[product];

    /// <summary>All of them.</summary>
    internal IEnumerable<SecondMoment> AllMoments => _moments.Values.SelectMany(each => each);

    /// <summary>Takes the taps of one step.</summary>
    internal void Widen(ReadOnlySpan<float> scratch)
    {
        foreach (FloatTap tap in _block.Taps)
        {
            float[] largest = _largest[tap.Name];
            for (int i = 0; i < largest.Length; i++)
            {
                largest[i] = Math.Max(largest[i], Math.Abs(scratch[tap.Begin + i]));
            }
        }
    }

    /// <summary>Adds one step to the moments.</summary>
    internal void Sample(ReadOnlySpan<float> scratch)
    {
        foreach (FloatBlockProduct product in _block.Products)
        {
            float[] x = product.Reads.Length == 1
                ? _block.Tap(scratch, product.Reads[0]).ToArray()
                : Join(scratch, product.Reads);
            ReadOnlySpan<float> h = product.Recurrent is null ? [] : _block.Tap(scratch, "before");
            int inputs = HeadInputs(product.Input);
            int states = HeadInputs(product.Recurrent);
            for (int head = 0; head < product.Input.Heads; head++)
            {
                _moments[product.Name][head].Add(x.AsSpan(head * inputs, inputs), h.Slice(head * states, states));
            }
        }
    }

    private float[] Join(ReadOnlySpan<float> scratch, string[] taps)
    {
        var joined = new List<float>();
        foreach (string tap in taps)
        {
            joined.AddRange(_block.Tap(scratch, tap));
        }

        return [.. joined];
    }

    private static int HeadInputs(FloatProduct? product) => product is null ? 0 : product.InputCount / product.Heads;
}
