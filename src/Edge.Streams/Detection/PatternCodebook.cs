using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Edge.Streams.Detection;

/// <summary>
/// The patterns of each channel that were seen, as a few codes. Where there is no room for another one, the two that are nearest to each
/// other become one: it grows coarser and never forgets.
/// </summary>
internal sealed class PatternCodebook
{
    /// <summary>Numbers of a pattern; those behind them in its vector are 0.</summary>
    internal const int Features = 5;

    /// <summary>Largest absolute value of a number, so that a squared distance fits an int.</summary>
    internal const int StepsMax = 8191;

    /// <summary>The distance to the nearest code where there is none.</summary>
    internal const int Nothing = int.MaxValue;

    /// <summary>Channels whose patterns lie side by side, and codes that are compared at once.</summary>
    internal const int Lanes = 8;

    // Codes of all channels together, and of one channel.
    private const int CodesTotal = 96;
    private const int CodesMin = 16;

    // By channel: the codes, the patterns that each stands for, their number, and the squared distance up to which a pattern is known.
    private readonly int _codesMax;
    private readonly short[] _codes;
    private readonly ushort[] _weights;
    private readonly int[] _count;
    private readonly int[] _radius;

    // 1 for a code that was made since MarkOld.
    private readonly byte[] _isNew;
    private bool _hasNew;

    /// <param name="channels">Number of channels.</param>
    internal PatternCodebook(int channels)
    {
        _codesMax = Math.Max(CodesMin, CodesTotal / channels / Lanes * Lanes);
        _codes = new short[channels * _codesMax * Features];
        _weights = new ushort[channels * _codesMax];
        _count = new int[channels];
        _radius = new int[channels];
        _isNew = new byte[channels * _codesMax];
    }

