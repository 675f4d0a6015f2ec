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
            .. MotionChannels.All,
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
                MotionChannels.Read(sensor, values);
                Vector3 field = sensor.ReadMagnetometer(waitForData: false);
                (values[6], values[7], values[8]) = (field.X, field.Y, field.Z);
                values[9] = sensor.GetTemperature().DegreesCelsius;
                return true;
            });
        }) with
    { Timeout = TimeSpan.FromSeconds(2) };
}
