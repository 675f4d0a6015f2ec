using System.Buffers.Binary;
using System.Device.I2c;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// Analog Devices ADXL345 at ±16 g in full resolution, 100 Hz. The binding of Iot.Device speaks SPI only, so its few registers are read
/// here.
/// </summary>
internal static class Adxl345Driver
{
    private const byte DeviceId = 0x00;
    private const byte PowerControl = 0x2d;
    private const byte DataFormat = 0x31;
    private const byte Data = 0x32;
    private const byte Id = 0xe5;
    private const byte Measure = 0x08;
    private const byte FullResolution16G = 0x0b;
    private const double GPerCount = 0.0039;

    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "adxl345",
        "Analog Devices ADXL345",
        [0x53, 0x1d],
        [
            new("acceleration_x", "g", -16, 16),
            new("acceleration_y", "g", -16, 16),
            new("acceleration_z", "g", -16, 16),
        ],
        (device, _) =>
        {
            Span<byte> id = stackalloc byte[1];
            device.WriteRead([DeviceId], id);
            if (id[0] != Id)
            {
                throw new IOException($"its id is 0x{id[0]:x2}; the id of an ADXL345 is 0x{Id:x2}");
            }

            device.Write([DataFormat, FullResolution16G]);
            device.Write([PowerControl, Measure]);
            return new OpenSensor(device, values =>
            {
                Span<byte> axes = stackalloc byte[6];
                device.WriteRead([Data], axes);
                for (int axis = 0; axis < 3; axis++)
                {
                    values[axis] = BinaryPrimitives.ReadInt16LittleEndian(axes[(2 * axis)..]) * GPerCount;
                }

                return true;
            });
        });
}
