using System.Device.I2c;
using System.Text.RegularExpressions;
using Edge.Inference;
using Edge.Sensors.Polling;

namespace Edge.Sensors.I2c;

/// <summary>A sensor on an I2C bus, read by its driver.</summary>
internal sealed partial class I2cPolledDevice : PolledDevice
{
    private readonly I2cDeviceOptions _config;
    private readonly I2cDriver _driver;
    private readonly int[] _channels;
    private readonly Func<int, I2cBus> _openBus;
    private I2cBus? _bus;
    private I2cDevice? _device;
    private OpenSensor? _sensor;

    /// <exception cref="InputException">There is no such driver, or it has no such channel.</exception>
    internal I2cPolledDevice(I2cDeviceOptions config, IReadOnlyList<string> reads, Func<int, I2cBus> openBus)
        : base(config, $"I2C bus {config.Bus}")
    {
        _config = config;
        _openBus = openBus;
        _driver = I2cDrivers.Find(config.Driver);
        _channels = [.. reads.Select(read => Array.FindIndex(_driver.Channels, channel => channel.Name == read))];
        int missing = Array.IndexOf(_channels, -1);
        if (missing >= 0)
        {
            throw new InputException(
                $"Driver {_driver.Name} has no channel '{reads[missing]}'; "
                    + $"'read' can be {string.Join(", ", _driver.Channels.Select(channel => channel.Name))}.");
        }
    }

    internal override TimeSpan Timeout => _driver.Timeout;

    internal override (double Min, double Max) Range(int read) =>
        (_driver.Channels[_channels[read]].Min, _driver.Channels[_channels[read]].Max);

    internal override void Open()
    {
        try
        {
            _bus = _openBus(_config.Bus);
            _device = _config.Multiplexer is { } multiplexer
                ? new MultiplexedDevice(
                    _bus.CreateDevice(multiplexer),
                    _config.MultiplexerChannel,
                    _bus.CreateDevice(_config.Address),
                    _config.Bus)
                : _bus.CreateDevice(_config.Address);
            _sensor = _driver.Open(_device, _channels, _config.Options);
        }
        catch (IOException e)
        {
            throw new IOException(Cause(e), e);
        }
    }

    internal override bool Read(Span<double> values)
    {
        try
        {
            return _sensor!.Read(values);
        }
        catch (IOException e)
        {
            throw new IOException(Cause(e), e);
        }
    }

    internal override void Close()
    {
        try
        {
            // Some bindings write to the device when they are disposed, which fails if the device is gone.
            _sensor?.Sensor.Dispose();
        }
        finally
        {
            _device?.Dispose();
            _bus?.Dispose();
            (_sensor, _device, _bus) = (null, null, null);
        }
    }

    // errno in words: the numbers are Linux's.
    private static string Cause(IOException e) => ErrnoPattern().Match(e.Message).Groups["errno"].Value switch
    {
        "6" or "121" => "no device acknowledges the address",
        "110" => "the bus timed out",
        "5" => "the transfer failed on the bus",
        "16" => "a driver of the kernel holds the address",
        _ => e.Message,
    };

    [GeneratedRegex("^Error (?<errno>[0-9]+) performing")]
    private static partial Regex ErrnoPattern();
}
