using System.CommandLine;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Edge.Sensors;
using Edge.Sensors.Polling;
using Edge.Streams;
using Edge.Streams.Engines;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Commands;

/// <summary><c>record</c>: writes the ticks of a stream to a CSV file, for training and calibration.</summary>
internal static class RecordCommand
{
    // Period of a stream that has neither a model nor a configured period.
    private static readonly TimeSpan DefaultPeriod = TimeSpan.FromSeconds(1);

    internal static Command Create(TextWriter output)
    {
        Option<string> config = RunCommand.ConfigOption();
        var target = new Option<string>("--output")
        {
            Description = "The CSV file to write. A file with the same columns is continued.",
            Required = true,
        };
        var stream = new Option<string?>("--stream") { Description = "Name of the stream. Default: the first one." };
        var duration = new Option<string?>("--for")
        {
            Description = "Time to record, such as 90s or 24h. Default: until the source ends or Ctrl-C.",
        };
        var command = new Command("record", "Writes the readings of a stream to a CSV file for training and calibration.")
        {
            config,
            target,
            stream,
            duration,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            EdgeConfig edge = ConfigFile.Load(parsed.GetRequiredValue(config));
            StreamConfig chosen = Choose(edge, parsed.GetValue(stream));
            TimeSpan span = TimeSpan.MaxValue;
            if (parsed.GetValue(duration) is { } text && !Duration.TryParse(text, out span))
            {
                throw new InputException($"--for must be a time such as 90s, 5m or 24h, not '{text}'.");
            }

            using ILoggerFactory logs = ServiceLog.Create();
            using var sources = new Sources(edge, new Devices(edge.Sysfs), TimeProvider.System, logs.CreateLogger("edge"));
            using var engines = new EngineFactory(edge.OnnxRuntime);
            (ISensor sensor, IReadOnlyList<string> columns) = Open(chosen, engines, sources);
            using ISensor opened = sensor;
            using var stop = new StopSignal();
            string path = parsed.GetRequiredValue(target);
            using RecordingFile file = RecordingFile.Open(path, columns);
            Action<TimeSpan>? progress = Console.IsOutputRedirected ? null : elapsed =>
                output.Write($"\r{Quantity.Of(file.Rows, "row")}, {elapsed:d\\.hh\\:mm\\:ss} ");
            await RecordAsync(sensor, file, columns.Count, span, progress, stop.Token).ConfigureAwait(false);
            file.Flush();
            await output.WriteLineAsync(
                $"{(progress is null ? "" : "\r")}{Quantity.Of(file.Rows, "row")} of {string.Join(", ", columns)} -> {path}")
                .ConfigureAwait(false);
            return ExitCodes.Done;
        });
        return command;
    }

    // Live channels need no model to be recorded: the recording is what one is trained from.
    private static (ISensor Sensor, IReadOnlyList<string> Columns) Open(StreamConfig stream, EngineFactory engines, Sources sources)
    {
        if (stream is { Model.Length: 0, Source: ChannelsOptions channels })
        {
            string[] columns = [.. channels.Channels.Select(channel => channel.Column)];
            return (sources.OpenChannels(channels, columns, stream.Period ?? DefaultPeriod), columns);
        }

        using IInferenceEngine engine = engines.Load(stream);
        TimeSpan period = stream.Period ?? TimeSpan.FromSeconds(engine.Manifest.PeriodSeconds);
        return (sources.Open(stream.Source, engine.Manifest, period), engine.Manifest.Columns);
    }

    /// <summary>The stream that <c>--stream</c> names, or the first one.</summary>
    /// <exception cref="InputException">The configuration has no such stream.</exception>
    internal static StreamConfig Choose(EdgeConfig edge, string? name) => name is null
        ? edge.Streams[0]
        : edge.Streams.FirstOrDefault(stream => stream.Name == name)
            ?? throw new InputException(
                $"--stream is '{name}'; the configuration has {string.Join(", ", edge.Streams.Select(stream => stream.Name))}.");

    private static async Task RecordAsync(
        ISensor sensor,
        RecordingFile file,
        int channels,
        TimeSpan span,
        Action<TimeSpan>? progress,
        CancellationToken stop)
    {
        try
        {
            var reading = new Reading(channels);
            DateTime? first = null;
            while (await sensor.ReadAsync(reading, stop).ConfigureAwait(false))
            {
                first ??= reading.Time;
                if (reading.Time - first >= span)
                {
                    break;
                }

                file.Write(reading);
                sensor.Committed();
                progress?.Invoke(reading.Time - first.Value);
            }
        }
        catch (OperationCanceledException)
        {
            // A stop ends the recording; the rows so far are written.
        }
    }
}
