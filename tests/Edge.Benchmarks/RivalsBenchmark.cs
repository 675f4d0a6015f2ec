using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Benchmarks;

/// <summary>
/// <c>rivals</c>: the same job, rows of a recording through an LSTM of 64 units and each forecast to a broker at QoS 1, by the service as
/// published for a device, which also learns intervals, looks for anomalies and keeps its state and outbox on disk; by a script in Python
/// (PyTorch, paho-mqtt); and by one for Node (ONNX Runtime, mqtt). The rate is that of the rows by which a long recording is longer than
/// a short one: starting up does not count.
/// </summary>
internal static class RivalsBenchmark
{
    private const int Port = 18832;
    private const int Rounds = 3;

    internal static async Task RunAsync()
    {
        // Before minutes have passed.
        PublishedProgram.Run("/usr/bin/python3", ["-c", "import paho.mqtt.client, torch"]);
        string folder = Directory.CreateTempSubdirectory("edge-rivals-").FullName;
        try
        {
            string scripts = PublishedProgram.FromHere("tests/Edge.Benchmarks/Rivals");
            foreach (string file in Directory.EnumerateFiles(scripts))
            {
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            }

            PublishedProgram.Run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], folder);
            await File.WriteAllBytesAsync(
                Path.Combine(folder, "step.onnx"),
                LstmGraph.FloatModel(ServiceJob.Channels, 64, 1, ServiceJob.Channels));
            await File.WriteAllBytesAsync(Path.Combine(folder, "m.safetensors"), ServiceJob.Model());
            PublishedProgram program = PublishedProgram.Publish(null, Path.Combine(folder, "program"));
            await using MosquittoBroker broker = await MosquittoBroker.StartAsync(Port);

            Rival[] rivals =
            [
                new("edge-runtime", 300_000, rows => program.Start(Config(folder, rows))),
                new(
                    "Python, PyTorch, paho-mqtt",
                    15_000,
                    rows => new Measured("/usr/bin/python3", [Path.Combine(folder, "forecast.py"), rows, $"{Port}"], [])),
                new(
                    "Node, ONNX Runtime, mqtt",
                    40_000,
                    rows =>
                        new Measured(
                            "node",
                            [Path.Combine(folder, "forecast.mjs"), rows, $"{Port}", Path.Combine(folder, "step.onnx")],
                            [])),
            ];
            for (int round = 0; round < Rounds; round++)
            {
                foreach (Rival rival in rivals)
                {
                    rival.Measure(folder);
                }
            }

            Console.WriteLine($"(8,64,1), forecasts at QoS 1 to a broker on loopback; medians of {Rounds} runs");
            Console.WriteLine("| | forecasts/s | ours is | most resident memory | ours has |");
            Console.WriteLine("| --- | ---: | ---: | ---: | ---: |");
            foreach (Rival rival in rivals)
            {
                Console.WriteLine(
                    $"| {rival.Name} | {rival.Rate:0} | {rivals[0].Rate / rival.Rate:0.0}x | {rival.PeakMB:0} MB | "
                        + $"{rivals[0].PeakMB / rival.PeakMB:P0} |");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Config(string folder, string rows)
    {
        string path = Path.Combine(folder, "edge.yaml");
        string state = Path.Combine(folder, Guid.NewGuid().ToString("N"));
        File.WriteAllText(
            path,
            $$"""
            device: bench
            state: {{state}}
            mqtt: { host: 127.0.0.1, port: {{Port}} }
            streams:
              - { name: s, model: m.safetensors, publish: [forecast], source: { replay: { file: {{rows}}, speed: max, loop: false } } }
            """);
        return path;
    }

    /// <summary>A program that does the job for a file of rows.</summary>
    private sealed class Rival(string name, int rows, Func<string, Measured> start)
    {
        private readonly List<double> _rates = [];
        private readonly List<double> _peaks = [];

        internal string Name => name;

        internal double Rate => Median(_rates);

        internal double PeakMB => Median(_peaks);

        internal void Measure(string folder)
        {
            int few = rows / 10;
            (double shortRun, _) = Once(folder, few);
            (double longRun, double peak) = Once(folder, rows);
            _rates.Add((rows - few) / (longRun - shortRun));
            _peaks.Add(peak);
        }

        private (double Seconds, double PeakMB) Once(string folder, int count)
        {
            string file = Path.Combine(folder, $"{count}.csv");
            if (!File.Exists(file))
            {
                File.WriteAllText(file, ServiceJob.Readings(count));
            }

            using Measured run = start(file);
            return run.WaitToEnd();
        }

        private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
    }
}
