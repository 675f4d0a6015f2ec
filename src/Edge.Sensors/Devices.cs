using System.Device.I2c;
using Edge.Inference;
using Edge.Sensors.Gpio;
using Edge.Sensors.Hwmon;
using Edge.Sensors.I2c;
using Edge.Sensors.Iio;
using Edge.Sensors.Polling;

namespace Edge.Sensors;

/// <summary>The devices of this machine, and how each kind is opened. Tests replace them with simulated ones.</summary>
/// <param name="sysfs">Root of the kernel's device files.</param>
internal sealed class Devices(string sysfs = "/sys")
{
    /// <summary>Folder of the kernel's Industrial I/O devices.</summary>
    internal string IioRoot { get; } = Path.Combine(sysfs, "bus/iio/devices");

    /// <summary>Folder of the kernel's hardware monitoring chips.</summary>
    internal string HwmonRoot { get; } = Path.Combine(sysfs, "class/hwmon");

    /// <summary>Why an I2C bus cannot be opened, or null.</summary>
    internal Func<int, string?> I2cProblem { get; init; } = bus => I2cAccess.Problem(bus);

    /// <summary>Scans a bus for devices.</summary>
    internal Func<int, IReadOnlyList<I2cFinding>> ScanI2c { get; init; } = bus => I2cScan.Run(bus, I2cBus.Create);

    /// <summary>Makes a device on an I2C bus.</summary>
    internal Func<I2cDeviceOptions, IReadOnlyList<string>, PolledDevice> I2c { get; init; } =
        (options, reads) => new I2cPolledDevice(options, reads, I2cBus.Create);

    /// <summary>Makes a digital input.</summary>
    internal Func<GpioInputOptions, PolledDevice> GpioInput { get; init; } = options => new GpioInput(options, GpioChips.Open);

    /// <summary>Opens a data-ready line.</summary>
    internal Func<DataReadyOptions, Action, IDisposable> DataReady { get; init; } = (options, edge) =>
        new DataReadyLine(options, edge, GpioChips.Open);

    /// <summary>A polled device; not opened yet.</summary>
    /// <param name="options">Which.</param>
    /// <param name="reads">Its channels, in the order of the values.</param>
    /// <exception cref="InputException">There is no such driver, or it has no such channel.</exception>
    internal PolledDevice Open(DeviceOptions options, IReadOnlyList<string> reads) => options switch
    {
        IioDeviceOptions iio => new IioDevice(iio, reads, IioRoot),
        HwmonDeviceOptions hwmon => new HwmonChip(hwmon, reads, HwmonRoot),
        I2cDeviceOptions i2c => I2c(i2c, reads),
        GpioInputOptions gpio => GpioInput(gpio),
        _ => throw new InvalidOperationException($"No device for {options.GetType().Name}."),
    };
}
