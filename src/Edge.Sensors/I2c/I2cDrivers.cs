using Edge.Inference;
using Edge.Sensors.I2c.Drivers;

namespace Edge.Sensors.I2c;

/// <summary>Every driver there is, by name.</summary>
internal static class I2cDrivers
{
    internal static IReadOnlyList<I2cDriver> All { get; } =
    [
        Adxl345Driver.Driver, AhtDriver.Driver, Ads1115Driver.Driver, Amg88xxDriver.Driver, Bh1750Driver.Driver, Bme280Driver.Driver,
        Bme680Driver.Driver, Bmp280Driver.Driver, Ccs811Driver.Driver, Hmc5883lDriver.Driver, Hts221Driver.Driver, Ina219Driver.Driver,
        Ina236Driver.Driver, Lis3dhDriver.Driver, .. Lm75Driver.Drivers, Lps22hbDriver.Driver, Lsm9ds1Driver.Motion,
        Lsm9ds1Driver.Field, Max44009Driver.Driver,
        Mcp3428Driver.Driver, Mcp9808Driver.Driver, Mlx90614Driver.Driver, Mpu6050Driver.Driver, Mpu9250Driver.Driver, Scd4xDriver.Driver,
        Sht3xDriver.Driver, Sht4xDriver.Driver, Shtc3Driver.Driver, Si7021Driver.Driver, Tsl256xDriver.Driver, Vl53l0xDriver.Driver,
        Vl53l1xDriver.Driver,
    ];

    /// <exception cref="InputException">There is none of that name.</exception>
    internal static I2cDriver Find(string name) => All.FirstOrDefault(driver => driver.Name == name)
        ?? throw new InputException(
            $"There is no driver '{name}'; 'driver' can be "
                + $"{string.Join(", ", All.Select(driver => driver.Name).Order(StringComparer.Ordinal))}.");

    /// <summary>Drivers of sensors that can have an address.</summary>
    internal static IEnumerable<I2cDriver> At(int address) => All.Where(driver => driver.Addresses.Contains(address));
}
