using Edge.Runtime.Tests;

namespace Edge.Benchmarks;

/// <summary>
/// Faults of one sensor that begin and end, in every kind of plant: whether each is one anomaly of the right channel that ends when the
/// fault does. A table of docs/detection.md.
/// </summary>
internal static class FaultsBenchmark
{
    private const int CalmRows = 10_000;
    private const int RowsBetween = 2000;
    private const int Seeds = 6;

    // An anomaly that opens so soon behind a fault is of it; one that opens later, but before the next, is one too many.
    private const int RowsBehind = 20;

    private static readonly Sort[] Sorts =
    [
        new("offset of 2.5 deviations, 2 h", 120, (value, _, scale, _) => value + (2.5 * scale.Deviation)),
        new("noise, 4 h", 240, (value, _, scale, random) => value + (scale.Noise * Normal(random))),
        new("stuck, 5 h", 300, (_, first, _, _) => first),
        new("drift to 2.5 deviations in 10 h", 600, null),
        new("offset of a deviation, 4 h", 240, (value, _, scale, _) => value + scale.Deviation),
        new("offset of a deviation, 2 days", 2880, (value, _, scale, _) => value + scale.Deviation),
        new("offset of -2.5 deviations, 2 days", 2880, (value, _, scale, _) => value - (2.5 * scale.Deviation)),
    ];

    /// <param name="firstSeed">First of the seeds.</param>
    /// <param name="hasDetails">Whether each kind has a line.</param>
    internal static void Run(int firstSeed = 500, bool hasDetails = false)
    {
        string[] kinds = [.. CalmPlant.Kinds, .. UnseenPlants.Kinds];
        var all = new List<(string Kind, Outcome Outcome)>();
        foreach (string kind in kinds)
        {
            for (int seed = firstSeed; seed < firstSeed + Seeds; seed++)
            {
                all.AddRange(Outcomes(kind, seed).ConvertAll(outcome => (kind, outcome)));
            }
        }

        Console.WriteLine(
            $"{"",-36}{"found",10}{"named",10}{"after",8}{"events",8}{"open",7}{"9/10",7}{"later",8}   ridge chart: found, later");
        foreach (Sort sort in Sorts)
        {
            Print(sort.Name, all.Where(each => each.Outcome.Sort == sort));
            foreach (string kind in hasDetails ? kinds : [])
            {
                Print("  " + kind, all.Where(each => each.Outcome.Sort == sort && each.Kind == kind));
            }
        }
    }

    private static void Print(string title, IEnumerable<(string Kind, Outcome Outcome)> outcomes)
    {
        Outcome[] all = [.. outcomes.Select(each => each.Outcome)];
        Outcome[] found = [.. all.Where(each => each.Found is not null)];
        int[] after = [.. found.Select(each => Math.Max(0, each.Found!.Opened - each.FirstRow)).Order()];
        int[] open = [.. all.Select(each => each.OpenRows).Order()];
        string named = $"{found.Count(each => each.Found!.Channel == each.Channel)}/{found.Length}";
        Console.WriteLine(
            $"{title,-36}{$"{found.Length}/{all.Length}",10}{named,10}{(after.Length > 0 ? after[after.Length / 2] : -1),8}"
                + $"{found.Sum(each => each.Events) / (double)Math.Max(1, found.Length),8:0.0}{open[open.Length / 2],7}"
                + $"{open[open.Length * 9 / 10],7}{all.Sum(each => each.Later),8}"
                + $"{all.Count(each => each.IsInChart),12}{all.Sum(each => each.LaterInChart),8}");
    }

    private static List<Outcome> Outcomes(string kind, int seed)
    {
        int rows = RowsBetween + Sorts.Sum(sort => sort.Rows + RowsBetween);
        double[][] all = CalmBenchmark.Rows(kind, CalmRows + rows, seed, dayRows: 1440);
        double[][] calm = all[..CalmRows];
        double[][] live = all[CalmRows..];
        int channel = seed % calm[0].Length;
        var scale = Scale.Of(calm, channel);
        var random = new Random(seed);
        var detector = new ProfiledDetector([.. calm[0].Select((_, at) => $"c{at}")], 60, calm);
        int first = RowsBetween;
        foreach (Sort sort in Sorts)
        {
            double firstValue = live[first][channel];
            for (int row = first; row < first + sort.Rows; row++)
            {
                ref double value = ref live[row][channel];
                value = sort.Fault is not null
                    ? sort.Fault(value, firstValue, scale, random)
                    : value + (2.5 * scale.Deviation * (row - first + 1) / sort.Rows);
            }

            first += sort.Rows + RowsBetween;
        }

        List<ProfiledDetector.Anomaly> anomalies = detector.Run(live);
        List<int> alarms = new RidgeChart(calm).Alarms(live);
        var outcomes = new List<Outcome>();
        first = RowsBetween;
        foreach (Sort sort in Sorts)
        {
            int end = first + sort.Rows;
            List<ProfiledDetector.Anomaly> events = anomalies.FindAll(each => each.Opened >= first && each.Opened < end + RowsBehind);
            int open = anomalies.Where(each => each.Opened < end + RowsBehind && each.Closed >= end)
                .Select(each => Math.Min(each.Closed, end + RowsBetween) - end)
                .DefaultIfEmpty(0).Max();
            int later = anomalies.Count(each => each.Opened >= end + RowsBehind && each.Opened < end + RowsBetween);
            bool isInChart = alarms.Exists(row => row >= first && row < end + RowsBehind);
            int laterInChart = alarms.Count(row => row >= end + RowsBehind && row < end + RowsBetween);
            outcomes.Add(new Outcome(sort, channel, first, events.FirstOrDefault(), events.Count, open, later, isInChart, laterInChart));
            first = end + RowsBetween;
        }

        return outcomes;
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private delegate double Fault(double value, double firstValue, Scale scale, Random random);

    private sealed record Sort(string Name, int Rows, Fault? Fault);

    /// <param name="OpenRows">Rows for which an anomaly was open after the end.</param>
    /// <param name="Later">Anomalies that opened after it, before the next fault.</param>
    private sealed record Outcome(
        Sort Sort,
        int Channel,
        int FirstRow,
        ProfiledDetector.Anomaly? Found,
        int Events,
        int OpenRows,
        int Later,
        bool IsInChart,
        int LaterInChart);

    /// <summary>How a person sees a channel on a chart: how far it moves, and the noise that would stand out.</summary>
    private sealed record Scale(double Deviation, double Noise)
    {
        internal static Scale Of(double[][] calm, int channel)
        {
            double mean = calm.Average(row => row[channel]);
            double deviation = Math.Sqrt(calm.Average(row => Math.Pow(row[channel] - mean, 2)));
            double[] changes = [.. calm.Zip(calm[1..], (a, b) => Math.Abs(b[channel] - a[channel])).Order()];

            // Four times what there is, or a quarter of how far the channel moves.
            double usual = changes[changes.Length * 2 / 3] / Math.Sqrt(2);
            return new Scale(deviation, Math.Max(4 * usual, deviation / 4));
        }
    }
}
