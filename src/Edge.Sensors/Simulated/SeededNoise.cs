namespace Edge.Sensors.Simulated;

/// <summary>
/// Random numbers from a seed by arithmetic with the same result on every processor: SplitMix64, and sums of uniforms for the normal.
/// </summary>
internal sealed class SeededNoise(int seed)
{
    private ulong _state = 0x9E3779B97F4A7C15ul * ((ulong)seed + 1);

    /// <summary>Uniform in [0, 1), 53 bits. Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).</summary>
    internal double Uniform()
    {
        _state += 0x9E3779B97F4A7C15ul;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ul;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBul;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1ul << 53));
    }

    /// <summary>Mean 0, standard deviation 1: twelve uniforms less six (Irwin-Hall), which needs no logarithm.</summary>
    internal double Normal()
    {
        double sum = -6;
        for (int i = 0; i < 12; i++)
        {
            sum += Uniform();
        }

        return sum;
    }

    /// <summary>
    /// Approximate sine of an angle in turns. A polynomial, because Math.Sin may differ in its last bit from one C library to another.
    /// </summary>
    internal static double Sine(double turns)
    {
        double t = turns - Math.Floor(turns);
        double half = t < 0.5 ? t : t - 0.5;
        double x = 4 * half * (1 - (2 * half)) * 2;
        double arc = x * (0.775 + (0.225 * x));
        return t < 0.5 ? arc : -arc;
    }
}
