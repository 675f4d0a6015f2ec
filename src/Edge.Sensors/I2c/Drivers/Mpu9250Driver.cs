using System.Numerics;
using Iot.Device.Imu;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>TDK InvenSense MPU-9250 at ±2 g and ±250 deg/s, with its AK8963 magnetometer.</summary>
internal static class Mpu9250Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "mpu9250",
        "TDK MPU-9250",
        [0x68, 0x69],
        [
            new("acceleration_x", "m/s2", -19.62, 19.62),
            new("acceleration_y", "m/s2", -19.62, 19.62),
            new("acceleration_z", "m/s2", -19.62, 19.62),
            new("rotation_x", "deg/s", -250, 250),
            new("rotation_y", "deg/s", -250, 250),
            new("rotation_z", "deg/s", -250, 250),
            new("field_x", "uT", -4912, 4912),
            new("field_y", "uT", -4912, 4912),
            new("field_z", "uT", -4912, 4912),
            new("temperature", "degC", -40, 85),
        ],
        (device, _) =>
        {
            var sensor = new Mpu9250(device);
            sensor.MagnetometerMeasurementMode = Iot.Device.Magnetometer.MeasurementMode.ContinuousMeasurement100Hz;
            return new OpenSensor(sensor, values =>
            {
                Vector3 acceleration = sensor.GetAccelerometer();
                Vector3 rotation = sensor.GetGyroscopeReading();
                Vector3 field = sensor.ReadMagnetometer(waitForData: false);
                (values[0], values[1], values[2]) = (acceleration.X, acceleration.Y, acceleration.Z);
                (values[3], values[4], values[5]) = (rotation.X, rotation.Y, rotation.Z);
                (values[6], values[7], values[8]) = (field.X, field.Y, field.Z);
                values[9] = sensor.GetTemperature().DegreesCelsius;
                return true;
            });
        }) with
    { Timeout = TimeSpan.FromSeconds(2) };
}
