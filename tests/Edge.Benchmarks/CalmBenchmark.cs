using Edge.Runtime.Tests;
using Edge.Streams.Detection;

namespace Edge.Benchmarks;

/// <summary>How often the detector alarms on calm rows, and how far a drift gets until it is found: tables of docs/detection.md.</summary>
internal static class CalmBenchmark
{
    private const int AlarmSeeds = 3;
    private const int AlarmRows = 100_000;
    private const int DriftSeeds = 6;
    private const int DriftCalmRows = 10_000;
    private const int DriftBefore = 2000;
    private const double DriftTo = 3;

    private static readonly string[] HeavyKinds = ["walk", "t3", "lognormal"];
    private static readonly double[] Speeds = [0.05, 0.01, 0.004, 0.002, 0.001, 0.0005];

    private static readonly (double PeriodSeconds, int CalmRows, double DayRows)[] Settings =
        [(300, 600, 288), (300, 4000, 288), (3600, 3000, 24), (60, 10_000, 1440), (1, 10_000, 86_400)];

    /// <param name="firstSeed">First seed of the rows for false alarms; nothing was chosen on other ones than those of the default.</param>
    internal static void Run(int firstSeed = 1000)
    {
        Console.WriteLine(
            $"False alarms over those that the setting allows, and their number in {AlarmSeeds} x {AlarmRows} rows; the same of a ridge "
                + "chart");
        Console.WriteLine($"{"",-11}{string.Concat(Settings.Select(each => $"{$"{each.PeriodSeconds} s, {each.CalmRows}",22}"))}");
        foreach (string kind in CalmPlant.Kinds.Concat(HeavyKinds).Concat(UnseenPlants.Kinds))
        {
            Console.WriteLine($"{kind,-11}{string.Concat(Settings.Select(each => $"{Alarms(kind, each, firstSeed),22}"))}");
        }

        Console.WriteLine(
            $"Deviations that a drift to {DriftTo} has got to when it is found, median of {DriftSeeds} seeds; when a ridge chart finds it");
        Console.WriteLine($"{"",-11}{string.Concat(Speeds.Select(speed => $"{speed,11}"))}");
        foreach (string kind in CalmPlant.Kinds.Concat(UnseenPlants.Kinds))
        {
            Console.WriteLine(
                $"{kind,-11}{string.Concat(Speeds.Select(speed => $"{$"{Drift(kind, speed):0.0} {ChartDrift(kind, speed):0.0}",11}"))}");
        }

        Console.WriteLine("The same, where the calm rows have no times");
        foreach (string kind in CalmPlant.Kinds)
        {
            Console.WriteLine($"{kind,-11}{string.Concat(Speeds.Select(speed => $"{Drift(kind, speed, hasTimes: false),8:0.0}"))}");
        }
    }

    private static string Alarms(string kind, (double PeriodSeconds, int CalmRows, double DayRows) setting, int firstSeed)
    {
        int count = 0;
        int chart = 0;
        for (int seed = firstSeed; seed < firstSeed + AlarmSeeds; seed++)
        {
            double[][] rows = Rows(kind, setting.CalmRows + AlarmRows, seed, setting.DayRows);
            double[][] calm = rows[..setting.CalmRows];
            double[][] live = rows[setting.CalmRows..];
            count += DetectorOf(calm, setting.PeriodSeconds).Run(live).Count;
            chart += new RidgeChart(calm).Alarms(live).Count;
        }

        double weeks = AlarmSeeds * AlarmRows * setting.PeriodSeconds / TimeSpan.FromDays(7).TotalSeconds;
        double allowed = weeks * new AnomalyOptions().FalseAlarmsAWeek;
        return $"{count / allowed:0.00} ({count}) {chart / allowed:0.0}";
    }

    private static double Drift(string kind, double speed, bool hasTimes = true) => Reached(kind, speed, (calm, live) =>
        DetectorOf(calm, periodSeconds: 60, hasTimes).Run(live).ConvertAll(anomaly => anomaly.Opened));

    private static double ChartDrift(string kind, double speed) =>
        Reached(kind, speed, (calm, live) => new RidgeChart(calm).Alarms(live));

    // Where the drift is when an alarm begins.
    private static double Reached(string kind, double speed, Func<double[][], double[][], List<int>> alarms)
    {
        double[] reached =
        [
            .. Enumerable.Range(300, DriftSeeds).Select(seed =>
            {
                int rows = DriftBefore + (int)(DriftTo / speed) + 3000;
                double[][] all = Rows(kind, DriftCalmRows + rows, seed, dayRows: 1440);
                double[][] calm = all[..DriftCalmRows];
                double[][] live = all[DriftCalmRows..];
                double mean = calm.Average(row => row[0]);
                double deviation = Math.Sqrt(calm.Average(row => Math.Pow(row[0] - mean, 2)));
                for (int row = DriftBefore; row < live.Length; row++)
                {
                    live[row][0] += deviation * Math.Min(DriftTo, (row - DriftBefore) * speed);
                }

                int begin = alarms(calm, live).Find(row => row >= DriftBefore);
                return begin < DriftBefore ? DriftTo : Math.Min(DriftTo, (begin - DriftBefore) * speed);
            }).Order(),
        ];
        return reached[DriftSeeds / 2];
    }

    private static ProfiledDetector DetectorOf(double[][] calm, double periodSeconds, bool hasTimes = true) =>
        new([.. calm[0].Select((_, channel) => $"c{channel}")], periodSeconds, calm, hasTimes);

    // Two channels each: walks about a mean over 500 and 1,000 rows; one with Student's t of three degrees; exponentials of normal values.
    internal static double[][] Rows(string kind, int count, int seed, double dayRows)
    {
        if (!HeavyKinds.Contains(kind))
        {
            return UnseenPlants.Kinds.Contains(kind)
                ? UnseenPlants.Rows(kind, count, seed, dayRows)
                : CalmPlant.Rows(kind, count, seed, dayRows);
        }

        var random = new Random(seed);
        double first = 0;
        double second = 0;
        return [.. Enumerable.Range(0, count).Select(_ => kind switch { "walk" => Walk(), "t3" => Student(), _ => Lognormal() })];

        double[] Walk()
        {
            first = (0.998 * first) + (0.06 * Normal());
            second = (0.999 * second) + (0.04 * Normal());
            return [first + (0.1 * Normal()), second + (0.5 * first) + (0.1 * Normal())];
        }

        double[] Student()
        {
            first = (0.5 * first) + StudentOfThree();
            second = (0.8 * second) + Normal();
            return [first + (0.3 * second), second + (0.3 * StudentOfThree())];
        }

        double[] Lognormal()
        {
            first = (0.7 * first) + Normal();
            second = (0.9 * second) + (0.4 * Normal());
            return [Math.Exp(0.7 * first), Math.Exp(0.5 * second) + (0.2 * Math.Exp(0.7 * first))];
        }

        double StudentOfThree()
        {
            double squares = Enumerable.Range(0, 3).Sum(_ => Math.Pow(Normal(), 2));
            return Normal() / Math.Sqrt(squares / 3);
        }

        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }
}
