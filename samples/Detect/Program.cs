using System.Globalization;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Engines;

// Forecasts and anomalies of recorded readings (a time, then the model's columns): dotnet run -- MODEL.safetensors READINGS.csv
using var stream = new SensorStream(new Int8Engine(EdgeModel.Load(args[0])), new StreamOptions { Name = "climate" });
var reading = new Reading(stream.Manifest.Columns.Count);
foreach (string line in File.ReadLines(args[1]).Skip(1))
{
    string[] cells = line.Split(',');
    reading.Time = DateTime.Parse(cells[0], CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal);
    for (int i = 0; i < reading.Values.Length; i++)
    {
        bool isNumber = double.TryParse(cells[i + 1], NumberStyles.Float, CultureInfo.InvariantCulture, out reading.Values[i]);
        reading.Quality[i] = isNumber ? Quality.Good : Quality.Missing;
    }

    StreamTick tick = stream.Step(reading);
    if (tick.Anomaly is { } anomaly)
    {
        Console.WriteLine($"tick {tick.Seq}, {anomaly.Change}: {anomaly.Message}");
    }
}

Console.WriteLine(FormattableString.Invariant($"{stream.Health.Forecasts} forecasts, skill {stream.Health.Skill:0.00}"));
