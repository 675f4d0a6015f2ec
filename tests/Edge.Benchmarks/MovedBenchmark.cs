using System.Globalization;

namespace Edge.Benchmarks;

/// <summary>
/// What the detector finds once a model has moved to another device, whose sensors are off: with the profile that came with the model, of
/// one device or of five that differ as much, and with one of the device's own rows. The plants are those of <see cref="PlantsBenchmark"/>.
/// </summary>
internal static class MovedBenchmark
{
    private static readonly string[] SeedsDefault = ["10", "11", "12"];

    // The chart tells when it begins to alarm; as much as an anomaly has to stand for.
    private const int AlarmRows = 60;

    private const int Devices = 5;

    // By how many deviations of its calm rows each channel is off, up or down.
    private static readonly double[] Offsets = [0, 0.3, 1, 3, 8];

    /// <summary>Simulates the plants with each seed, and prints a line for each offset.</summary>
    internal static void Run(string[] seeds)
    {
        string[] profiles =
        [
            "as it came", "as it came, of five devices", "own rows before the first fault", "own calm recording", "ridge chart as it came",
        ];
        var sums = new PlantScore[Offsets.Length, profiles.Length];
        foreach (PlantRecording recording in PlantRecording.Simulate(seeds.Length > 0 ? seeds : SeedsDefault))
        {
            var random = new Random(1);
            double[] signs = [.. recording.Plant.Columns.Select(_ => random.Next(2) == 0 ? -1.0 : 1.0)];
            var shipped = new ProfiledDetector(recording.Plant.Columns, recording.Plant.PeriodSeconds, recording.Calm);
            var chart = new RidgeChart(recording.Calm);
            for (int at = 0; at < Offsets.Length; at++)
            {
                double[] off = [.. signs.Select((sign, channel) => sign * Offsets[at] * shipped.Deviations[channel])];
                double[][] rows = Moved(recording.Rows, off);
                int first = recording.Plant.Faults.Min(fault => fault.FirstRow);
                ProfiledDetector[] detectors =
                [
                    shipped,
                    shipped.WithProfileOfDevices(
                        OfDevices(recording.Calm, shipped.Deviations, Offsets[at], random), recording.Calm.Length / Devices),
                    shipped.WithProfileOf(rows[..first], beginsAt: 0),
                    shipped.WithProfileOf(Moved(recording.Calm, off), beginsAt: -recording.Calm.Length),
                ];
                for (int profile = 0; profile < detectors.Length; profile++)
                {
                    sums[at, profile] += recording.Judge(detectors[profile].Run(rows));
                }

                // It names no channel.
                List<ProfiledDetector.Anomaly> alarms =
                    [.. chart.Alarms(rows).Select(row => new ProfiledDetector.Anomaly(row, row + AlarmRows, Channel: 0))];
                sums[at, detectors.Length] += recording.Judge(alarms) with { Named = 0 };
            }
        }

        Console.WriteLine($"{"off by",-8} {"profile",-32} {"found",12} {"named",6} {"false",6}");
        for (int at = 0; at < Offsets.Length; at++)
        {
            for (int profile = 0; profile < profiles.Length; profile++)
            {
                PlantScore score = sums[at, profile];
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Offsets[at],-8} {profiles[profile],-32} {$"{score.Found} of {score.Faults}",12} {score.Named,6} {score.False,6}"));
            }
        }
    }

    // Each has a part of the rows, and its own offsets.
    private static double[][] OfDevices(double[][] calm, IReadOnlyList<double> deviations, double offset, Random random) =>
    [
        .. calm.Chunk(calm.Length / Devices).SelectMany(rows =>
            Moved(rows, [.. deviations.Select(deviation => (random.Next(2) == 0 ? -offset : offset) * deviation)])),
    ];

    private static double[][] Moved(double[][] rows, double[] off) =>
        Array.ConvertAll(rows, row => row.Zip(off, (value, by) => value + by).ToArray());
}
