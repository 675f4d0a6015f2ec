using System.Numerics;
using Iot.Device.Imu;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Acceleration and rotation of TDK InvenSense motion sensors at ±2 g and ±250 deg/s.</summary>
internal static class MotionChannels
{
    /// <summary>Six channels: acceleration and rotation, x, y and z of each.</summary>
    internal static readonly DriverChannel[] All =
        [
            new("acceleration_x", "m/s2", -19.62, 19.62),
            new("acceleration_y", "m/s2", -19.62, 19.62),
            new("acceleration_z", "m/s2", -19.62, 19.62),
            new("rotation_x", "deg/s", -250, 250),
            new("rotation_y", "deg/s", -250, 250),
            new("rotation_z", "deg/s", -250, 250),
        ];

    /// <summary>Reads the six values, in the order of <see cref="All"/>.</summary>
    internal static void Read(Mpu6050 sensor, Span<double> values)
    {
        Vector3 acceleration = sensor.GetAccelerometer();
        Vector3 rotation = sensor.GetGyroscopeReading();
        (values[0], values[1], values[2]) = (acceleration.X, acceleration.Y, acceleration.Z);
        (values[3], values[4], values[5]) = (rotation.X, rotation.Y, rotation.Z);
    }
}
