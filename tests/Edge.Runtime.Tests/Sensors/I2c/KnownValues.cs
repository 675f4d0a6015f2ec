using Edge.Sensors.I2c;
using static Edge.Runtime.Tests.Sensors.I2c.DriverTests;

namespace Edge.Runtime.Tests.Sensors.I2c;

/// <summary>One chip for each driver, with what it must read: registers by the data sheets.</summary>
internal static class KnownValues
{
    internal static Case[] All() =>
    [
        Make(
            "bme280",
            "at home",
            new Bme280Chip(0x60, 21.5, 45, 1013.25),
            ("temperature", 21.5, 0.01),
            ("humidity", 45, 0.02),
            ("pressure", 1013.25, 0.01)),
        Make(
            "bme280",
            "in a freezer",
            new Bme280Chip(0x60, -18.25, 80, 950),
            ("temperature", -18.25, 0.01),
            ("humidity", 80, 0.02),
            ("pressure", 950, 0.01)),
        Make(
            "bme280",
            "the data sheet's example",
            new Bme280Chip(0x60, 25.08, 30, 1006.53),
            ("temperature", 25.08, 0.01),
            ("pressure", 1006.53, 0.01)),
        Make("bmp280", "at home", new Bme280Chip(0x58, 21.5, 0, 1013.25), ("temperature", 21.5, 0.01), ("pressure", 1013.25, 0.01)),
        Make("bme680", "calibrated by hand", Bme680(), ("temperature", 28.125, 0.01)),
        Make("sht4x", "warm", Chips.Sht4x(23.45, 51.2), ("temperature", 23.45, 0.01), ("humidity", 51.2, 0.01)),
        Make("sht4x", "cold", Chips.Sht4x(-39, 0.5), ("temperature", -39, 0.01), ("humidity", 0.5, 0.01)),
        Make("sht3x", "warm", Chips.Sht3x(23.45, 51.2), ("temperature", 23.45, 0.1), ("humidity", 51.2, 0.1)),
        Make("shtc3", "warm", Chips.Shtc3(23.45, 51.2), ("temperature", 23.45, 0.1), ("humidity", 51.2, 0.1)),
        Make("shtc3", "hot, where its temperature has the top bit", Chips.Shtc3(85, 20), ("temperature", 85, 0.1)),
        Make("si7021", "warm", Chips.Si7021(23.45, 51.2), ("temperature", 23.45, 0.1), ("humidity", 51.2, 0.01)),
        Make("si7021", "soaked, past 100 %", Chips.Si7021(23.45, 104), ("humidity", 100, 0)),
        Make("ahtxx", "warm", Chips.Aht20(23.45, 51.2), ("temperature", 23.45, 0.01), ("humidity", 51.2, 0.01)),
        Make("lm75", "warm", Chips.Lm75(25.125), ("temperature", 25.125, 0.125)),
        Make("lm75", "cold", Chips.Lm75(-25.5), ("temperature", -25.5, 0.125)),
        Make("tmp102", "warm", Chips.Lm75(25.125), ("temperature", 25.125, 0.125)),
        Make("tmp105", "warm", Chips.Lm75(25.125), ("temperature", 25.125, 0.125)),
        Make("tmp75", "cold", Chips.Lm75(-25.5), ("temperature", -25.5, 0.125)),
        Make("mcp9808", "warm", Chips.Mcp9808(25.0625), ("temperature", 25.0625, 0.0625)),
        Make("mcp9808", "cold", Chips.Mcp9808(-10.5), ("temperature", -10.5, 0.0625)),
        Make("ads1115", "an input against ground", new Ads1115Chip(new Dictionary<int, double> { [4] = 1.2345 }), ("a0", 1.2345, 0.000125)),
        Make(
            "ads1115",
            "a difference at high gain",
            new Ads1115Chip(new Dictionary<int, double> { [0] = -0.2 }),
            DriverOptions.None with { Gain = 0.256 },
            ("a0-a1", -0.2, 0.0000079)),
        Make("mcp3428", "at gain 4", Mcp3428(0.3, 4), DriverOptions.None with { Gain = 4 }, ("ch2", 0.3, 0.0000157)),
        Make(
            "ina219",
            "a load",
            Chips.Ina219(12.1, 0.05),
            ("voltage", 12.1, 0.004),
            ("shunt_voltage", 0.05, 1e-5),
            ("current", 0.5, 1e-4),
            ("power", 6.05, 0.01)),
        Make(
            "ina219",
            "a current that flows back",
            Chips.Ina219(12.1, -0.05),
            DriverOptions.None with { Shunt = 0.01 },
            ("current", -5, 1e-3),
            ("power", -60.5, 0.05)),
        Make(
            "ina236",
            "a load",
            Chips.Ina236(12, 0.016),
            ("voltage", 12, 0.0016),
            ("shunt_voltage", 0.016, 2.5e-6),
            ("current", 2, 0.0004),
            ("power", 24, 0.01)),
        Make(
            "ina236",
            "a current that flows back",
            Chips.Ina236(12, -0.016),
            DriverOptions.None with { Shunt = 0.004 },
            ("current", -4, 0.001)),
        Make("scd4x", "a room", Chips.Scd4x(812, 23.45, 51.2), ("co2", 812, 1), ("temperature", 23.45, 0.01), ("humidity", 51.2, 0.01)),
        Make("ccs811", "a room", Ccs811(), ("co2", 612, 0), ("tvoc", 32, 0)),
        Make("bh1750", "a lamp", new CommandChip(1, _ => Chips.BigEndian(1200)), ("illuminance", 1000, 1)),
        Make("tsl256x", "daylight", Tsl256x(2000, 600), ("illuminance", 0.0304 * 2000 * S - 0.062 * 2000 * S * Math.Pow(0.3, 1.4), 0.01)),
        Make("max44009", "a lamp", new CommandChip(1, _ => [0x58, 0x08]), ("illuminance", 32 * 0x88 * 0.045, 0.01)),
        Make("vl53l0x", "a wall", Vl53l0x(), ("distance", 1234, 1)),
        Make("vl53l1x", "a wall", Vl53l1x(9), ("distance", 1234, 1)),
        Make("vl53l1x", "too weak a signal", Vl53l1x(4), ("distance", double.NaN, 0)),
        Make(
            "adxl345",
            "flat",
            new RegisterChip().With(0, 0xE5).WithLittleEndian(0x32, 0, -26, 256),
            ("acceleration_x", 0, 0),
            ("acceleration_y", -0.1014, 1e-9),
            ("acceleration_z", 0.9984, 1e-9)),
        Make(
            "mpu6050",
            "flat",
            Mpu(0x68, 0),
            ("acceleration_z", 9.807, 0.001),
            ("rotation_x", 250 / 32768.0 * 131, 0.01),
            ("temperature", 36.53, 0.01)),
        Make("mpu9250", "flat", Mpu(0x71, 0), ("acceleration_z", 9.807, 0.001), ("temperature", 20.94, 0.01)),
        Make(
            "lsm9ds1",
            "flat",
            new RegisterChip(addressMask: 0x7F).WithLittleEndian(0x28, 0, 0, 16384).WithLittleEndian(0x18, 133, 0, 0),
            ("acceleration_z", 1, 0.001),
            ("rotation_x", 1, 0.01)),
        Make(
            "lsm9ds1-field",
            "the earth's",
            new RegisterChip(addressMask: 0x7F).WithLittleEndian(0x28, 4096, 0, -2048),
            ("field_x", 50, 0.1),
            ("field_z", -25, 0.1)),
        Make(
            "lis3dh",
            "flat",
            new RegisterChip(addressMask: 0x7F).WithLittleEndian(0x28, 0, -4096, 8192),
            ("acceleration_y", -0.5, 0.002),
            ("acceleration_z", 1, 0.002)),
        Make("hts221", "warm", Hts221(), ("temperature", 25, 0.01), ("humidity", 50, 0.01)),
        Make(
            "lps22hb",
            "at sea",
            new RegisterChip(addressMask: 0x7F)
                .With(0x0F, 0xB1)
                .With(0x28, Chips.LittleEndian24((int)(1013.25 * 4096)))
                .WithLittleEndian(0x2B, 2345),
            ("pressure", 1013.25, 0.001),
            ("temperature", 23.45, 0.01)),
        Make(
            "mlx90614",
            "a cup",
            new CommandChip(1, command => command == 6 ? [0x0E, 0x3A, 0] : [0x51, 0x41, 0]),
            ("ambient", (0x3A0E * 0.02) - 273.15, 0.02),
            ("object", (0x4151 * 0.02) - 273.15, 0.02)),
        Make(
            "amg88xx",
            "a hand",
            Amg88xx(),
            ("mean", 20.0 + (10.0 / 64) - (60.25 / 64), 0.01),
            ("min", -40.25, 0),
            ("max", 30, 0),
            ("sensor", 25, 0.0625)),
        Make(
            "hmc5883l",
            "the earth's",
            new RegisterChip().WithBigEndian(3, 1090, -4096, 545),
            ("field_x", 100, 0.1),
            ("field_y", 50, 0.1),
            ("field_z", double.NaN, 0)),
    ];

