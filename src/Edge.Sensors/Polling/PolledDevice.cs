namespace Edge.Sensors.Polling;

/// <summary>
/// A device that is read as a whole, on the thread of its bus. It is opened before its first reading and again after each failure,
/// so that a reconnected device is initialized again. Any exception means that there is no reading.
/// </summary>
/// <param name="config">Which device.</param>
/// <param name="bus">Devices of the same bus are read one after the other.</param>
internal abstract class PolledDevice(DeviceOptions config, string bus)
{
    /// <summary>Its name in messages.</summary>
    internal string Name { get; } = config.ToString()!;

    internal string Bus { get; } = bus;

    /// <summary>Time limit of a reading; after it the device counts as hung.</summary>
    internal virtual TimeSpan Timeout => TimeSpan.FromSeconds(1);

    /// <summary>Least and largest value that can be measured, before scale and offset.</summary>
    internal virtual (double Min, double Max) Range(int read) => (double.NegativeInfinity, double.PositiveInfinity);

    internal abstract void Open();

    /// <summary>Reads one value for each of the configured reads; NaN for one that is not valid (a wrong checksum, say).</summary>
    /// <returns>False if the device has no measurement yet.</returns>
    internal abstract bool Read(Span<double> values);

    /// <summary>Closes the device; also called after a failure.</summary>
    internal abstract void Close();
}
