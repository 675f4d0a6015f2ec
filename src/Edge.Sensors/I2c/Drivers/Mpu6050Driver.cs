using System.Numerics;
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
            new("acceleration_x", "m/s2", -19.62, 19.62),
            new("acceleration_y", "m/s2", -19.62, 19.62),
            new("acceleration_z", "m/s2", -19.62, 19.62),
            new("rotation_x", "deg/s", -250, 250),
            new("rotation_y", "deg/s", -250, 250),
            new("rotation_z", "deg/s", -250, 250),
            new("temperature", "degC", -40, 85),
        ],
        (device, _) =>
        {
            var sensor = new Mpu6050(device);
            return new OpenSensor(sensor, values =>
            {
                Vector3 acceleration = sensor.GetAccelerometer();
                Vector3 rotation = sensor.GetGyroscopeReading();
                (values[0], values[1], values[2]) = (acceleration.X, acceleration.Y, acceleration.Z);
                (values[3], values[4], values[5]) = (rotation.X, rotation.Y, rotation.Z);
                values[6] = Temperature(sensor.GetTemperature().DegreesCelsius);
                return true;
            });
        });

    // The binding has the MPU-9250's line, (counts - 21) / 333.87 + 21, for both; the MPU-6050's is counts / 340 + 36.53.
    private static double Temperature(double celsius) => ((((celsius - 21) * 333.87) + 21) / 340) + 36.53;
}
