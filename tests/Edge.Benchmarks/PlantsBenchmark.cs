namespace Edge.Benchmarks;

/// <summary>
/// What the detector finds on simulated plants with labelled faults (Plants/simulate.py).
/// </summary>
internal static class PlantsBenchmark
{
    private static readonly string[] SeedsDefault = ["10", "11", "12", "13", "14", "15"];

    /// <summary>Simulates the plants with each seed, and prints a line for each and their sums.</summary>
    internal static void Run(string[] seeds)
    {
        var sum = default(PlantScore);
        var outlasting = new List<int>();
        foreach (PlantRecording recording in PlantRecording.Simulate(seeds.Length > 0 ? seeds : SeedsDefault))
        {
            var detector = new ProfiledDetector(recording.Plant.Columns, recording.Plant.PeriodSeconds, recording.Calm);
            List<ProfiledDetector.Anomaly> anomalies = detector.Run(recording.Rows);
            PlantScore score = recording.Judge(anomalies);
            Console.WriteLine($"{recording.Name,-12} {score}");
            sum += score;
            outlasting.AddRange(recording.Outlasting(anomalies));
        }

        Console.WriteLine($"{"all",-12} {sum}");
        outlasting.Sort();
        Console.WriteLine(
            $"An anomaly that outlasts its fault does so for {outlasting[outlasting.Count / 2]} rows (median) or "
                + $"{outlasting[outlasting.Count * 9 / 10]} (nine tenths at most); together {outlasting.Sum()}");
    }
}
