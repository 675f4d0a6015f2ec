namespace Edge.Training;

/// <summary>A learning rate that falls from 1 to 0 along half a cosine (Loshchilov and Hutter 2017).</summary>
public static class CosineSchedule
{
    // Terms of the series of the cosine; the last one is below 1e-17 at π.
    private const int Terms = 14;

    /// <summary>The factor of the rate.</summary>
    /// <param name="progress">How much of the training is done, 0 to 1; clamped.</param>
    /// <returns>(1 + cos(π·progress))/2, from the series: no library function, so that it is the same everywhere.</returns>
    public static double Of(double progress)
    {
        double x = Math.PI * Math.Clamp(progress, 0, 1);
        double term = 1;
        double sum = 1;
        for (int n = 1; n <= Terms; n++)
        {
            term *= -x * x / ((2 * n) * ((2 * n) - 1));
            sum += term;
        }

        return (1 + sum) / 2;
    }
}
