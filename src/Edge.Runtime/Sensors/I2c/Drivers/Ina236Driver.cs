using Edge.Runtime.Configuration;
using Iot.Device.Adc;
using UnitsNet;

namespace Edge.Runtime.Sensors.I2c.Drivers;

/// <summary>TI INA236, with its <c>shunt</c> in ohms (0.008 if not given) and the largest current to measure, <c>max_current</c> in amperes (10 if not given).</summary>
internal static class Ina236Driver
{
    private const double ShuntOhms = 0.008;
    private const double MaxAmperes = 10;

    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "ina236",
        "TI INA236",
        [0x40, 0x41, 0x42, 0x43, 0x48, 0x49, 0x4a, 0x4b],
        [
            new("voltage", "V", 0, 48),
            new("shunt_voltage", "V", -0.082, 0.082),
            new("current", "A", double.NegativeInfinity, double.PositiveInfinity),
            new("power", "W", double.NegativeInfinity, double.PositiveInfinity),
        ],
        (device, options) =>
        {
            var sensor = new Ina236(
                device,
                ElectricResistance.FromOhms(double.IsNaN(options.Shunt) ? ShuntOhms : options.Shunt),
                ElectricCurrent.FromAmperes(double.IsNaN(options.MaxCurrent) ? MaxAmperes : options.MaxCurrent));
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.ReadBusVoltage().Volts;
                values[1] = sensor.ReadShuntVoltage().Volts;
                values[2] = sensor.ReadCurrent().Amperes;
                values[3] = (double)sensor.ReadPower().Watts;
                return true;
            });
        });
}
