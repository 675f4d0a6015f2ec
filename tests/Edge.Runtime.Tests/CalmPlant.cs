namespace Edge.Runtime.Tests;

/// <summary>Simulated channels without a fault, of kinds that behave differently. The same seed gives the same rows.</summary>
internal static class CalmPlant
{
    /// <summary>
    /// Four channels that follow a load; three correlated, noisy ones; a machine with two states; a day's cycle; a room heated by day;
    /// counts.
    /// </summary>
    internal static readonly string[] Kinds = ["load", "noise", "states", "daily", "heating", "counts"];

    /// <summary>Rows of a kind: [rows][channels].</summary>
    /// <param name="kind">One of <see cref="Kinds"/>.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="seed">Seed.</param>
    /// <param name="day">Rows of a day.</param>
    internal static double[][] Rows(string kind, int count, int seed, double day = 1440)
    {
        var random = new Random(seed);
        var state = new double[4];
        double phase = random.NextDouble();
        int left = 0;
        return
        [
            .. Enumerable.Range(0, count).Select(row =>
            {
                double turn = Math.Sin(2 * Math.PI * ((row / day) + phase));
                return kind switch
                {
                    "load" => Load(random, state, turn),
                    "noise" => Noise(random, state),
                    "states" => States(random, state, ref left),
                    "daily" => [10 + (5 * turn) + (state[0] = (0.9 * state[0]) + (0.2 * Normal(random))) + (0.3 * Normal(random))],
                    "heating" => [Room(random, state, (row / day) + phase)],
                    _ => new double[] { Count(random, 3 + (2 * turn)) },
                };
            }),
        ];
    }

    private static double[] Load(Random random, double[] state, double turn)
    {
        state[3] = (0.99 * state[3]) + (0.15 * Normal(random));
        double load = 50 + (20 * turn) + (5 * state[3]);
        state[0] += 0.02 * (load - state[0]);
        state[1] += 0.1 * ((0.5 * load) - state[1]);
        return
        [
            load + Normal(random),
            20 + (0.6 * state[0]) + (0.3 * Normal(random)),
            (state[1] * state[1] / 100) + (0.2 * Normal(random)),
            4 + (0.01 * load) - (0.02 * ((0.6 * state[0]) - 30)) + (0.03 * Normal(random)),
        ];
    }

    private static double[] Noise(Random random, double[] state)
    {
        state[0] = (0.9 * state[0]) + Normal(random);
        state[1] = (0.9 * state[1]) + Normal(random);
        return
        [
            state[0] + Normal(random),
            state[1] + (0.5 * state[0]) + Normal(random),
            state[0] - state[1] + (0.3 * Normal(random)),
        ];
    }

    private static double[] States(Random random, double[] state, ref int left)
    {
        if (left-- <= 0)
        {
            state[1] = 1 - state[1];
            left = (int)(20 - (60 * Math.Log(1 - random.NextDouble())));
        }

        state[0] += 0.05 * ((state[1] > 0 ? 60 : 20) - state[0]);
        return
        [
            state[0] + (0.3 * Normal(random)),
            (state[1] > 0 ? 5 : 0.2) + (0.05 * Normal(random)),
            1 + (0.02 * state[0]) + (0.02 * Normal(random)),
        ];
    }

    // Heated from six to ten, on some days earlier and on some later, and colder or warmer with the weather.
    private static double Room(Random random, double[] state, double days)
    {
        if (Math.Floor(days) != state[2])
        {
            (state[2], state[3]) = (Math.Floor(days), 0.01 * Normal(random));
        }

        double time = days - Math.Floor(days) - state[3];
        state[1] = (0.999 * state[1]) + (0.02 * Normal(random));
        double goal = time is > 0.25 and < 0.92 ? 21 : 16 + state[1];
        state[0] += (state[0] == 0 ? 1 : 0.02) * (goal - state[0]);
        return state[0] + (0.1 * Normal(random));
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static int Count(Random random, double mean)
    {
        double limit = Math.Exp(-mean);
        double product = random.NextDouble();
        int count = 0;
        while (product > limit)
        {
            product *= random.NextDouble();
            count++;
        }

        return count;
    }
}
