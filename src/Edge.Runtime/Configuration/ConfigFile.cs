using System.Text.RegularExpressions;
using Edge.Inference;
using Edge.Onnx;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;
using Edge.Runtime.Web;
using Edge.Sensors;
using Edge.Sensors.Gpio;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Forecasting;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Edge.Runtime.Configuration;

/// <summary>Reads the whole of edge.yaml into an <see cref="EdgeConfig"/> before anything starts.</summary>
internal static partial class ConfigFile
{
    private const long FileMaxBytes = 1 << 20;

    private const int DepthMax = 32;

    // Shortest and longest time from tick to tick, and longest time of a timer.
    private static readonly TimeSpan PeriodMin = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan PeriodMax = TimeSpan.FromDays(366);
    private static readonly TimeSpan TimerMax = TimeSpan.FromDays(40);

    // Largest number of a GPIO line.
    private const int PinMax = 1023;

    private static readonly string[] Publishable = ["reading", "forecast", "score"];
    private static readonly string[] PublishedByDefault = ["reading", "forecast"];

    private static readonly string[] CommandNames = [.. Enum.GetValues<CommandName>().Select(CommandChannel.Text)];

    /// <exception cref="InputException">The file cannot be read or has mistakes: one line each, with line and column.</exception>
    internal static EdgeConfig Load(string path) => Parse(ReadText(path), path);

    internal static EdgeConfig Parse(string text, string path)
    {
        var errors = new ConfigErrors(path);
        YamlMap root = Root(text, path, "device, mqtt and streams", errors);
        EdgeConfig config = ReadRoot(root, Path.GetDirectoryName(Path.GetFullPath(path))!);
        errors.ThrowIfAny();
        return config with { Unknown = errors.Unknown, File = Path.GetFullPath(path) };
    }

