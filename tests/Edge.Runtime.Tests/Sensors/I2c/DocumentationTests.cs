using Edge.Sensors.I2c;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors.I2c;

/// <summary>docs/sensors.md lists the drivers there are.</summary>
public sealed class DocumentationTests
{
    [Fact]
    public void Every_driver_is_documented_as_it_is()
    {
        string[] documented =
        [
            .. File.ReadAllLines(RepositoryFile.Path("docs/sensors.md"))
                .Where(line => line.StartsWith("| `", StringComparison.Ordinal) && line.Contains("0x", StringComparison.Ordinal)),
        ];
        Assert.Equal(I2cDrivers.All.OrderBy(driver => driver.Name, StringComparer.Ordinal).Select(Row), documented);
    }

    private static string Row(I2cDriver driver) =>
        $"| `{driver.Name}` | {driver.Description} | {Addresses(driver.Addresses)} | "
            + $"{string.Join(", ", driver.Channels.Select(channel => $"{channel.Name} ({channel.Unit})"))} |";

    private static string Addresses(int[] addresses) =>
        addresses.Length > 4
            ? $"0x{addresses.Min():x2} to 0x{addresses.Max():x2}"
            : string.Join(", ", addresses.Select(address => $"0x{address:x2}"));
}
