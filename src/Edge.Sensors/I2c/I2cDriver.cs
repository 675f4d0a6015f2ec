using System.Device.I2c;
using Edge.Inference;

namespace Edge.Sensors.I2c;

/// <summary>One value that a driver gives.</summary>
/// <param name="Name">Its name for <c>read</c>.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Min">Least value that the sensor can measure.</param>
/// <param name="Max">Largest value that the sensor can measure.</param>
internal readonly record struct DriverChannel(string Name, string Unit, double Min, double Max);

/// <summary>Reads the channels asked for, in that order; NaN for one that is not valid.</summary>
/// <returns>False if there is no measurement yet.</returns>
internal delegate bool ReadAction(Span<double> values);

/// <summary>A sensor that was set up.</summary>
/// <param name="Sensor">The binding; disposing it closes the device.</param>
/// <param name="Read">One reading.</param>
internal sealed record OpenSensor(IDisposable Sensor, ReadAction Read);

/// <summary>Sets a sensor up.</summary>
/// <param name="device">The device, for the binding to keep.</param>
/// <param name="channels">Indices of the driver's channels that are wanted.</param>
/// <param name="options">The driver's settings.</param>
/// <exception cref="InputException">A setting is not one the driver has.</exception>
internal delegate OpenSensor OpenAction(I2cDevice device, int[] channels, DriverOptions options);

/// <summary>How to read one kind of sensor.</summary>
/// <param name="Name">Its name for <c>driver</c>.</param>
/// <param name="Description">Maker and type.</param>
/// <param name="Addresses">Addresses it can have, the usual one first.</param>
/// <param name="Channels">What it measures.</param>
/// <param name="Open">Sets it up.</param>
internal sealed record I2cDriver(string Name, string Description, int[] Addresses, DriverChannel[] Channels, OpenAction Open)
{
    /// <summary>Longest time of one reading.</summary>
    internal TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A driver that reads all of its channels at once.</summary>
    /// <param name="name">Its name for <c>driver</c>.</param>
    /// <param name="description">Maker and type.</param>
    /// <param name="addresses">Addresses it can have, the usual one first.</param>
    /// <param name="channels">What it measures.</param>
    /// <param name="open">Sets it up; what it returns reads every channel, in order.</param>
    internal static I2cDriver OfAll(
        string name,
        string description,
        int[] addresses,
        DriverChannel[] channels,
        Func<I2cDevice, DriverOptions, OpenSensor> open) =>
        new(name, description, addresses, channels, (device, wanted, options) =>
        {
            OpenSensor sensor = open(device, options);
            var all = new double[channels.Length];
            return new OpenSensor(sensor.Sensor, values =>
            {
                bool isMeasured = sensor.Read(all);
                for (int i = 0; i < wanted.Length; i++)
                {
                    values[i] = all[wanted[i]];
                }

                return isMeasured;
            });
        });
}
