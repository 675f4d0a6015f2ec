using Iot.Device.Ccs811;
using UnitsNet;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// ScioSense CCS811, a measurement a second. Equivalent CO2 and volatile organic compounds; nothing until the first measurement.
/// </summary>
internal static class Ccs811Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "ccs811",
        "ScioSense CCS811",
        [0x5a, 0x5b],
        [
            new("co2", "ppm", 400, 29206),
            new("tvoc", "ppb", 0, 32768),
        ],
        (device, _) =>
        {
            var sensor = new Ccs811Sensor(device);
            sensor.OperationMode = OperationMode.ConstantPower1Second;
            bool hasMeasured = false;
            return new OpenSensor(sensor, values =>
            {
                if (!sensor.IsDataReady && !hasMeasured)
                {
                    return false;
                }

                hasMeasured = true;
                bool isValid = sensor.TryReadGasData(out VolumeConcentration co2, out VolumeConcentration tvoc);
                values[0] = isValid ? co2.PartsPerMillion : double.NaN;
                values[1] = isValid ? tvoc.PartsPerBillion : double.NaN;
                return true;
            });
        });
}
