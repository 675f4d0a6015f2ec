using Iot.Device.Imu;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>TDK InvenSense MPU-6050 at ±2 g and ±250 deg/s.</summary>
internal static class Mpu6050Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "mpu6050",
        "TDK MPU-6050",
        [0x68, 0x69],
        [
            .. MotionChannels.All,
            new("temperature", "degC", -40, 85),
        ],
        (device, _) =>
        {
            var sensor = new Mpu6050(device);
            return new OpenSensor(sensor, values =>
            {
                MotionChannels.Read(sensor, values);
                values[6] = Temperature(sensor.GetTemperature().DegreesCelsius);
                return true;
            });
        });

    // The binding has the MPU-9250's line, (counts - 21) / 333.87 + 21, for both; the MPU-6050's is counts / 340 + 36.53.
    private static double Temperature(double celsius) => ((((celsius - 21) * 333.87) + 21) / 340) + 36.53;
}
