using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Edge.Benchmarks;

/// <summary>Calm rows of a simulated plant, and rows with labelled faults (Plants/simulate.py).</summary>
/// <param name="Name">The plant and its seed.</param>
/// <param name="Plant">What was simulated.</param>
/// <param name="Calm">Rows without a fault: [rows][columns].</param>
/// <param name="Rows">Rows with faults, which follow the calm ones.</param>
internal sealed record PlantRecording(string Name, Plant Plant, double[][] Calm, double[][] Rows)
{
    // A fault is found by an anomaly that opens in it, or so many rows behind, and stands for a tenth of it, or for so many rows.
    private const int RowsBehind = 20;
    private const int StandsRowsMax = 60;

    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>The recordings of all plants with each seed, one after the other.</summary>
    internal static IEnumerable<PlantRecording> Simulate(string[] seeds)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("edge-plants-");
        try
        {
            string script = PublishedProgram.FromHere("tests/Edge.Benchmarks/Plants/simulate.py");
            using Process python = Process.Start("python3", [script, folder.FullName, .. seeds]);
            python.WaitForExit();
            if (python.ExitCode != 0)
            {
                throw new InvalidOperationException($"{script} failed; it needs python3.");
            }

            foreach (string description in Directory.GetFiles(folder.FullName, "*.json").Order(StringComparer.Ordinal))
            {
                Plant plant = JsonSerializer.Deserialize<Plant>(File.ReadAllText(description), SnakeCase)!;
                string path = Path.ChangeExtension(description, null);
                yield return new PlantRecording(
                    Path.GetFileName(path),
                    plant,
                    Load(path + "-train.csv", plant.Columns.Length),
                    Load(path + "-test.csv", plant.Columns.Length));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>What these anomalies of <see cref="Rows"/> are worth.</summary>
    internal PlantScore Judge(List<ProfiledDetector.Anomaly> anomalies)
    {
        var score = default(PlantScore);
        foreach (PlantFault fault in Plant.Faults)
        {
            int length = fault.LastRow - fault.FirstRow;
            int stands = Math.Min(length, Math.Min(StandsRowsMax, Math.Max(1, length / 10)));
            ProfiledDetector.Anomaly? found = anomalies.Find(item => Holds(fault, item)
                && Math.Min(item.Closed, fault.LastRow) - item.Opened + 1 >= stands);
            bool isNamed = found is not null && fault.Channels.Split(',').Contains(Plant.Columns[found.Channel]);
            bool isEarly = found is not null && found.Opened <= fault.FirstRow + (fault.GrowsOverRows / 2.0);
            bool isSlow = fault.GrowsOverRows > 1;
            score += new PlantScore(1, Count(found is not null), Count(isNamed), Count(isSlow), Count(isSlow && isEarly), 0);
        }

        return score with { False = anomalies.Count(item => !Array.Exists(Plant.Faults, fault => IsOf(fault, item))) };
    }

    /// <summary>For how many rows each of these anomalies outlasts its fault.</summary>
    internal IEnumerable<int> Outlasting(List<ProfiledDetector.Anomaly> anomalies) => Plant.Faults.SelectMany(fault => anomalies
        .Where(item => IsOf(fault, item) && item.Closed > fault.LastRow)
        .Select(item => Math.Min(item.Closed, Rows.Length) - fault.LastRow));

    private static bool Holds(PlantFault fault, ProfiledDetector.Anomaly item) =>
        item.Opened >= fault.FirstRow && item.Opened <= fault.LastRow + RowsBehind;

    // An anomaly that was open when the fault began is not one without a fault.
    private static bool IsOf(PlantFault fault, ProfiledDetector.Anomaly item) =>
        Holds(fault, item) || (item.Opened < fault.FirstRow && item.Closed >= fault.FirstRow);

    private static int Count(bool isCounted) => isCounted ? 1 : 0;

    // The first column is the time; what follows the channels is the label.
    private static double[][] Load(string path, int channels) =>
    [
        .. File.ReadLines(path).Skip(1)
            .Select(line => line.Split(',')[1..(channels + 1)])
            .Select(cells => Array.ConvertAll(cells, cell => double.Parse(cell, CultureInfo.InvariantCulture))),
    ];
}

/// <summary>What was simulated.</summary>
internal sealed record Plant(double PeriodSeconds, string[] Columns, PlantFault[] Faults);

/// <summary>A fault of a plant.</summary>
/// <param name="Channels">The columns that it may be named by, with commas between them.</param>
/// <param name="FirstRow">Its first row.</param>
/// <param name="LastRow">Its last row.</param>
/// <param name="GrowsOverRows">Rows in which it reaches its size; 1 for a jump.</param>
internal sealed record PlantFault(string Channels, int FirstRow, int LastRow, int GrowsOverRows);

/// <summary>Counts of faults, those found, named, slow and found early, and of false anomalies.</summary>
internal readonly record struct PlantScore(int Faults, int Found, int Named, int Slow, int Early, int False)
{
    public static PlantScore operator +(PlantScore a, PlantScore b) => new(
        a.Faults + b.Faults, a.Found + b.Found, a.Named + b.Named, a.Slow + b.Slow, a.Early + b.Early, a.False + b.False);

    public override string ToString() =>
        $"{Found} of {Faults} faults found, {Named} by the right channel first, {Early} of {Slow} slow ones in the first half of their "
        + $"growth, {False} false";
}
