using System.Device.I2c;
using Edge.Runtime.Configuration;
using Edge.Runtime.Gpio;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Mqtt.MqttNet;
using Edge.Runtime.Sensors.Channels;
using Edge.Runtime.Sensors.I2c;
using Edge.Runtime.Sensors.Mqtt;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Sensors;

/// <summary>What the sensors of all streams share: clocks, the threads of the buses, the connection over which topics arrive.</summary>
internal sealed class SensorContext : IDisposable
{
    private readonly EdgeConfig _config;
    private readonly Lazy<MqttInput> _mqtt;

    /// <param name="config">Device and broker.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">For what concerns no single stream.</param>
    /// <param name="mqtt">The connection over which topics arrive; null for the configured broker's.</param>
    internal SensorContext(EdgeConfig config, TimeProvider clock, ILogger log, MqttInput? mqtt = null)
    {
        _config = config;
        Clock = clock;
        Log = log;
        IioRoot = Path.Combine(config.Sysfs, "bus/iio/devices");
        HwmonRoot = Path.Combine(config.Sysfs, "class/hwmon");
        _mqtt = new Lazy<MqttInput>(() => mqtt ?? OpenInput("sensors", TimeSpan.Zero));
    }

    internal TimeProvider Clock { get; }

    /// <summary>For what concerns no single stream.</summary>
    internal ILogger Log { get; }

    internal SystemClock System { get; init; } = SystemClock.Linux;

    /// <summary>Whether this is the service, whose rows the broker keeps while it is away; somebody who only looks on has a connection of its own.</summary>
    internal bool KeepsSessions { get; init; }

    internal Buses Buses { get; } = new();

    /// <summary>Made at its first use.</summary>
    internal MqttInput Mqtt => _mqtt.Value;

    /// <summary>Folder of the kernel's Industrial I/O devices.</summary>
    internal string IioRoot { get; }

    /// <summary>Folder of the kernel's hardware monitoring chips.</summary>
    internal string HwmonRoot { get; }

    /// <summary>What keeps an I2C bus from being opened, or null.</summary>
    internal Func<int, string?> I2cProblem { get; init; } = bus => I2cAccess.Problem(bus);

    /// <summary>Looks what answers on a bus.</summary>
    internal Func<int, IReadOnlyList<I2cFinding>> ScanI2c { get; init; } = bus => I2cScan.Run(bus, I2cBus.Create);

    /// <summary>Makes a device on an I2C bus.</summary>
    internal Func<I2cDeviceConfig, IReadOnlyList<string>, PolledDevice> I2c { get; init; } = (config, reads) => new I2cPolledDevice(config, reads, I2cBus.Create);

    /// <summary>Makes a digital input.</summary>
    internal Func<GpioDeviceConfig, PolledDevice> GpioInput { get; init; } = config => new GpioInput(config, GpioChips.Open);

    /// <summary>Opens a data-ready line.</summary>
    internal Func<GpioTickConfig, Action, IDisposable> GpioTick { get; init; } = (config, edge) => new GpioTick(config, edge, GpioChips.Open);

    /// <summary>Makes the connection over which a stream's rows arrive.</summary>
    internal MqttInput OpenRows(MqttSourceConfig rows) =>
        KeepsSessions ? OpenInput($"rows-{rows.Stream}", rows.Session) : OpenInput($"rows-{rows.Stream}-{Environment.ProcessId}", TimeSpan.Zero);

    public void Dispose()
    {
        if (_mqtt.IsValueCreated)
        {
            _mqtt.Value.Dispose();
        }

        Buses.Dispose();
    }

    private MqttInput OpenInput(string who, TimeSpan session)
    {
        MqttLinkOptions options = EdgeService.LinkOptions(_config) with { ClientId = $"edge-{_config.Device}-{who}", Will = null, SessionSeconds = (uint)session.TotalSeconds };
        return new MqttInput(() => new MqttNetLink(options), Clock, Log);
    }
}
