using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Edge.Benchmarks;

/// <summary>
/// What the detector finds on simulated plants with labelled faults (Plants/simulate.py).
/// </summary>
internal static class PlantsBenchmark
{
    private static readonly string[] SeedsDefault = ["10", "11", "12", "13", "14", "15"];

    // A fault is found by an anomaly that opens in it, or so many rows behind, and stands for a tenth of it, or for so many rows.
    private const int RowsBehind = 20;
    private const int StandsRowsMax = 60;

    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Simulates the plants with each seed, and prints a line for each and their sums.</summary>
    internal static void Run(string[] seeds)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("edge-plants-");
        try
        {
            Simulate(folder.FullName, seeds.Length > 0 ? seeds : SeedsDefault);
            var sum = default(Score);
            var outlasting = new List<int>();
            foreach (string description in Directory.GetFiles(folder.FullName, "*.json").Order(StringComparer.Ordinal))
            {
                Score score = Judge(description, outlasting);
                Console.WriteLine($"{Path.GetFileNameWithoutExtension(description),-12} {score}");
                sum += score;
            }

            Console.WriteLine($"{"all",-12} {sum}");
            outlasting.Sort();
            Console.WriteLine(
                $"An anomaly that outlasts its fault does so for {outlasting[outlasting.Count / 2]} rows (median) or "
                    + $"{outlasting[outlasting.Count * 9 / 10]} (nine tenths at most); together {outlasting.Sum()}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Simulate(string folder, string[] seeds)
    {
        string script = PublishedProgram.FromHere("tests/Edge.Benchmarks/Plants/simulate.py");
        using Process python = Process.Start("python3", [script, folder, .. seeds]);
        python.WaitForExit();
        if (python.ExitCode != 0)
        {
            throw new InvalidOperationException($"{script} failed; it needs python3.");
        }
    }

    private static Score Judge(string description, List<int> outlasting)
    {
        Plant plant = JsonSerializer.Deserialize<Plant>(File.ReadAllText(description), SnakeCase)!;
        string path = Path.ChangeExtension(description, null);
        var detector = new ProfiledDetector(plant.Columns, plant.PeriodSeconds, Load(path + "-train.csv", plant.Columns.Length));
        double[][] rows = Load(path + "-test.csv", plant.Columns.Length);
        List<ProfiledDetector.Anomaly> anomalies = detector.Run(rows);
        var score = default(Score);
        foreach (Fault fault in plant.Faults)
        {
            int length = fault.LastRow - fault.FirstRow;
            int stands = Math.Min(length, Math.Min(StandsRowsMax, Math.Max(1, length / 10)));
            ProfiledDetector.Anomaly? found = anomalies.Find(item => fault.Holds(item)
                && Math.Min(item.Closed, fault.LastRow) - item.Opened + 1 >= stands);
            bool isNamed = found is not null && fault.Channels.Split(',').Contains(plant.Columns[found.Channel]);
            bool isEarly = found is not null && found.Opened <= fault.FirstRow + (fault.GrowsOverRows / 2.0);
            bool isSlow = fault.GrowsOverRows > 1;
            score += new Score(1, Count(found is not null), Count(isNamed), Count(isSlow), Count(isSlow && isEarly), 0);
        }

        outlasting.AddRange(plant.Faults.SelectMany(fault => anomalies
            .Where(item => (fault.Holds(item) || fault.Began(item)) && item.Closed > fault.LastRow)
            .Select(item => Math.Min(item.Closed, rows.Length) - fault.LastRow)));
        return score with { False = anomalies.Count(item => !Array.Exists(plant.Faults, fault => fault.Holds(item) || fault.Began(item))) };
    }

    private static int Count(bool isCounted) => isCounted ? 1 : 0;

    // The first column is the time; what follows the channels is the label.
    private static double[][] Load(string path, int channels) =>
    [
        .. File.ReadLines(path).Skip(1)
            .Select(line => line.Split(',')[1..(channels + 1)])
            .Select(cells => Array.ConvertAll(cells, cell => double.Parse(cell, CultureInfo.InvariantCulture))),
    ];

    private sealed record Plant(double PeriodSeconds, string[] Columns, Fault[] Faults);

    private sealed record Fault(string Channels, int FirstRow, int LastRow, int GrowsOverRows)
    {
        internal bool Holds(ProfiledDetector.Anomaly item) => item.Opened >= FirstRow && item.Opened <= LastRow + RowsBehind;

        // An anomaly that was open when the fault began is not one without a fault.
        internal bool Began(ProfiledDetector.Anomaly item) => item.Opened < FirstRow && item.Closed >= FirstRow;
    }

    private readonly record struct Score(int Faults, int Found, int Named, int Slow, int Early, int False)
    {
        public static Score operator +(Score a, Score b) => new(
            a.Faults + b.Faults, a.Found + b.Found, a.Named + b.Named, a.Slow + b.Slow, a.Early + b.Early, a.False + b.False);

        public override string ToString() =>
            $"{Found} of {Faults} faults found, {Named} by the right channel first, {Early} of {Slow} slow ones in the first half of their "
            + $"growth, {False} false";
    }
}
