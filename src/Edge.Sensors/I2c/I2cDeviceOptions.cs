using System.Globalization;
using Edge.Sensors.Polling;

namespace Edge.Sensors.I2c;

/// <summary>A device on an I2C bus, through Iot.Device.Bindings.</summary>
/// <param name="Bus">Number of the bus: 1 is /dev/i2c-1.</param>
/// <param name="Address">7-bit address, <see cref="AddressMin"/>..<see cref="AddressMax"/>.</param>
/// <param name="Driver">Name of the driver.</param>
/// <param name="Multiplexer">Address of a TCA9548A between bus and device, or null.</param>
/// <param name="MultiplexerChannel">Its channel, 0..7.</param>
/// <param name="Options">The driver's own settings.</param>
internal sealed record I2cDeviceOptions(
    int Bus,
    int Address,
    string Driver,
    int? Multiplexer,
    int MultiplexerChannel,
    DriverOptions Options) : DeviceOptions
{
    internal const int AddressMin = 0x03;
    internal const int AddressMax = 0x77;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Driver} at 0x{Address:x2} on I2C bus "
            + $"{Bus}{(Multiplexer is { } mux ? $", multiplexer 0x{mux:x2} channel {MultiplexerChannel}" : "")}");
}

/// <summary>A driver's settings, NaN where not given.</summary>
/// <param name="Gain">ads1115: full scale in volts (6.144, 4.096, 2.048, 1.024, 0.512, 0.256); mcp3428: 1, 2, 4 or 8.</param>
/// <param name="Shunt">ina219, ina236: shunt resistance in ohms.</param>
internal readonly record struct DriverOptions(double Gain, double Shunt)
{
    public static DriverOptions None { get; } = new(double.NaN, double.NaN);
}
