using System.Numerics;
using Iot.Device.Lsm9Ds1;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// ST LSM9DS1: accelerometer at ±2 g and gyroscope at ±245 deg/s at one address, the magnetometer at ±4 gauss at another.
/// </summary>
internal static class Lsm9ds1Driver
{
    private const double MicroTeslaPerGauss = 100;

    internal static readonly I2cDriver Motion = I2cDriver.OfAll(
        "lsm9ds1",
        "ST LSM9DS1, accelerometer and gyroscope",
        [0x6a, 0x6b],
        [
            new("acceleration_x", "g", -2, 2),
            new("acceleration_y", "g", -2, 2),
            new("acceleration_z", "g", -2, 2),
            new("rotation_x", "deg/s", -246, 246),
            new("rotation_y", "deg/s", -246, 246),
            new("rotation_z", "deg/s", -246, 246),
        ],
        (device, _) =>
        {
            var sensor = new Lsm9Ds1AccelerometerAndGyroscope(device);
            return new OpenSensor(sensor, values =>
            {
                Vector3 acceleration = sensor.Acceleration;
                Vector3 rotation = sensor.AngularRate;
                (values[0], values[1], values[2]) = (acceleration.X, acceleration.Y, acceleration.Z);
                (values[3], values[4], values[5]) = (rotation.X, rotation.Y, rotation.Z);
                return true;
            });
        });

    internal static readonly I2cDriver Field = I2cDriver.OfAll(
        "lsm9ds1-field",
        "ST LSM9DS1, magnetometer",
        [0x1e, 0x1c],
        [
            new("field_x", "uT", -400, 400),
            new("field_y", "uT", -400, 400),
            new("field_z", "uT", -400, 400),
        ],
        (device, _) =>
        {
            var sensor = new Lsm9Ds1Magnetometer(device);
            return new OpenSensor(sensor, values =>
            {
                Vector3 gauss = sensor.MagneticInduction;
                (values[0], values[1], values[2]) = (
                    gauss.X * MicroTeslaPerGauss,
                    gauss.Y * MicroTeslaPerGauss,
                    gauss.Z * MicroTeslaPerGauss);
                return true;
            });
        });
}
