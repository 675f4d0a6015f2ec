using System.CommandLine;
using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;
using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Engines;
using Edge.Runtime.Hosting;
using Edge.Runtime.Sensors;

namespace Edge.Runtime.Commands;

/// <summary><c>record</c>: a stream's ticks into a CSV file, for training and calibration.</summary>
internal static class RecordCommand
{
    internal static Command Create(TextWriter output)
    {
        Option<string> config = RunCommand.ConfigOption();
        var target = new Option<string>("--output") { Description = "The CSV file to write.", Required = true };
        var stream = new Option<string?>("--stream") { Description = "Which stream; default: the first." };
        var duration = new Option<string?>("--for") { Description = "How much of the stream's time, such as 90s or 24h; default: until it ends or is stopped." };
        var command = new Command("record", "Writes a stream's readings into a CSV file for training and calibration.") { config, target, stream, duration };
        command.SetAction(async (parsed, cancel) =>
        {
            EdgeConfig edge = ConfigFile.Load(parsed.GetRequiredValue(config));
            StreamConfig chosen = Choose(edge, parsed.GetValue(stream));
            TimeSpan span = TimeSpan.MaxValue;
            if (parsed.GetValue(duration) is { } text && !Duration.TryParse(text, out span))
            {
                throw new InputException($"--for must be a time such as 90s, 5m or 24h, not '{text}'.");
            }

            using IInferenceEngine engine = EngineFactory.Load(chosen.Model);
            TimeSpan period = chosen.Period ?? TimeSpan.FromSeconds(engine.Manifest.PeriodSeconds);
            using ISensor sensor = SensorFactory.Open(chosen.Source, engine.Manifest.Columns, period, TimeProvider.System);
            using var stop = new StopSignal();
            long rows = await WriteAsync(sensor, engine.Manifest, span, parsed.GetRequiredValue(target), stop.Token).ConfigureAwait(false);
            await output.WriteLineAsync($"{rows} rows of {string.Join(", ", engine.Manifest.Columns)} -> {parsed.GetRequiredValue(target)}").ConfigureAwait(false);
            return ExitCodes.Done;
        });
        return command;
    }

    private static StreamConfig Choose(EdgeConfig edge, string? name) => name is null
        ? edge.Streams[0]
        : edge.Streams.FirstOrDefault(stream => stream.Name == name)
            ?? throw new InputException($"--stream is '{name}'; the configuration has {string.Join(", ", edge.Streams.Select(stream => stream.Name))}.");

    private static async Task<long> WriteAsync(ISensor sensor, ModelManifest manifest, TimeSpan span, string path, CancellationToken stop)
    {
        long rows = 0;
        try
        {
            await using var text = new StreamWriter(path);
            await using var csv = new CsvWriter(text, new CsvConfiguration(CultureInfo.InvariantCulture) { NewLine = "\n" });
            csv.WriteField("time");
            foreach (string column in manifest.Columns)
            {
                csv.WriteField(column);
            }

            await csv.NextRecordAsync().ConfigureAwait(false);
            var reading = new Reading(manifest.Columns.Count);
            DateTime? first = null;
            while (await sensor.ReadAsync(reading, stop).ConfigureAwait(false))
            {
                first ??= reading.Time;
                if (reading.Time - first >= span)
                {
                    break;
                }

                csv.WriteField(reading.Time.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
                for (int i = 0; i < reading.Values.Length; i++)
                {
                    csv.WriteField(reading.Quality[i] == Quality.Good ? reading.Values[i].ToString("G9", CultureInfo.InvariantCulture) : "");
                }

                await csv.NextRecordAsync().ConfigureAwait(false);
                rows++;
            }
        }
        catch (OperationCanceledException)
        {
            // A stop ends the recording; the rows so far are written.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"'{path}' cannot be written: {e.Message}", e);
        }

        return rows;
    }
}
