using System.CommandLine;
using System.Globalization;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Engines;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Commands;

/// <summary><c>check</c>: reports what is wrong before the service starts.</summary>
internal static class CheckCommand
{
    // A machine without a battery-backed clock boots with a date before this program was written.
    private static readonly DateTimeOffset ClockMin = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    internal static Command Create(TextWriter output)
    {
        Option<string> config = RunCommand.ConfigOption();
        var noSensors = new Option<bool>("--no-sensors")
        {
            Description = "Do not read the sensors. Use this while another program reads them.",
        };
        var noPublish = new Option<bool>("--no-publish")
        {
            Description = "Connect to the broker only. Otherwise an empty message on each topic shows what the broker refuses.",
        };
        var command = new Command("check", "Checks configuration, models, sources, state, broker and clock.")
        {
            config, noSensors, noPublish,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            EdgeConfig edge = ConfigFile.Load(parsed.GetRequiredValue(config));
            using ILoggerFactory logs = ServiceLog.Create();
            var devices = new Devices(edge.Sysfs);
            using var sources = new Sources(edge, devices, TimeProvider.System, logs.CreateLogger("edge"));
            using var engines = new EngineFactory(edge.OnnxRuntime);
            bool well = true;
            Say("configuration", null);
            foreach (string note in edge.Warnings.Concat(edge.Unknown))
            {
                Note("configuration", note);
            }

            var streams = new List<(StreamConfig, ModelManifest, TimeSpan)>();
            foreach (StreamConfig stream in edge.Streams)
            {
                (string? engine, string? otherPeriod) = (null, null);
                Say($"stream {stream.Name}", Try(() =>
                {
                    (ModelManifest manifest, TimeSpan period, engine) = CheckStream(stream, edge.History, engines, sources);
                    streams.Add((stream, manifest, period));
                    otherPeriod = stream.OtherPeriod(manifest);
                }));
                if (otherPeriod is not null)
                {
                    Note($"stream {stream.Name}", otherPeriod);
                }

                if (stream.Engine == EngineKind.Onnx && engine is not null)
                {
                    Note($"stream {stream.Name}", $"its engine is {engine}");
                }

                if (stream.Learn?.After > edge.History.AgeMax)
                {
                    Note(
                        $"stream {stream.Name}",
                        $"'learn.after' is {Duration.Text(stream.Learn.After)}, and 'history.max_age' stores rows for "
                            + $"{Duration.Text(edge.History.AgeMax)}: the first {(stream.Learn.IsProfile ? "profile" : "model")} is "
                            + "learned from those");
                }

                if (stream.Learn is { IsProfile: true } profile)
                {
                    Note(
                        $"stream {stream.Name}",
                        $"its model keeps its weights, and learns what is normal from {Duration.Text(profile.After)} of readings");
                }
                else if (stream.Learn is not null && !File.Exists(stream.Model))
                {
                    Note($"stream {stream.Name}", "it has no model yet, and learns one from its readings");
                }
            }

            well &= parsed.GetValue(noSensors) || SensorsCommand.ShowConfigured(edge, devices, output);
            if (edge.StateFolder is { } folder)
            {
                Say($"state {folder}", CheckState(folder));
            }

            string broker = $"broker {edge.Mqtt.Host}:{edge.Mqtt.Port}";
            if (edge.Unknown.Count > 0)
            {
                Note(broker, "not tried, because the password is not known here");
            }
            else
            {
                bool withTopics = !parsed.GetValue(noPublish);
                (string? problem, IReadOnlyList<string> refused) =
                    await new BrokerCheck(edge, streams).RunAsync(withTopics, cancel).ConfigureAwait(false);
                Say(broker, problem);
                foreach (string sentence in refused)
                {
                    Say("topic", sentence);
                }

                if (problem is null && withTopics && edge.Mqtt.Version == MqttVersion.ThreeOneOne)
                {
                    Note(broker, "over MQTT 3.1.1 a broker does not say which topics it refuses");
                }
            }

            Say(
                "clock",
                TimeProvider.System.GetUtcNow() < ClockMin
                    ? $"The clock shows {TimeProvider.System.GetUtcNow():yyyy-MM-dd}, a date in the past. "
                        + $"Set it, or wait for time synchronization."
                    : null);
            return well ? ExitCodes.Done : ExitCodes.InputWrong;

            void Note(string what, string note) => output.WriteLine($"note   {what}: {note}.");

            void Say(string what, string? problem)
            {
                well &= problem is null;
                output.WriteLine(problem is null ? $"ok     {what}" : $"WRONG  {what}: {problem}");
            }
        });
        return command;
    }

    private static (ModelManifest Manifest, TimeSpan Period, string Engine) CheckStream(
        StreamConfig stream, HistoryOptions history, EngineFactory engines, Sources sources)
    {
        // As the service does: limits and ranges are for the columns of the model.
        using var opened = new SensorStream(engines.Load(stream), stream, NullLogger.Instance);
        IInferenceEngine engine = opened.Engine;
        if (stream.Learn is { } learn)
        {
            TrainingProcess.Find(learn.Program);
            ModelManifest manifest = engine.Manifest;
            if (!learn.IsProfile
                && Enumerable.Range(0, manifest.Outputs.Count).Where(k => !manifest.Outputs[k].IsForecast).Select(manifest.OutputName)
                    .FirstOrDefault() is { } other)
            {
                throw new InputException(
                    $"'learn' is for models that only forecast, and '{other}' of model '{stream.Model}' is no forecast. Remove 'learn', "
                        + "remove 'model' to learn one that forecasts, or add 'what: profile' to learn only what is normal.");
            }

            if (engine.Manifest.Columns.Count > NormalProfileLearner.ColumnsMax)
            {
                throw new InputException(
                    $"'learn' is for at most {NormalProfileLearner.ColumnsMax} columns, and model '{stream.Model}' has "
                        + $"{engine.Manifest.Columns.Count}. Remove 'learn', or divide the stream.");
            }

            int ticksAhead = engine.Manifest.Outputs.Select(output => output.TicksAhead).DefaultIfEmpty(1).Max();
            if (learn.WhyNot(opened.Period, engine.Manifest.Columns.Count, ticksAhead, history.AgeMax) is { } problem)
            {
                throw new InputException(problem);
            }
        }

        using ISensor sensor = sources.Open(stream.Source, engine.Manifest, opened.Period);
        return (engine.Manifest, opened.Period, engine.Description);
    }

    // Writes and removes a file: in the folder, or where the service would create it. The state itself is only read: the service may use
    // it now.
    private static string? CheckState(string folder)
    {
        try
        {
            string existing = Path.GetFullPath(folder);
            while (!Path.Exists(existing))
            {
                existing = Path.GetDirectoryName(existing)!;
            }

            string probe = Path.Combine(existing, $".check-{Environment.ProcessId}");
            File.WriteAllBytes(probe, [0]);
            File.Delete(probe);
            if (!Directory.Exists(folder))
            {
                return null;
            }

            string file = Path.Combine(folder, StateStore.FileName);

            // The write-ahead log of a service that runs, or was killed, stays as it is; one that this look makes goes with it.
            SqliteOpenMode mode = File.Exists(file + "-wal") ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWrite;
            if (File.Exists(file) && Database.FindDamage(file, mode) is { } damage)
            {
                return $"State '{file}' is damaged: {damage}. The service would keep it aside and begin its streams again.";
            }

            new History(folder).Streams();
            return null;
        }
        catch (InputException e)
        {
            return e.Message;
        }
        catch (Exception e) when (FileFault.Is(e) || e is SqliteException)
        {
            return StateStore.Unusable(folder, e).Message;
        }
    }

    private static string? Try(Action check)
    {
        try
        {
            check();
            return null;
        }
        catch (InputException e)
        {
            return e.Message;
        }
    }
}
