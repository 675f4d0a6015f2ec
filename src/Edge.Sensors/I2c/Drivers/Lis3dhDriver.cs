using System.Numerics;
using Iot.Device.Lis3DhAccelerometer;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>ST LIS3DH at ±4 g, 100 Hz.</summary>
internal static class Lis3dhDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "lis3dh",
        "ST LIS3DH",
        [0x18, 0x19],
        [
            new("acceleration_x", "g", -4, 4),
            new("acceleration_y", "g", -4, 4),
            new("acceleration_z", "g", -4, 4),
        ],
        (device, _) =>
        {
            var sensor = Lis3Dh.Create(device);
            return new OpenSensor(sensor, values =>
            {
                Vector3 acceleration = sensor.Acceleration;
                (values[0], values[1], values[2]) = (acceleration.X, acceleration.Y, acceleration.Z);
                return true;
            });
        });
}