    // What the TSL2561's formula multiplies counts of 101 ms at gain 1 by.
    private const double S = 322.0 / 81 * 16;

    private static Case Make(string driver, string what, SimulatedChip chip, params (string, double, double)[] expected) =>
        Make(driver, what, chip, DriverOptions.None, expected);

    private static Case Make(
        string driver,
        string what,
        SimulatedChip chip,
        DriverOptions options,
        params (string, double, double)[] expected) =>
        new(driver, $"{driver}: {what}", chip, options, expected);

    // The temperature is a line without T3: (raw / 16384 - T1 / 1024) * T2 / 5120, here (30.625 - 25) * 5.
    private static RegisterChip Bme680() => new RegisterChip()
        .With(0xD0, 0x61)
        .WithLittleEndian(0xE9, 25600)
        .WithLittleEndian(0x8A, 25600).With(0x8C, 0)
        .WithLittleEndian(0x8E, unchecked((short)36477), -10685)
        .With(0xE1, 0x40, 0x20, 0x30)
        .With(0x22, 0x7A, 0x80, 0x00)
        .With(0x1D, 0x80);

    private static SimulatedChip Mcp3428(double volts, int gain)
    {
        int counts = (int)Math.Round(volts * gain / 62.5e-6);
        byte config = 0;
        return new WritingChip(data => config = data[0], data =>
        {
            (data[0], data[1]) = ((byte)(counts >> 8), (byte)counts);
            data[2] = (byte)(config & 0x7F);
        });
    }

