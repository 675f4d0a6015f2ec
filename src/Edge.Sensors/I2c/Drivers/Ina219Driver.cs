using Iot.Device.Adc;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// TI INA219. Current is the shunt's voltage over its resistance (<c>shunt</c>, 0.1 Ohm if not given): that needs no calibration
/// register, which the chip loses whenever its supply dips.
/// </summary>
internal static class Ina219Driver
{
    private const double ShuntOhms = 0.1;
    private const double ShuntMaxVolts = 0.32;

    // The binding takes the shunt register, 10 uV a count, for unsigned: a current that flows back comes as 0.65536 V less its size.
    private const double Wrap = 0.65536;

    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "ina219",
        "TI INA219",
        [.. Enumerable.Range(0x40, 16)],
        [
            new("voltage", "V", 0, 32),
            new("shunt_voltage", "V", -ShuntMaxVolts, ShuntMaxVolts),
            new("current", "A", double.NegativeInfinity, double.PositiveInfinity),
            new("power", "W", double.NegativeInfinity, double.PositiveInfinity),
        ],
        (device, options) =>
        {
            // This binding does not dispose the device; its creator does.
            var sensor = new Ina219(device);
            sensor.Reset();
            double shunt = double.IsNaN(options.Shunt) ? ShuntOhms : options.Shunt;
            return new OpenSensor(sensor, values =>
            {
                double volts = sensor.ReadBusVoltage().Volts;
                double across = sensor.ReadShuntVoltage().Volts;
                across = across >= Wrap / 2 ? across - Wrap : across;
                values[0] = volts;
                values[1] = across;
                values[2] = across / shunt;
                values[3] = volts * across / shunt;
                return true;
            });
        });
}