    /// <summary>Reads or writes it.</summary>
    /// <exception cref="InvalidDataException">What was read is damaged.</exception>
    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<short>(_codes);
        snapshot.Fields<ushort>(_weights);
        snapshot.Fields<int>(_count);
        snapshot.Fields<int>(_radius);
        bool isSound = Array.TrueForAll(_count, count => count >= 0 && count <= _codesMax)
            && Array.TrueForAll(_codes, code => Math.Abs((int)code) <= StepsMax);
        if (snapshot.IsReading && !isSound)
        {
            throw new InvalidDataException("The memory of patterns is damaged.");
        }
    }

    /// <summary>Reads or writes which codes are new.</summary>
    internal void ArchiveNew(StreamSnapshot snapshot)
    {
        snapshot.Fields<byte>(_isNew);
        _hasNew = _isNew.AsSpan().ContainsAnyExcept((byte)0);
    }

    /// <summary>From now on no code is new.</summary>
    internal void MarkOld()
    {
        if (_hasNew)
        {
            Array.Clear(_isNew);
            _hasNew = false;
        }
    }

    /// <summary>Squared distance to the nearest code that is not new, or <see cref="Nothing"/>.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="patterns">Those of its block of <see cref="Lanes"/> channels, within <see cref="StepsMax"/>: [features].</param>
    /// <param name="square">Squared distance to the nearest of all codes.</param>
    internal int SquareToOld(int channel, ReadOnlySpan<Vector256<int>> patterns, int square)
    {
        ReadOnlySpan<byte> isNew = _isNew.AsSpan(channel * _codesMax, _count[channel]);
        if (!_hasNew || !isNew.ContainsAnyExcept((byte)0))
        {
            return square;
        }

        int least = Nothing;
        for (int code = 0; code < isNew.Length; code++)
        {
            least = isNew[code] == 0 ? Math.Min(least, Distance(channel, code, patterns)) : least;
        }

        return least;
    }

    /// <summary>Compares a pattern with the codes; one that is known counts for its code.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="patterns">Those of its block of <see cref="Lanes"/> channels, within <see cref="StepsMax"/>: [features].</param>
    /// <returns>Squared distance to the nearest code, or <see cref="Nothing"/>.</returns>
    internal int Match(int channel, ReadOnlySpan<Vector256<int>> patterns)
    {
        if (_count[channel] == 0)
        {
            return Nothing;
        }

        int square = Nearest(channel, patterns, out int nearest);
        ref ushort weight = ref _weights[(channel * _codesMax) + nearest];
        weight += (ushort)(IsKnown(channel, square) && weight < ushort.MaxValue ? 1 : 0);
        return square;
    }

    /// <summary>Whether a pattern at such a squared distance is one that a code stands for.</summary>
    internal bool IsKnown(int channel, int square) => square <= _radius[channel];

    /// <summary>Makes a pattern that no code stands for a code.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="patterns">Those of its block of <see cref="Lanes"/> channels, within <see cref="StepsMax"/>: [features].</param>
    /// <param name="isNew">Whether it is new until <see cref="MarkOld"/>.</param>
    internal void Add(int channel, ReadOnlySpan<Vector256<int>> patterns, bool isNew)
    {
        ref int count = ref _count[channel];
        if (count == _codesMax)
        {
            MergeNearest(channel);
        }

        for (int f = 0; f < Features; f++)
        {
            Codes(channel, f)[count] = (short)patterns[f][channel % Lanes];
        }

        _weights[(channel * _codesMax) + count] = 1;
        _isNew[(channel * _codesMax) + count] = (byte)(isNew ? 1 : 0);
        _hasNew |= isNew;
        count++;
    }

    // Codes lie feature by feature, so that eight are compared at once: [channels, features, codes].
    private Span<short> Codes(int channel, int feature) => _codes.AsSpan(((channel * Features) + feature) * _codesMax, _codesMax);

    // Squared distance to the nearest code, in steps.
    private int Nearest(int channel, ReadOnlySpan<Vector256<int>> patterns, out int nearest)
    {
        int count = _count[channel];
        ReadOnlySpan<int> pattern = MemoryMarshal.Cast<Vector256<int>, int>(patterns)[(channel % Lanes)..];
        Vector256<int> least = Vector256.Create(int.MaxValue);
        Vector256<int> leastAt = Vector256<int>.Zero;
        Vector256<int> position = Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7);
        ref short codes = ref _codes[channel * Features * _codesMax];
        Vector256<int> value = Vector256.Create(pattern[0]);
        Vector256<int> shortMean = Vector256.Create(pattern[Lanes]);
        Vector256<int> longMean = Vector256.Create(pattern[2 * Lanes]);
        Vector256<int> shortDeviation = Vector256.Create(pattern[3 * Lanes]);
        Vector256<int> longDeviation = Vector256.Create(pattern[4 * Lanes]);
        for (int code = 0; code < count; code += Lanes)
        {
            Vector256<int> distance = SquareOff(ref codes, code, value)
                + SquareOff(ref codes, _codesMax + code, shortMean)
                + SquareOff(ref codes, (2 * _codesMax) + code, longMean)
                + SquareOff(ref codes, (3 * _codesMax) + code, shortDeviation)
                + SquareOff(ref codes, (4 * _codesMax) + code, longDeviation);
            Vector256<int> isLess = Vector256.LessThan(distance, least) & Vector256.LessThan(position, Vector256.Create(count));
            least = Vector256.ConditionalSelect(isLess, distance, least);
            leastAt = Vector256.ConditionalSelect(isLess, position, leastAt);
            position += Vector256.Create(Lanes);
        }

        Vector128<int> four = Vector128.Min(least.GetLower(), least.GetUpper());
        int result = Math.Min(Math.Min(four[0], four[1]), Math.Min(four[2], four[3]));
        nearest = leastAt[BitOperations.TrailingZeroCount(Vector256.Equals(least, Vector256.Create(result)).ExtractMostSignificantBits())];
        return result;
    }

    // How far a feature of eight codes is off, squared. The codes of a channel fill its part of the array, so that it holds all eight.
    private static Vector256<int> SquareOff(ref short codes, int at, Vector256<int> feature)
    {
        Vector128<short> eight = Vector128.LoadUnsafe(ref codes, (nuint)at);
        Vector256<int> off = Vector256.WidenLower(eight.ToVector256Unsafe()) - feature;
        return off * off;
    }

    private int Distance(int channel, int code, ReadOnlySpan<Vector256<int>> patterns)
    {
        int sum = 0;
        for (int f = 0; f < Features; f++)
        {
            int difference = Codes(channel, f)[code] - patterns[f][channel % Lanes];
            sum += difference * difference;
        }

        return sum;
    }

    private int Distance(int channel, int first, int second)
    {
        int sum = 0;
        for (int f = 0; f < Features; f++)
        {
            ReadOnlySpan<short> codes = Codes(channel, f);
            int difference = codes[first] - codes[second];
            sum += difference * difference;
        }

        return sum;
    }

    // Makes room: the two codes that are nearest to each other become one, and the memory that much coarser.
    private void MergeNearest(int channel)
    {
        ref int count = ref _count[channel];
        Span<ushort> weights = _weights.AsSpan(channel * _codesMax, _codesMax);
        int least = int.MaxValue;
        (int first, int second) = (0, 1);
        for (int a = 1; a < count; a++)
        {
            for (int b = 0; b < a; b++)
            {
                int distance = Distance(channel, a, b);
                if (distance < least)
                {
                    (least, first, second) = (distance, b, a);
                }
            }
        }

        _radius[channel] = Math.Max(_radius[channel], least);
        int total = Math.Max(1, weights[first] + weights[second]);
        count--;
        for (int f = 0; f < Features; f++)
        {
            Span<short> codes = Codes(channel, f);
            codes[first] = (short)((((long)codes[first] * weights[first]) + ((long)codes[second] * weights[second])) / total);
            codes[second] = codes[count];
        }

        weights[first] = (ushort)Math.Min(total, ushort.MaxValue);
        weights[second] = weights[count];
        Span<byte> isNew = _isNew.AsSpan(channel * _codesMax, _codesMax);
        isNew[first] &= isNew[second];
        isNew[second] = isNew[count];
    }
}
