using System.CommandLine;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.Replay;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Commands;

/// <summary>
/// <c>replay</c>: runs the pipeline over recorded rows without a broker, as fast as possible. Writes one JSON object per line.
/// </summary>
internal static class ReplayCommand
{
    // Channels that the closing lines name.
    private const int NamedMax = 8;

    internal static Command Create(TextWriter output)
    {
        var settings = new Option<string?>("--config")
        {
            Description = "Path of edge.yaml: takes the model and all settings of one of its streams.",
        };
        var model = new Option<string?>("--model")
        {
            Description = "A .safetensors model of edge-quantize, an .onnx file with its manifest next to it, or demo. "
                + "Default with --config: the model of the stream.",
        };
        var data = new Option<string>("--data") { Description = "CSV file with the columns of the model.", Required = true };
        var target = new Option<string>("--output") { Description = "File for the payloads, one JSON object per line.", Required = true };
        var scores = new Option<string?>("--scores") { Description = "CSV file for the score of each tick and its parts." };
        var sensitivity = new Option<string?>("--sensitivity")
        {
            Description = "low, normal, high, or expected false alarms per week. Default: as configured, or normal.",
        };
        var device = new Option<string?>("--device")
        {
            Description = "Device name in the payloads. Default: that of the configuration, or replay.",
        };
        var stream = new Option<string?>("--stream")
        {
            Description = "With --config, the stream to replay; default: the first one. Else the stream name in the payloads; default: "
                + "the name of the model.",
        };
        var timeColumn = new Option<string?>("--time-column")
        {
            Description = "Header of the time column. Default: a column named like a time.",
        };
        var timeFormat = new Option<string?>("--time-format")
        {
            Description = "How times are written, such as dd.MM.yyyy HH:mm. Default: ISO 8601 or a count since 1970.",
        };
        var timeZone = new Option<string?>("--timezone")
        {
            Description = "Zone of times that name none, such as Europe/Berlin. Default: UTC.",
        };
        var horizon = new Option<int?>("--horizon")
        {
            Description = "Ticks to forecast with a one-step model by feeding back its forecasts. Default: as configured, or the outputs "
                + "of the model.",
        };
        var command = new Command(
            "replay",
            "Runs the pipeline over recorded rows as fast as possible and writes the MQTT payloads to a file.")
        {
            settings, model, data, target, scores, sensitivity, device, stream, timeColumn, timeFormat, timeZone, horizon,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(settings) is null && result.GetValue(model) is null)
            {
                result.AddError("Option '--model' or '--config' is required.");
            }
        });
        command.SetAction(async (parsed, cancel) =>
        {
            using ILoggerFactory logs = ServiceLog.Create();
            EdgeConfig? edge = parsed.GetValue(settings) is { } file ? ConfigFile.Load(file) : null;
            StreamConfig config = edge is null
                ? new StreamConfig { Name = "", Model = "", Source = new ReplayOptions { File = "" } }
                : RecordCommand.Choose(edge, parsed.GetValue(stream));
            ReplayOptions replay = Recording(
                parsed.GetRequiredValue(data),
                config.Source,
                parsed.GetValue(timeColumn),
                parsed.GetValue(timeFormat),
                parsed.GetValue(timeZone));
            config = Override(
                config with { Source = replay }, parsed.GetValue(model), parsed.GetValue(horizon), parsed.GetValue(sensitivity));
            RegularFile.RequireApart(
                [parsed.GetValue(target), parsed.GetValue(scores)], [replay.File, config.Model, parsed.GetValue(settings)]);
            using var engines = new EngineFactory(edge?.OnnxRuntime ?? new OnnxOptions());
            IInferenceEngine engine = engines.Load(config);
            if (edge is null)
            {
                config = config with { Name = RequireName("--stream", parsed.GetValue(stream) ?? StreamName(engine.Manifest)) };
            }

            string deviceName = RequireName("--device", parsed.GetValue(device) ?? edge?.Device ?? "replay");
            ILogger log = logs.CreateLogger("edge");
            var pipeline = new SensorStream(engine, config, log);
            ISensor sensor = RangedSensor.Around(
                new ReplaySensor(replay, engine.Manifest.Columns, pipeline.Period, TimeProvider.System, log),
                replay.Ranges.Where(range => engine.Manifest.Columns.Contains(range.Key)).ToDictionary(),
                engine.Manifest.Columns);
            await using var lines = new BufferedStream(OutputFile.Create(parsed.GetRequiredValue(target), "--output"), 1 << 16);
            using ScoresFile? scored = OpenScores(parsed.GetValue(scores), parsed.GetRequiredValue(target));
            using var loop = new StreamLoop(
                deviceName,
                pipeline,
                sensor,
                config.Publish,
                new OutboxOptions().AgeMax,
                (_, _, messages, _, _) => Write(lines, messages),
                new StoppedClock(),
                log)
            {
                Ticked = scored is null ? null : _ => scored.Write(pipeline),
            };
            using var stop = new StopSignal();
            await loop.RunAsync(stop.Token, stop.Token).ConfigureAwait(false);
            await lines.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            scored?.Flush();
            StreamHealth health = pipeline.Health;
            await output.WriteLineAsync(
                $"{Quantity.Of(health.Ticks, "row")}, {Quantity.Of(health.Forecasts, "forecast")}, "
                    + $"{Quantity.Of(health.Anomalies, "anomaly", "anomalies")}, {Quantity.Of(health.MissedTicks, "row")} missing or "
                    + $"without usable values -> {parsed.GetRequiredValue(target)}").ConfigureAwait(false);
            foreach (string line in Closing(pipeline, health))
            {
                await output.WriteLineAsync(line).ConfigureAwait(false);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    // Which channels had rows without a value, and what the detector did not watch up to the end.
    private static IEnumerable<string> Closing(SensorStream stream, StreamHealth health)
    {
        (string Column, long Rows)[] bad =
        [
            .. stream.Manifest.Columns.Zip(health.BadTicks).Where(each => each.Second > 0).OrderByDescending(each => each.Second),
        ];
        if (bad.Length > 0)
        {
            yield return "rows without a value: " + string.Join(", ", bad.Take(NamedMax).Select(each => $"{each.Column} {each.Rows}"))
                + (bad.Length > NamedMax ? $" and {Quantity.Of(bad.Length - NamedMax, "channel")} more" : "");
        }

        if (health.WarmUpRowsLeft > 0 || stream.ScoreOf(AnomalyCause.Correlation) == 0)
        {
            yield return health.Detection;
        }
    }

    // States such as ON and OFF are not JSON; their events carry the same information.
    private static ValueTask Write(Stream lines, IReadOnlyList<MqttMessage> messages)
    {
        foreach (MqttMessage message in messages.Where(message => message.ContentType is not null))
        {
            lines.Write(message.Payload.Span);
            lines.WriteByte((byte)'\n');
        }

        return ValueTask.CompletedTask;
    }

    private static StreamConfig Override(StreamConfig config, string? model, int? horizon, string? sensitivity)
    {
        if (model is not null)
        {
            config = config with { Model = model, Engine = StreamConfig.EngineOf(model), Manifest = null };
        }

        if (horizon is { } ticks)
        {
            config = config with { Forecast = config.Forecast with { Horizon = RequireHorizon(ticks) } };
        }

        return sensitivity is null
            ? config
            : config with { Anomaly = config.Anomaly with { FalseAlarmsAWeek = RequireSensitivity(sensitivity) } };
    }

    private static ScoresFile? OpenScores(string? path, string target) =>
        path is null ? null
        : RegularFile.IsSame(path, target)
            ? throw new InputException($"--scores and --output '{target}' are one file; give them two names.")
            : ScoresFile.Open(path);

    // The recording, read as the options say; else as the stream's own recording is; else by what its cells look like. What the device
    // counts as out of range is it here, too.
    private static ReplayOptions Recording(string file, SourceOptions source, string? timeColumn, string? format, string? zone)
    {
        ReplayOptions configured = source as ReplayOptions ?? new ReplayOptions { File = file, Ranges = source.Ranges };
        return configured with
        {
            File = file,
            TimeColumns = timeColumn is null ? configured.TimeColumns : [timeColumn],
            Times = configured.Times.With(format, zone),
            Speed = PlaybackSpeed.Max,
            Loop = false,
        };
    }

    private static double RequireSensitivity(string text) =>
        AnomalyOptions.TryParseSensitivity(text, out double rate)
            ? rate
            : throw new InputException(
                $"--sensitivity is '{text}'; use low, normal, high, or a number of false alarms per week from "
                    + $"{AnomalyOptions.FalseAlarmsAWeekMin} to {AnomalyOptions.FalseAlarmsAWeekMax}.");

    private static int RequireHorizon(int horizon) =>
        horizon is >= 1 and <= ForecastOptions.HorizonMax
            ? horizon
            : throw new InputException($"--horizon is {horizon}; use 1 to {ForecastOptions.HorizonMax}.");

    private static string RequireName(string option, string name) =>
        ConfigFile.IsName(name)
            ? name
            : throw new InputException($"{option} is '{name}'; use 1 to 64 of the letters a-z, digits, _ and -.");

    private static string StreamName(ModelManifest manifest)
    {
        string name = new(
            manifest.Name.ToLowerInvariant()
                .Select(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-' ? letter : '-')
                .Take(64)
                .ToArray());
        return name.Length > 0 ? name : "model";
    }

    /// <summary>A clock that stands still: the output of a replay must not depend on how long the replay takes.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}
