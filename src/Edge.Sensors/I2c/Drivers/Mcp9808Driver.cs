using Iot.Device.Mcp9808;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Microchip MCP9808. 0xFFFF is no measurement.</summary>
internal static class Mcp9808Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "mcp9808",
        "Microchip MCP9808",
        [0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f],
        [
            new("temperature", "degC", -40, 125),
        ],
        (device, _) =>
        {
            var sensor = new Mcp9808(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = Celsius(sensor);
                return true;
            });
        });

    // The binding makes a temperature of NaN, which UnitsNet refuses in some of its versions.
    private static double Celsius(Mcp9808 sensor)
    {
        try
        {
            return sensor.Temperature.DegreesCelsius;
        }
        catch (ArgumentException)
        {
            return double.NaN;
        }
    }
}
