using System.CommandLine;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Streams;
using Edge.Streams.Engines;
using Microsoft.Extensions.Logging;

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
        var command = new Command("check", "Checks configuration, models, sources, broker and clock.") { config, noSensors };
        command.SetAction(async (parsed, cancel) =>
        {
            EdgeConfig edge = ConfigFile.Load(parsed.GetRequiredValue(config));
            using ILoggerFactory logs = ServiceLog.Create();
            var devices = new Devices(edge.Sysfs);
            using var sources = new Sources(edge, devices, TimeProvider.System, logs.CreateLogger("edge"));
            using var engines = new EngineFactory(edge.OnnxRuntime);
            bool well = true;
            Say("configuration", null);
            foreach (string warning in edge.Warnings)
            {
                output.WriteLine($"note   configuration: {warning}");
            }

            foreach (StreamConfig stream in edge.Streams)
            {
                Say($"stream {stream.Name}", Try(() => CheckStream(stream, engines, sources)));
            }

            well &= parsed.GetValue(noSensors) || SensorsCommand.ShowConfigured(edge, devices, output);

            Say($"broker {edge.Mqtt.Host}:{edge.Mqtt.Port}", await CheckBrokerAsync(edge, cancel).ConfigureAwait(false));
            Say(
                "clock",
                TimeProvider.System.GetUtcNow() < ClockMin
                    ? $"The clock shows {TimeProvider.System.GetUtcNow():yyyy-MM-dd}, a date in the past. "
                        + $"Set it, or wait for time synchronization."
                    : null);
            return well ? ExitCodes.Done : ExitCodes.InputWrong;

            void Say(string what, string? problem)
            {
                well &= problem is null;
                output.WriteLine(problem is null ? $"ok     {what}" : $"WRONG  {what}: {problem}");
            }
        });
        return command;
    }

    private static void CheckStream(StreamConfig stream, EngineFactory engines, Sources sources)
    {
        using IInferenceEngine engine = engines.Load(stream);
        TimeSpan period = stream.Period ?? TimeSpan.FromSeconds(engine.Manifest.PeriodSeconds);
        using ISensor sensor = sources.Open(stream.Source, engine.Manifest, period);
    }

    private static async Task<string?> CheckBrokerAsync(EdgeConfig edge, CancellationToken cancel)
    {
        try
        {
            // A separate client id and no last will, so that a running service is not disturbed.
            await using IMqttLink link = BrokerLinks.Create(edge, $"check-{Environment.ProcessId}", TimeSpan.Zero)();
            await link.ConnectAsync(cancel).ConfigureAwait(false);
            await link.DisconnectAsync().ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is MqttLinkException or InputException)
        {
            return e.Message;
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
