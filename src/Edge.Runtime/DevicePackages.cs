using Edge.Onnx;
using Edge.Runtime.Configuration;
using Edge.Runtime.Engines;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Sensors;
using Edge.Runtime.Sensors.Channels;
#if ONNX_RUNTIME
using Edge.Runtime.Engines.Onnx;
#endif
#if DEVICE_PACKAGES
using System.Device.Gpio;
using System.Device.Gpio.Drivers;
using System.Device.I2c;
using Edge.Runtime.Gpio;
using Edge.Runtime.Mqtt.MqttNet;
using Edge.Runtime.Sensors.I2c;
#endif

namespace Edge.Runtime;

/// <summary>What the device packages and ONNX Runtime bring, null where this build lacks them: the one place that knows.</summary>
internal static class DevicePackages
{
#if ONNX_RUNTIME
    internal static Func<OnnxOptions, (Func<string, string?, IInferenceEngine> Load, IDisposable Models)>? Onnx { get; } = options =>
    {
        var engines = new OnnxEngines(options);
        return (engines.Load, engines);
    };
#else
    internal static Func<OnnxOptions, (Func<string, string?, IInferenceEngine> Load, IDisposable Models)>? Onnx => null;
#endif

#if DEVICE_PACKAGES
    internal static Func<MqttLinkOptions, IMqttLink>? MqttNetLink { get; } = options => new MqttNetLink(options);

    internal static Func<int, CancellationToken, Task<IAsyncDisposable>>? MqttNetBroker { get; } = Mqtt.MqttNet.MqttNetBroker.StartAsync;

    internal static Func<I2cDeviceConfig, IReadOnlyList<string>, PolledDevice>? I2c { get; } = (config, reads) => new I2cPolledDevice(config, reads, I2cBus.Create);

    internal static Func<int, IReadOnlyList<I2cFinding>>? ScanI2c { get; } = bus => I2cScan.Run(bus, I2cBus.Create);

    internal static Func<GpioDeviceConfig, PolledDevice>? GpioInput { get; } = config => new GpioInput(config, OpenChip);

    internal static Func<GpioTickConfig, Action, IDisposable>? GpioTick { get; } = (config, edge) => new GpioTick(config, edge, OpenChip);

    internal static Func<int, (Action<bool> Set, IDisposable Pin)>? AlarmPin { get; } = pin =>
    {
        var alarm = new AlarmPin(pin, OpenChip);
        return (alarm.Set, alarm);
    };

    // Without a chip, the driver that knows the board; with one, libgpiod, whichever of its two interfaces is installed.
    private static GpioController OpenChip(int? chip)
    {
        if (chip is not { } number)
        {
            return new GpioController();
        }

        try
        {
            return new GpioController(new LibGpiodDriver(number));
        }
        catch (PlatformNotSupportedException)
        {
#pragma warning disable SDGPIO0001 // Called experimental before version 4.2, and the only driver for libgpiod 2.
            return new GpioController(new LibGpiodV2Driver(number));
#pragma warning restore SDGPIO0001
        }
    }
#else
    internal static Func<MqttLinkOptions, IMqttLink>? MqttNetLink => null;

    internal static Func<int, CancellationToken, Task<IAsyncDisposable>>? MqttNetBroker => null;

    internal static Func<I2cDeviceConfig, IReadOnlyList<string>, PolledDevice>? I2c => null;

    internal static Func<int, IReadOnlyList<I2cFinding>>? ScanI2c => null;

    internal static Func<GpioDeviceConfig, PolledDevice>? GpioInput => null;

    internal static Func<GpioTickConfig, Action, IDisposable>? GpioTick => null;

    internal static Func<int, (Action<bool> Set, IDisposable Pin)>? AlarmPin => null;
#endif
}
