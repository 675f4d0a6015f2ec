using Edge.Sensors.Hwmon;
using Edge.Sensors.Iio;
using Edge.Sensors.Polling;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>
/// IIO and hwmon against folders laid out as the kernel does: devices in a tree of their own, links to them in one folder.
/// </summary>
public sealed class KernelDeviceTests : IDisposable
{
    private readonly TemporaryFolder _root = new();

    [Fact]
    public void A_processed_iio_value_is_in_whole_units()
    {
        Iio(
            "iio:device0",
            "1-0076",
            ("name", "bme280"),
            ("in_temp_input", "21530"),
            ("in_humidityrelative_input", "45120"),
            ("in_pressure_input", "101.325"));
        Assert.Equal([21.53, 45.12, 101.325], ReadIio("bme280", "temp", "humidityrelative", "pressure"));
    }

    [Fact]
    public void A_raw_iio_value_takes_offset_and_scale_of_its_own_or_of_its_type()
    {
        Iio(
            "iio:device0",
            "1-0048",
            ("name", "ads1015"),
            ("in_voltage0_raw", "1000"),
            ("in_voltage0_scale", "3"),
            ("in_voltage1_raw", "1000"),
            ("in_voltage_scale", "2"),
            ("in_accel_x_raw", "-100"),
            ("in_accel_scale", "0.01"),
            ("in_accel_offset", "4"),
            ("in_proximity_raw", "7"));
        Assert.Equal([3, 2, -0.96, 7], ReadIio("ads1015", "voltage0", "voltage1", "accel_x", "proximity"));
    }

    [Fact]
    public void A_boot_that_renumbers_changes_nothing()
    {
        Iio("iio:device0", "1-0076", ("name", "bme280"), ("in_temp_input", "21530"));
        Iio("iio:device1", "1-0040", ("name", "si7020"), ("in_temp_input", "1000"));
        Assert.Equal([21.53], ReadIio("bme280", "temp"));
        Directory.Delete(Path.Combine(_root.Path, "iio"), recursive: true);
        Iio("iio:device1", "1-0076", ("name", "bme280"), ("in_temp_input", "21530"));
        Iio("iio:device0", "1-0040", ("name", "si7020"), ("in_temp_input", "1000"));
        Assert.Equal([21.53], ReadIio("bme280", "temp"));
    }