    private static WordChip Ccs811() => new FixedWordChip().With(0x20, 0x81).With(0x21, 0x12).With(0x00, 0x98).With(0x01, 0x10)
        .With(0x02, [.. Chips.BigEndian(612), .. Chips.BigEndian(32), 0x98, 0, 0, 0]);

    private static RegisterChip Tsl256x(short all, short infrared) =>
        new RegisterChip(addressMask: 0x0F).WithLittleEndian(0x0C, all, infrared);

    private static RegisterChip Vl53l0x() => new ReadOnlyRegisterChip()
        .With(0x83, 0x01)
            .With(0x13, 0x07)
            .With(0x92, 0x01)
            .With(0x50, 0x06)
            .With(0x70, 0x04)
            .With(0x46, 0x01)
            .WithBigEndian(0x14 + 10, 1234);

    private static RegisterChip Vl53l1x(byte status) =>
        new RegisterChip(addressBytes: 2).With(0x00E5, 0x03).With(0x0089, status).WithBigEndian(0x0096, 1234).With(0x0031, 0x03);

    private static RegisterChip Mpu(byte id, short temperature) => new ReadOnlyRegisterChip()
        .With(0x75, id).WithBigEndian(0x3B, 0, 0, 16384, temperature, 131, 0, 0).With(0x49, 0x48);

    // 20 degC at 0 and 40 degC at 4000 counts; 30 % at 0 and 70 % at 8000.
    private static RegisterChip Hts221() => new RegisterChip(addressMask: 0x7F)
        .With(0x30, 60, 140)
            .With(0x32, 160, 64)
            .With(0x35, 0x04)
            .WithLittleEndian(0x36, 0)
            .WithLittleEndian(0x3A, 8000)
            .WithLittleEndian(0x3C, 0, 4000)
        .WithLittleEndian(0x28, 4000, 1000);

    private static RegisterChip Amg88xx()
    {
        short[] pixels = [.. Enumerable.Repeat((short)80, 64)];
        pixels[5] = 120;
        pixels[6] = -161 & 0x0FFF;
        return new RegisterChip().WithLittleEndian(0x80, pixels).WithLittleEndian(0x0E, 400);
    }

    /// <summary>Registers that keep what they hold, whatever is written.</summary>
    private sealed class FixedWordChip : WordChip
    {
        protected override void Store(int register, ReadOnlySpan<byte> data)
        {
        }
    }

    private delegate void Fill(Span<byte> data);

    private delegate void Take(ReadOnlySpan<byte> data);

    private sealed class WritingChip(Take write, Fill read) : SimulatedChip
    {
        internal override void Write(ReadOnlySpan<byte> data) => write(data);

        protected override void Read(Span<byte> data) => read(data);
    }
}