    /// <summary>The text of a configuration.</summary>
    /// <exception cref="InputException">It cannot be read.</exception>
    internal static string ReadText(string path)
    {
        try
        {
            if (!Path.Exists(path))
            {
                throw new InputException($"Configuration '{path}' does not exist. Check --config; deploy/config has samples.");
            }

            return RegularFile.ReadText(path, FileMaxBytes);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"Configuration '{path}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The outermost mapping of a configuration.</summary>
    /// <param name="text">The YAML.</param>
    /// <param name="path">Its file, for sentences.</param>
    /// <param name="keys">The keys that it must have, for a sentence.</param>
    /// <param name="errors">Receives what is wrong inside it.</param>
    /// <exception cref="InputException">It is not one mapping.</exception>
    internal static YamlMap Root(string text, string path, string keys, ConfigErrors errors)
    {
        var yaml = new YamlStream();
        try
        {
            RequireSimple(text, errors);
            yaml.Load(new StringReader(text));
        }
        catch (YamlException e)
        {
            errors.Add(e.Start.Line, e.Start.Column, $"this is not YAML: {e.Message.TrimEnd('.')}{Hint(text, e.Start.Line)}");
            errors.ThrowIfAny();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // The scanner's own checks can fail before the grammar's do.
            throw new InputException($"{path}:1:1: this is not YAML: {e.Message}", e);
        }

        return yaml.Documents.Count == 1 && yaml.Documents[0].RootNode is YamlMappingNode root
            ? new YamlMap(root, errors)
            : throw new InputException($"{path}:1:1: the file must be one YAML mapping with the keys {keys}.");
    }

    // The commonest of such mistakes. The parser may find one in a line after it, or see a value begin in the line before it.
    private static string Hint(string text, long line)
    {
        string[] lines = text.Split('\n');
        string[] near = [.. lines.Skip(Math.Max(0, (int)line - 2)).Take(3)];
        return lines.ElementAtOrDefault((int)line - 1) is { } written && UnquotedPattern().IsMatch(written)
            ? ". Quote a value with ${…} inside braces: { file: \"${VAR}/name\" }"
            : near.Any(TabPattern().IsMatch) ? ". Indent with spaces, not with tabs"
            : near.Any(NoSpacePattern().IsMatch) ? ". Write a space behind the colon of each key"
            : "";
    }

    [GeneratedRegex(@"\{[^""']*\$\{")]
    private static partial Regex UnquotedPattern();

    [GeneratedRegex(@"^ *\t")]
    private static partial Regex TabPattern();

    [GeneratedRegex(@"^\s*(-\s+)?[A-Za-z_]+:[^\s:/]")]
    private static partial Regex NoSpacePattern();

    // Loading is recursive: without a limit, a file of brackets would overflow the stack, which cannot be caught. An alias may stand for
    // itself, or a kilobyte of them for gigabytes: none is accepted.
    private static void RequireSimple(string text, ConfigErrors errors)
    {
        var parser = new Parser(new StringReader(text));
        for (int depth = 0; parser.MoveNext();)
        {
            if (parser.Current is AnchorAlias or NodeEvent { Anchor.IsEmpty: false })
            {
                errors.Add(
                    parser.Current.Start.Line,
                    parser.Current.Start.Column,
                    "anchors (&) and aliases (*) are not supported: write the value where it is used, or quote it if it is a text");
                errors.ThrowIfAny();
            }

            depth += parser.Current!.NestingIncrease;
            if (depth > DepthMax)
            {
                errors.Add(parser.Current.Start.Line, parser.Current.Start.Column, $"nested deeper than {DepthMax} levels");
                errors.ThrowIfAny();
            }
        }
    }

    private static EdgeConfig ReadRoot(YamlMap map, string folder)
    {
        string device = Name(map, "device", "the device's name in topics");
        string? state = map.Text("state") is { } written ? Path.Combine(folder, written) : null;
        (TimeSpan shortest, TimeSpan longest) = EdgeConfig.DurabilityRange;
        TimeSpan durability = map.Text("durability") is "tick"
            ? TimeSpan.Zero
            : map.Duration("durability", shortest, longest) ?? TimeSpan.FromSeconds(5);
        HistoryOptions history = ReadHistory(map, state);
        string sysfs = map.Text("sysfs") is { } root ? Path.Combine(folder, root) : "/sys";
        List<string> warnings = [];
        (MqttOptions mqtt, OutboxOptions outbox, DiscoveryOptions discovery) = map.Map("mqtt") is { } mqttMap
            ? ReadMqtt(mqttMap, warnings)
            : (new MqttOptions(), new OutboxOptions(), new DiscoveryOptions());
        TelemetryOptions? telemetry = ReadTelemetry(map);
        WebOptions? web = ReadWeb(map, folder, warnings);
        ModelUpdateOptions? models = ReadModels(map, folder);
        string[] commands = [.. map.Texts("commands", [], CommandNames)];
        OnnxOptions onnx = ReadOnnxRuntime(map, folder, state);
        IReadOnlyList<YamlMap> maps = map.Maps("streams");
        StreamConfig[] streams = [.. maps.Select(stream => ReadStream(stream, folder, state))];
        if (streams.Length == 0)
        {
            map.Fail("streams", "'streams' must list at least one stream");
        }

        var names = new HashSet<string>();
        for (int i = 0; i < streams.Length; i++)
        {
            if (streams[i].Name.Length > 0 && !names.Add(streams[i].Name))
            {
                maps[i].Fail("name", $"two streams are named '{streams[i].Name}'; rename one");
            }

            if (models?.IncomingFolder is { } incoming && streams[i].Model == Path.Combine(incoming, $"{streams[i].Name}.safetensors"))
            {
                maps[i].Fail(
                    "model", $"'models.incoming' would take '{streams[i].Model}' for a new model; keep the model in use in another folder");
            }
        }

        map.RejectUnknown();
        return new EdgeConfig
        {
            Device = device,
            StateFolder = state,
            Durability = durability,
            History = history,
            Mqtt = mqtt,
            Outbox = outbox,
            Discovery = discovery,
            Sysfs = sysfs,
            Telemetry = telemetry,
            Web = web,
            Models = models,
            Commands = [.. commands.Select(name => Enum.Parse<CommandName>(name, ignoreCase: true))],
            OnnxRuntime = onnx,
            Streams = streams,
            Warnings = warnings,
        };
    }

    private static StreamConfig ReadStream(YamlMap map, string folder, string? state)
    {
        // Channels can be recorded before they have a model.
        bool learns = map.Has("learn");
        string model = map.Has("channels") || learns
            ? map.Text("model") ?? ""
            : map.RequiredText("model", "a .safetensors file of edge-quantize, or demo");
        string name = Name(map, "name", "the stream's name in topics");
        TimeSpan? period = map.Duration("period", PeriodMin, PeriodMax);
        SourceOptions source = ReadSource(map, name, folder, ReadTimes(map));
        LearnOptions? learn = ReadLearn(map, source, period, model.Length > 0, folder);
        if (learns && state is null)
        {
            map.Fail("learn", "'learn' needs 'state', the folder that rows and the learned model are stored in");
        }

        string modelPath = model == "demo" ? model
            : model.Length > 0 ? Path.Combine(folder, model)
            : learns ? Path.Combine(state ?? folder, "models", name + ".safetensors")
            : "";
        var stream = new StreamConfig
        {
            Publish = ReadPublish(map),
            Name = name,
            Model = modelPath,
            Learn = learn,
            Engine = map.Choice("engine", StreamConfig.EngineOf(model)),
            Manifest = map.Text("manifest") is { } manifest ? Path.Combine(folder, manifest) : null,
            StateFrom = map.Text("state_from") is { } stateFrom ? Path.Combine(folder, stateFrom) : null,
            Period = period,
            HoldTicks = map.Whole("hold", 5, 0, StreamOptions.HoldTicksMax),
            Source = source,
            Forecast = ReadForecast(map),
            Anomaly = ReadAnomaly(map, out int? alarmPin),
            AlarmPin = alarmPin,
            Limits = ReadLimits(map),
            Entities = ReadEntities(map),
        };
        if (learns && !stream.HasReplaceableModel)
        {
            map.Fail(
                "learn",
                "'learn' is not for a stream with 'engine: onnx', 'model: demo' or 'forecast.horizon'"
                    + (learn is { IsProfile: true }
                        ? ": make the profile with edge-quantize profile, from rows of edge-runtime export"
                        : ""));
        }

        map.RejectUnknown();
        return stream;
    }

    internal static PublishOptions ReadPublish(YamlMap stream)
    {
        IReadOnlyList<string> published = stream.Texts("publish", PublishedByDefault, Publishable, mayBeEmpty: true);
        return new PublishOptions
        {
            Readings = published.Contains("reading"),
            Forecasts = published.Contains("forecast"),
            Scores = published.Contains("score"),
        };
    }

    internal static ForecastOptions ReadForecast(YamlMap stream)
    {
        var defaults = new ForecastOptions();
        if (stream.Map("forecast") is not { } map)
        {
            return defaults;
        }

        var forecast = new ForecastOptions
        {
            Interval = map.Number("interval", defaults.Interval, ForecastOptions.IntervalMin, ForecastOptions.IntervalMax),
            Horizon = map.Whole("horizon", defaults.Horizon, 1, ForecastOptions.HorizonMax),
            Season = map.Text("season") is "none" ? TimeSpan.Zero : map.Duration("season"),
        };
        map.RejectUnknown();
        return forecast;
    }

    internal static AnomalyOptions ReadAnomaly(YamlMap stream, out int? alarmPin)
    {
        var defaults = new AnomalyOptions();
        alarmPin = null;
        if (stream.Map("anomaly") is not { } map)
        {
            return defaults;
        }

        var anomaly = new AnomalyOptions
        {
            FalseAlarmsAWeek = ReadSensitivity(map),
            MinDurationTicks = map.Whole("min_duration", defaults.MinDurationTicks, 1, AnomalyOptions.MinDurationTicksMax),
            Adapt = map.Duration("adapt"),
            CoolDown = map.Duration("cool_down") ?? defaults.CoolDown,
        };
        alarmPin = map.WholeOrNull("alarm_pin", 0, PinMax);
        map.RejectUnknown();
        return anomaly;
    }

    private static double ReadSensitivity(YamlMap map)
    {
        string text = map.Text("sensitivity") ?? "normal";
        if (AnomalyOptions.TryParseSensitivity(text, out double rate))
        {
            return rate;
        }

        map.Fail(
            "sensitivity",
            $"'sensitivity' must be low, normal, high or a number of false alarms per week from 0.001 to 10000, not '{text}'");
        return 1;
    }

    internal static string Name(YamlMap map, string key, string meaning)
    {
        string name = map.RequiredText(key, meaning);
        if (name.Length > 0 && !IsName(name))
        {
            map.Fail(key, $"'{key}' is '{name}'; use 1 to 64 of the letters a-z, digits, _ and -");
        }

        return name;
    }

    /// <summary>Whether a device or stream name can stand in a topic.</summary>
    internal static bool IsName(string name) => NamePattern().IsMatch(name);

    [GeneratedRegex("^[a-z0-9_-]{1,64}\\z")]
    private static partial Regex NamePattern();
}
