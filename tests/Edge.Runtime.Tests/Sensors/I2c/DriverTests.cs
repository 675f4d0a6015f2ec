using System.Device.I2c;
using Edge.Inference;
using Edge.Sensors.I2c;

namespace Edge.Runtime.Tests.Sensors.I2c;

/// <summary>The drivers, through the genuine bindings, against chips that speak their registers.</summary>
public sealed class DriverTests
{
    // Driver, address, chip, options, channel, value, and how near it must come: the sensor's resolution, and the binding's rounding.
    public static TheoryData<string> Cases => [.. Known.Select(known => known.Title)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_known_value_is_read_within_the_sensors_resolution(string title)
    {
        Case known = Known.Single(known => known.Title == title);
        double[] values = Read(known.Driver, known.Chip, known.Options, [.. known.Expected.Select(expected => expected.Channel)]);
        for (int i = 0; i < values.Length; i++)
        {
            Assert.InRange(
                values[i],
                known.Expected[i].Value - known.Expected[i].Within,
                known.Expected[i].Value + known.Expected[i].Within);
        }
    }

    [Fact]
    public void Every_driver_has_a_known_value_to_read() =>
        Assert.Equal(I2cDrivers.All.Select(driver => driver.Name).Order(), Known.Select(known => known.Driver).Distinct().Order());

    [Fact]
    public void Only_the_inputs_asked_for_are_converted_in_the_order_asked_for()
    {
        var chip = new Ads1115Chip(new Dictionary<int, double> { [4] = 1, [5] = 2, [6] = 0.5, [7] = 3, [0] = -1 });
        double[] values = Read("ads1115", chip, DriverOptions.None, ["a3", "a0-a1", "a1"]);
        Assert.Equal([3, -1, 2], values.Select(value => Math.Round(value, 3)));
    }

    [Fact]
    public void A_reading_of_0xFFFF_of_an_mcp9808_is_no_value()
    {
        WordChip chip = Chips.Mcp9808(20).WithBigEndian(5, 0xFFFF);
        Assert.True(double.IsNaN(Read("mcp9808", chip, DriverOptions.None, ["temperature"])[0]));
    }

    [Theory]
    [InlineData("sht3x")]
    [InlineData("sht4x")]
    [InlineData("shtc3")]
    public void A_wrong_checksum_is_an_error_not_a_value(string driver)
    {
        CommandChip chip = driver switch { "sht3x" => Chips.Sht3x(21, 45), "sht4x" => Chips.Sht4x(21, 45), _ => Chips.Shtc3(21, 45) };
        var device = Device(driver, chip, DriverOptions.None, ["temperature"]);
        device.Open();
        chip.Corruptions = 1;
        Assert.Equal("its checksum is wrong", Assert.Throws<IOException>(() => device.Read(new double[1])).Message);
        var values = new double[1];
        Assert.True(device.Read(values));
        Assert.InRange(values[0], 20.9, 21.1);
    }

    [Fact]
    public void Nothing_at_the_address_is_said_in_words()
    {
        var device = new I2cPolledDevice(
            new I2cDeviceOptions(1, 0x76, "bme280", null, 0, DriverOptions.None),
            ["temperature"],
            _ => new SimulatedBus());
        Assert.Equal("no device acknowledges the address", Assert.Throws<IOException>(device.Open).Message);
        device.Close();
    }

    [Fact]
    public void Another_chip_at_the_address_is_refused()
    {
        var device = Device("mcp9808", new WordChip().WithBigEndian(6, 0x1234), DriverOptions.None, ["temperature"]);
        Assert.ThrowsAny<Exception>(device.Open);
    }

    [Theory]
    [InlineData("bme208", "temperature", "There is no driver 'bme208'")]
    [InlineData("bme280", "humidty", "Driver bme280 has no channel 'humidty'; 'read' can be temperature, humidity, pressure.")]
    public void A_misspelt_driver_or_channel_is_one_sentence(string driver, string read, string expected)
    {
        var e = Assert.Throws<InputException>(
            () => new I2cPolledDevice(new I2cDeviceOptions(1, 0x76, driver, null, 0, DriverOptions.None), [read], _ => new SimulatedBus()));
        Assert.StartsWith(expected, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_sensors_of_one_address_behind_a_multiplexer_are_told_apart()
    {
        var multiplexer = new MultiplexerChip();
        var bus = new SimulatedBus().Add(0x70, multiplexer).Add(0x48, new SelectedChip(multiplexer, [Chips.Lm75(10), Chips.Lm75(30)]));
        I2cPolledDevice[] devices = [.. Enumerable.Range(0, 2).Select(channel =>
            new I2cPolledDevice(new I2cDeviceOptions(1, 0x48, "lm75", 0x70, channel, DriverOptions.None), ["temperature"], _ => bus))];
        foreach (I2cPolledDevice device in devices)
        {
            device.Open();
        }

        var values = new double[1];
        for (int round = 0; round < 3; round++)
        {
            for (int channel = 0; channel < 2; channel++)
            {
                devices[channel].Read(values);
                Assert.Equal(channel == 0 ? 10 : 30, values[0]);
            }
        }
    }

    [Fact]
    public void A_scan_finds_what_answers_and_which_drivers_read_it()
    {
        SimulatedBus bus = new SimulatedBus()
            .Add(0x76, new Bme280Chip(0x60, 21.5, 45, 1013.25))
            .Add(0x18, Chips.Mcp9808(22))
            .Add(0x0b, new WordChip());
        IReadOnlyList<I2cFinding> findings = I2cScan.Run(1, _ => bus);
        Assert.Equal([0x0b, 0x18, 0x76], findings.Select(finding => finding.Address));
        Assert.Empty(findings[0].Candidates);
        Assert.Contains(findings[1].Candidates, candidate => candidate.Driver == "mcp9808" && candidate.Values![0] == 22);
        Assert.Contains(findings[2].Candidates, candidate => candidate.Driver == "bme280" && candidate.Values is not null);
        Assert.Contains(findings[2].Candidates, candidate => candidate.Driver == "bme680" && candidate.Values is null);
    }

    private static double[] Read(string driver, SimulatedChip chip, DriverOptions options, string[] channels)
    {
        I2cPolledDevice device = Device(driver, chip, options, channels);
        device.Open();
        var values = new double[channels.Length];

        // An SCD4x has nothing to give for five seconds.
        for (int i = 0; !device.Read(values); i++)
        {
            Assert.True(i < 70, "It never measured.");
            Thread.Sleep(100);
        }

        device.Close();
        return values;
    }

    private static I2cPolledDevice Device(string driver, SimulatedChip chip, DriverOptions options, string[] channels)
    {
        int address = I2cDrivers.Find(driver).Addresses[0];
        I2cBus bus = new SimulatedBus().Add(address, chip);
        return new I2cPolledDevice(new I2cDeviceOptions(1, address, driver, null, 0, options), channels, _ => bus);
    }

    private static Case[] Known { get; } = KnownValues.All();

    internal sealed record Case(
        string Driver,
        string Title,
        SimulatedChip Chip,
        DriverOptions Options,
        (string Channel, double Value, double Within)[] Expected);

    /// <summary>A TCA9548A: one byte that says which channels are connected.</summary>
    private sealed class MultiplexerChip : SimulatedChip
    {
        internal byte Selected { get; private set; }

        internal override void Write(ReadOnlySpan<byte> data) => Selected = data[0];

        protected override void Read(Span<byte> data) => data.Fill(Selected);
    }

    /// <summary>Chips of the same address, of which the selected one answers.</summary>
    private sealed class SelectedChip(MultiplexerChip multiplexer, SimulatedChip[] chips) : SimulatedChip
    {
        private SimulatedChip Chip => chips[int.TrailingZeroCount(multiplexer.Selected)];

        internal override void Write(ReadOnlySpan<byte> data) => Chip.Write(data);

        protected override void Read(Span<byte> data) => Chip.ReadOut(data);
    }
}