    [Fact]
    public void Two_of_a_name_are_told_apart_by_what_they_sit_on()
    {
        Iio("iio:device0", "1-0076", ("name", "bme280"), ("in_temp_input", "1000"));
        Iio("iio:device1", "1-0077", ("name", "bme280"), ("in_temp_input", "2000"));
        Assert.Contains(
            "2 devices of that name; choose one with 'at': 1-0076, 1-0077",
            Assert.Throws<IOException>(() => ReadIio("bme280", "temp")).Message,
            StringComparison.Ordinal);
        Assert.Equal([2], ReadIio(new IioDeviceOptions("bme280", "1-0077"), "temp"));
        Assert.Contains(
            "not at 2-0076",
            Assert.Throws<IOException>(() => ReadIio(new IioDeviceOptions("bme280", "2-0076"), "temp")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_there_is_named_beside_what_is()
    {
        Iio("iio:device0", "1-0076", ("name", "bme280"), ("in_temp_input", "1000"), ("in_pressure_raw", "1"));
        Assert.Contains(
            "has no 'bmp280'; it has 'bme280'",
            Assert.Throws<IOException>(() => ReadIio("bmp280", "temp")).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "no channel 'humidity'; it has pressure, temp",
            Assert.Throws<IOException>(() => ReadIio("bme280", "humidity")).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("garbage")]
    [InlineData("12 34")]
    public void A_file_without_a_number_is_an_error(string text)
    {
        Iio("iio:device0", "1-0076", ("name", "bme280"), ("in_temp_input", text));
        Assert.Contains(
            "which is not a number",
            Assert.Throws<IOException>(() => ReadIio("bme280", "temp")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Hwmon_values_are_in_whole_units()
    {
        Hwmon(
            "hwmon0",
            "cpu_thermal",
            ("temp1_input", "48312"),
            ("in0_input", "12040"),
            ("curr1_input", "1500"),
            ("power1_input", "18060000"),
            ("fan1_input", "2100"),
            ("humidity1_input", "45000"));
        Assert.Equal(
            [48.312, 12.04, 1.5, 18.06, 2100, 45],
            ReadHwmon("cpu_thermal", "temp1", "in0", "curr1", "power1", "fan1", "humidity1").Select(value => Math.Round(value, 6)));
    }

    [Fact]
    public void A_chip_that_reports_a_fault_has_no_value()
    {
        Hwmon("hwmon3", "jc42", ("temp1_input", "48312"), ("temp1_fault", "1"));
        Assert.True(double.IsNaN(ReadHwmon("jc42", "temp1")[0]));
    }

    [Fact]
    public async Task Unplugged_and_plugged_in_again_under_another_number_is_read_again()
    {
        Iio("iio:device0", "1-0076", ("name", "bme280"), ("in_temp_input", "21000"));
        var config = new IioDeviceOptions("bme280", null);
        using var buses = new Buses();
        var clock = new ManualClock();
        var channel = new Channel(new ChannelOptions { Column = "t", Device = config, Read = "temp" }, (-40, 85), null, clock);
        long answered = 0;
        using var poller = new DevicePoller(
            new IioDevice(config, ["temp"], Path.Combine(_root.Path, "iio")),
            [channel],
            buses["iio"],
            clock,
            tick => Interlocked.Exchange(ref answered, tick));
        var row = new Reading(1);

        async Task<Quality> ReadAsync(long tick)
        {
            clock.Advance(TimeSpan.FromSeconds(11));
            bool waits = poller.TryStart(tick);
            await Eventually.Async(() => buses["iio"].Busy == 0);
            Assert.True(!waits || Interlocked.Read(ref answered) == tick);
            channel.Take(row, 0);
            return row.Quality[0];
        }

        Assert.Equal(Quality.Good, await ReadAsync(1));
        Directory.Delete(Path.Combine(_root.Path, "iio"), recursive: true);
        Assert.Equal(Quality.Missing, await ReadAsync(2));
        Iio("iio:device7", "1-0076", ("name", "bme280"), ("in_temp_input", "22000"));
        Assert.Equal(Quality.Good, await ReadAsync(3));
        Assert.Equal(22, row.Values[0]);
    }

    public void Dispose() => _root.Dispose();

    private double[] ReadIio(string name, params string[] channels) => ReadIio(new IioDeviceOptions(name, null), channels);

    private double[] ReadIio(IioDeviceOptions config, params string[] channels) =>
        Read(new IioDevice(config, channels, Path.Combine(_root.Path, "iio")), channels.Length);

    private double[] ReadHwmon(string name, params string[] inputs) =>
        Read(new HwmonChip(new HwmonDeviceOptions(name, null), inputs, Path.Combine(_root.Path, "hwmon")), inputs.Length);

    private static double[] Read(PolledDevice device, int count)
    {
        var values = new double[count];
        device.Open();
        Assert.True(device.Read(values));
        return values;
    }

    private void Iio(string device, string node, params (string Name, string Text)[] files) =>
        Link("iio", device, Path.Combine("devices", node, device), files);

    private void Hwmon(string device, string name, params (string Name, string Text)[] files) =>
        Link("hwmon", device, Path.Combine("devices", name, "hwmon", device), [("name", name), .. files]);

    private void Link(string kind, string device, string real, (string Name, string Text)[] files)
    {
        string folder = Path.Combine(_root.Path, real);
        Directory.CreateDirectory(folder);
        foreach ((string file, string text) in files)
        {
            File.WriteAllText(Path.Combine(folder, file), text + "\n");
        }

        Directory.CreateDirectory(Path.Combine(_root.Path, kind));
        Directory.CreateSymbolicLink(Path.Combine(_root.Path, kind, device), folder);
    }
}
