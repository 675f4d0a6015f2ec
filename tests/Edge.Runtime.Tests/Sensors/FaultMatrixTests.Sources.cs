using System.Diagnostics;
using System.Text;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.Timing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>The sources, and how each of their faults is brought about.</summary>
public sealed partial class FaultMatrixTests
{
    private static string I2c(string channel) => $"i2c: {{ bus: 1, address: 0x10, driver: {channel}, read: x }}";

    private static string Topic(string column) => $"mqtt: {{ topic: plant/{column[..1]} }}, max_age: 1s, max: 500, stuck: 4";

    private string IioRoot => _folder.File("bus/iio/devices");

    private string HwmonRoot => _folder.File("class/hwmon");

    private static SystemClock Calm { get; } = new(() => TimeSpan.Zero, () => true);

    private Devices Scripted => new() { I2c = (device, _) => _scripted[device.Driver] };

    // A healthy value that never repeats itself.
    private static Func<double> Walk()
    {
        int calls = 0;
        return () => 20 + (0.01 * calls++);
    }

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) Make(string kind, string fault) => kind switch
    {
        "device" => MakeDevice(fault),
        "mqtt" => MakeMqtt(fault),
        "replay" => MakeReplay(fault),
        "simulated" =>
            (
                new StreamRig(
                    "source: { simulated: { seed: 3, faults: [ { at: 2.4s, duration: 2.4s, kind: dropout, channel: temperature } ] } }"),
                _ => { },
                () => { }
        ),
        _ => MakeKernel(kind, fault),
    };

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) MakeDevice(string fault)
    {
        foreach (string channel in (string[])["temperature", "humidity", "light", "co2"])
        {
            _scripted[channel] = new ScriptedDevice(channel, channel == "temperature" ? "one" : "two") { Value = Walk() };
        }

        var rig = new StreamRig(
            $"channels: {{ {string.Join(", ", _scripted.Keys.Select(channel => $"{channel}: {{ {I2c(channel)}, stuck: 4 }}"))} }}",
            (edge, clock, log) => new Sources(edge, Scripted, clock, log, system: Calm));
        ScriptedDevice broken = _scripted["temperature"];
        rig.Hangs = bus => bus == broken.Bus && broken.IsHanging;
        Func<double> walk = broken.Value;
        return (rig, Apply, () => { });

        void Apply(bool on)
        {
            broken.Failure = on && fault == "fails" ? "NACK" : null;
            broken.HasMeasurement = !(on && fault == "not yet");
            broken.Value = (on, fault) switch
            {
                (true, "not valid") => () => double.NaN,
                (true, "outside") => () => 900,
                (true, "stuck") => () => 20,
                _ => walk,
            };
            if (fault == "hangs")
            {
                (on ? (Action)broken.Hang : broken.GoOn)();
            }
        }
    }

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) MakeKernel(string kind, string fault)
    {
        string[] channels = kind == "iio" ? ["temp", "humidityrelative", "voltage0", "voltage1"] : ["temp1", "humidity1", "in0", "in1"];
        string[] columns = ["temperature", "humidity", "light", "co2"];
        Func<double> walk = Walk();
        bool isOn = false;
        string root = kind == "iio" ? IioRoot : HwmonRoot;
        string folder = Path.Combine(root, "device0");
        string moved = _folder.File("moved");
        string target = Path.Combine(folder, kind == "iio" ? "in_temp_input" : "temp1_input");
        Directory.CreateDirectory(folder);

        // Each device a folder of its own, so that the broken one is broken alone.
        for (int i = 1; i < channels.Length; i++)
        {
            Directory.CreateDirectory(Path.Combine(root, $"device{i}"));
            File.WriteAllText(Path.Combine(root, $"device{i}", "name"), $"chip{i}");
        }

        File.WriteAllText(Path.Combine(folder, "name"), "chip0");
        File.WriteAllText(Path.Combine(folder, "temp1_fault"), "0");
        Write();
        string source = string.Join(", ", columns.Select((column, i) =>
            $"{column}: {{ {(kind == "iio" ? $"iio: {{ device: chip{i}, channel" : $"hwmon: {{ chip: chip{i}, input")}: "
                + $"{channels[i]} }}, max: 500, stuck: 4 }}"));
        var rig = new StreamRig(
            $"channels: {{ {source} }}",
            (edge, clock, log) => new Sources(edge, new Devices(_folder.Path), clock, log, system: Calm))
        {
            // Each device is a bus of its own, which is called as it is.
            Hangs = bus => isOn && fault == "hangs" && bus.Contains("'chip0'", StringComparison.Ordinal),
        };
        return (rig, Apply, Write);

        void Write()
        {
            for (int i = 0; i < channels.Length; i++)
            {
                string file = Path.Combine(root, $"device{i}", kind == "iio" ? $"in_{channels[i]}_input" : $"{channels[i]}_input");
                string healthy = $"{1000 * walk():0}";
                if (i > 0 || !isOn)
                {
                    Replace(file, healthy);
                }
            }

            if (isOn && fault is "stuck" or "no number" or "outside")
            {
                Replace(target, fault switch { "stuck" => "20000", "outside" => "900000", _ => "-" });
            }
        }

        void Apply(bool on)
        {
            isOn = on;
            switch (fault)
            {
                case "unplugged":
                    Directory.Move(on ? folder : moved, on ? moved : folder);
                    break;
                case "reports a fault":
                    File.WriteAllText(Path.Combine(folder, "temp1_fault"), on ? "1" : "0");
                    break;
                case "hangs" when on:
                    // A pipe that nobody writes to: opening it blocks, as a read of a driver that waits for its chip does.
                    File.Delete(target);
                    Process.Start("mkfifo", target).WaitForExit();
                    break;
                case "hangs":
                    // Who waits at the pipe gets something, and finds a file the next time.
                    using (var pipe = new FileStream(target, FileMode.Open, FileAccess.ReadWrite))
                    {
                        pipe.Write("20000\n"u8);
                        pipe.Flush();
                    }

                    File.Delete(target);
                    break;
            }
        }
    }

    // A driver's file is never half written.
    private static void Replace(string file, string text)
    {
        File.WriteAllText(file + ".new", text);
        File.Move(file + ".new", file, overwrite: true);
    }

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) MakeMqtt(string fault)
    {
        // The connection is another test's; here its messages are handed over as it would.
        string[] columns = ["temperature", "humidity", "light", "co2"];
        bool isOn = false;
        Func<double> walk = Walk();
        var rig = new StreamRig(
            $"channels: {{ {string.Join(", ", columns.Select(column => $"{column}: {{ {Topic(column)} }}"))} }}",
            (edge, clock, log) =>
                new Sources(
                    edge,
                    new Devices(),
                    clock,
                    log,
                    topics: new MqttTopics((_, _) => () => throw new MqttLinkException("no broker here."), false, clock, log),
                    system: Calm));
        return (rig, on => isOn = on, Send);

        void Send()
        {
            foreach (string column in columns)
            {
                string healthy = $"{walk():0.00}";
                string? text = column != "temperature" || !isOn
                    ? healthy
                    : fault switch { "silence" => null, "no number" => "twenty", "not valid" => "NaN", "outside" => "900", _ => "20" };
                if (text is not null)
                {
                    _ = rig.Sources.Topics.Shared.DispatchAsync(
                        new Edge.Runtime.Mqtt.MqttReceived($"plant/{column[..1]}", Encoding.UTF8.GetBytes(text), false)).AsTask();
                }
            }
        }
    }

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) MakeReplay(string fault)
    {
        Func<double> walk = Walk();
        string bad = fault == "empty" ? "" : "error";
        string[] rows =
        [
            .. Enumerable.Range(0, 100)
                .Select(i => $"{(i is >= 12 and < 24 ? bad : $"{walk():0.00}")},{walk():0.00},{walk():0.00},{walk():0.00}"),
        ];
        _folder.Write("rows.csv", "temperature,humidity,light,co2\n" + string.Join('\n', rows) + "\n");
        return (new StreamRig($"source: {{ replay: {{ file: {_folder.File("rows.csv")} }} }}"), _ => { }, () => { });
    }

    private void WriteIio(string channel, string text)
    {
        string folder = Path.Combine(IioRoot, "iio:device0");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "name"), "bme280");
        File.WriteAllText(Path.Combine(folder, $"in_{channel}_input"), text);
    }
}
