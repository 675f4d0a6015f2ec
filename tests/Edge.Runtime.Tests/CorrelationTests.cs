using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>Channels whose residuals go together until they do not, each as large as ever.</summary>
public sealed class CorrelationTests
{
    private const int Before = 6000;

    [Fact]
    public void Channels_that_stray_against_each_other_are_found_though_each_strays_as_ever()
    {
        int found = 0;
        for (int seed = 0; seed < 20; seed++)
        {
            (int? broken, AnomalyCause cause, double share) = Run(seed, isBroken: true);
            found += broken is not null && cause == AnomalyCause.Correlation && share > 0.8 ? 1 : 0;
            Assert.Null(Run(seed, isBroken: false).OpenedAt);
        }

        Assert.InRange(found, 19, 20);
    }

    [Fact]
    public void T_squared_is_what_a_matrix_inverse_gives()
    {
        // Two channels with covariance [[1, 0.9], [0.9, 1]]: the vector (1, -1) is 1/(1 - 0.9) + … = 20 long squared, (1, 1) only 1.05.
        var residual = new ResidualStatistic(Manifest(2), [0, 1]);
        var correlation = new CorrelationStatistic(2);
        var random = new Random(3);
        for (int tick = 0; tick < 200_000; tick++)
        {
            double common = Normal(random);
            residual.Observe(
                [
                    (float)((Math.Sqrt(0.9) * common) + (Math.Sqrt(0.1) * Normal(random))),
                    (float)((Math.Sqrt(0.9) * common) + (Math.Sqrt(0.1) * Normal(random))),
                ],
                isCalm: true);
            if (tick % 10 == 0)
            {
                correlation.Observe(residual, isCalm: true);
            }
        }

        double a = residual.SlowDeviation(0);
        double b = residual.SlowDeviation(1);
        correlation.Observe(residual, isCalm: false);

        // A fiftieth of the covariance is drawn towards independence; what is left is an estimate of two hundred samples.
        const double Correlation = 0.98 * 0.9;
        double expected = ((a * a) - (2 * Correlation * a * b) + (b * b)) / (1 - (Correlation * Correlation)) / 2;
        Assert.InRange(correlation.Value * correlation.Value, expected * 0.6, expected * 1.6);
    }

    private static (int? OpenedAt, AnomalyCause Cause, double Share) Run(int seed, bool isBroken)
    {
        var random = new Random(seed);
        ModelManifest manifest = Manifest(3);
        var detector = new AnomalyDetector(manifest, new AnomalyOptions(), TimeSpan.FromSeconds(1));
        var reading = new Reading(3);
        double slow = 0;
        for (int tick = 0; tick < Before + 400; tick++)
        {
            // What the first two share comes and goes over about thirty ticks.
            slow += ((Normal(random) * 0.25) - slow) / 30;
            double common = slow * 30;
            double against = isBroken && tick >= Before ? -1 : 1;
            float[] errors =
            [
                (float)(common + (0.2 * Normal(random))),
                (float)((against * common) + (0.2 * Normal(random))),
                (float)Normal(random),
            ];
            for (int i = 0; i < 3; i++)
            {
                reading.Values[i] = 0.01 * Normal(random);
                reading.Quality[i] = Quality.Good;
            }

            if (detector.Observe(errors, reading, isUsable: true) == AnomalyChange.Opened)
            {
                return (tick, detector.Cause, detector.Share(0) + detector.Share(1));
            }
        }

        return (null, default, 0);
    }

    private static ModelManifest Manifest(int channels) => new()
    {
        Name = "m",
        Columns = [.. Enumerable.Range(0, channels).Select(i => $"c{i}")],
        Units = [.. Enumerable.Repeat("", channels)],
        PeriodSeconds = 1,
        Mean = new double[channels],
        Std = [.. Enumerable.Repeat(1.0, channels)],
        Outputs = [.. Enumerable.Range(0, channels).Select(i => new ModelOutput(i, 1))],
    };

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
