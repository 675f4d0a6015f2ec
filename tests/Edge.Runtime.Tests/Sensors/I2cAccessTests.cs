using Edge.Sensors.I2c;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>What keeps a bus from being opened is said with its cure.</summary>
public sealed class I2cAccessTests : IDisposable
{
    private readonly TemporaryFolder _root = new();

    public I2cAccessTests()
    {
        foreach (string folder in (string[])["dev", "modules", "adapters"])
        {
            Directory.CreateDirectory(_root.File(folder));
        }
    }

    public void Dispose() => _root.Dispose();

    [Fact]
    public void No_bus_at_all() => Assert.Contains("has no I2C bus", Problem(1), StringComparison.Ordinal);

    [Fact]
    public void The_module_is_not_loaded()
    {
        Directory.CreateDirectory(_root.File("adapters/i2c-1"));
        Assert.Equal(
            "The kernel module i2c-dev is not loaded. Run 'sudo modprobe i2c-dev' and add a line i2c-dev to /etc/modules.",
            Problem(1));
    }

    [Fact]
    public void Another_bus_is_there()
    {
        _root.Write("dev/i2c-20", "");
        _root.Write("dev/i2c-3", "");
        Assert.StartsWith("There is no I2C bus 1. Buses: 3, 20.", Problem(1), StringComparison.Ordinal);
        Assert.Null(Problem(3));
    }

    [Fact]
    public void The_user_may_not()
    {
        _root.Write("dev/i2c-1", "");
        File.SetUnixFileMode(_root.File("dev/i2c-1"), UnixFileMode.None);
        if (Environment.UserName != "root")
        {
            Assert.Contains("usermod -aG i2c", Problem(1), StringComparison.Ordinal);
        }
    }

    private string? Problem(int bus) => I2cAccess.Problem(bus, _root.File("dev"), _root.File("modules"), _root.File("adapters"));
}
