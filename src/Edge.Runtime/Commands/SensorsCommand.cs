using System.CommandLine;
using System.Globalization;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Sensors;
using Edge.Sensors.Hwmon;
using Edge.Sensors.I2c;
using Edge.Sensors.Iio;
using Edge.Sensors.Polling;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Commands;

/// <summary><c>sensors</c>: lists devices, the driver and one reading of each, and the lines for edge.yaml.</summary>
internal static class SensorsCommand
{
    internal static Command Create(TextWriter output)
    {
        var bus = new Option<int?>("--bus") { Description = "Scan this I2C bus only." };
        var config = new Option<string?>("--config") { Description = "Also read each channel of this edge.yaml once." };
        var command = new Command(
            "sensors",
            "Lists the sensors on the I2C buses and in the kernel's drivers, with the lines for edge.yaml.")
        {
            bus,
            config,
        };
        command.SetAction(parsed =>
        {
            EdgeConfig? edge = parsed.GetValue(config) is { } path ? ConfigFile.Load(path) : null;
            if (parsed.GetValue(bus) is { } only && I2cAccess.Problem(only) is { } problem)
            {
                throw new InputException(problem);
            }

            var devices = edge is null ? new Devices() : new Devices(edge.Sysfs);
            ShowBuses(parsed.GetValue(bus) is { } number ? [number] : I2cAccess.Buses(), devices, output);
            if (parsed.GetValue(bus) is null)
            {
                ShowKernel(
                    "IIO",
                    KernelFiles.All(devices.IioRoot),
                    IioDevice.Channels,
                    name => new IioDeviceOptions(name, null),
                    (name, channel) => $"iio: {{ device: {name}, channel: {channel} }}",
                    devices,
                    output);
                ShowKernel(
                    "hwmon",
                    KernelFiles.All(devices.HwmonRoot),
                    HwmonChip.Inputs,
                    name => new HwmonDeviceOptions(name, null),
                    (name, input) => $"hwmon: {{ chip: {name}, input: {input} }}",
                    devices,
                    output);
            }

            return edge is null || ShowConfigured(edge, devices, output) ? ExitCodes.Done : ExitCodes.InputWrong;
        });
        return command;
    }

    /// <summary>One reading of each configured channel, a line each.</summary>
    /// <returns>Whether all could be read.</returns>
    internal static bool ShowConfigured(EdgeConfig edge, Devices devices, TextWriter output)
    {
        bool well = true;
        foreach (StreamConfig stream in edge.Streams)
        {
            if (stream.Source is not ChannelsOptions live)
            {
                continue;
            }

            IEnumerable<IGrouping<DeviceOptions, ChannelOptions>> polled = live.Channels
                .Where(channel => !channel.Device.IsPushed)
                .GroupBy(channel => channel.Device);
            foreach (IGrouping<DeviceOptions, ChannelOptions> device in polled)
            {
                ChannelOptions[] channels = [.. device];
                SensorCheck check = SensorCheck.Read(device.Key, channels, devices);
                well &= check.Fault is null && !check.Values.Any(double.IsNaN);
                if (check.Fault is not null)
                {
                    output.WriteLine(
                        $"WRONG  {stream.Name}, {string.Join(", ", channels.Select(channel => channel.Column))}: {check.Fault}");
                }

                for (int i = 0; i < check.Values.Length; i++)
                {
                    output.WriteLine(double.IsNaN(check.Values[i])
                        ? $"WRONG  {stream.Name}, {channels[i].Column}: {device.Key} returned no valid value."
                        : $"ok     {stream.Name}, {channels[i].Column}: {Number(check.Values[i])} from {device.Key}");
                }
            }
        }

        return well;
    }

    private static void ShowBuses(IReadOnlyList<int> buses, Devices devices, TextWriter output)
    {
        if (buses.Count == 0)
        {
            output.WriteLine($"I2C: {devices.I2cProblem(1)}");
        }

        foreach (int bus in buses)
        {
            if (devices.I2cProblem(bus) is { } problem)
            {
                output.WriteLine($"I2C bus {bus}: {problem}");
            }
            else
            {
                ShowBus(bus, devices.ScanI2c(bus), output);
            }
        }
    }

    private static void ShowBus(int bus, IReadOnlyList<I2cFinding> findings, TextWriter output)
    {
        output.WriteLine(findings.Count == 0
            ? $"I2C bus {bus}: no device answers. Check the wiring and the power of the sensor."
            : $"I2C bus {bus}: {Quantity.Of(findings.Count, "device answers", "devices answer")}");
        foreach (I2cFinding finding in findings)
        {
            string address = string.Create(CultureInfo.InvariantCulture, $"0x{finding.Address:x2}");
            I2cCandidate[] reading = [.. finding.Candidates.Where(candidate => candidate.Values is not null)];
            string[] others = [.. finding.Candidates.Where(candidate => candidate.Values is null).Select(candidate => candidate.Driver)];
            if (finding.Candidates.Count == 0)
            {
                output.WriteLine($"  {address}  no driver for this address");
            }

            foreach (I2cCandidate candidate in reading)
            {
                IEnumerable<string> values = candidate.Channels
                    .Select((channel, i) => $"{channel.Name} {Number(candidate.Values![i])} {channel.Unit}");
                output.WriteLine($"  {address}  {candidate.Driver} ({candidate.Description}) reads {string.Join(", ", values)}");
                foreach ((string name, string _) in candidate.Channels)
                {
                    output.WriteLine(
                        $"          {name}: {{ i2c: {{ bus: {bus}, address: {address}, driver: {candidate.Driver}, read: {name} }} }}");
                }
            }

            if (others.Length > 0)
            {
                output.WriteLine(
                    $"  {address}  {(reading.Length > 0 ? "not" : "may be, but returned no valid reading as,")} "
                        + $"{string.Join(", ", others)}");
            }
        }
    }

    private static void ShowKernel(
        string kind,
        IReadOnlyList<(string Name, string Folder)> found,
        Func<string, IEnumerable<string>> channelsOf,
        Func<string, DeviceOptions> device,
        Func<string, string, string> line,
        Devices devices,
        TextWriter output)
    {
        output.WriteLine($"{kind}: {(found.Count == 0 ? "no devices" : Quantity.Of(found.Count, "device"))}");
        foreach ((string name, string folder) in found)
        {
            output.WriteLine($"  {name} at {KernelFiles.Node(folder)}");
            foreach (string channel in channelsOf(folder))
            {
                SensorCheck check = SensorCheck.Read(
                    device(name),
                    [new ChannelOptions { Column = channel, Device = device(name), Read = channel }],
                    devices);
                output.WriteLine($"          {channel}: {{ {line(name, channel)} }}   # {(check.Fault ?? Number(check.Values[0]))}");
            }
        }
    }

    private static string Number(double value) => value.ToString("G5", CultureInfo.InvariantCulture);
}
