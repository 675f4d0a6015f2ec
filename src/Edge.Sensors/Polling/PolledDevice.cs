namespace Edge.Sensors.Polling;

/// <summary>
/// Something that is read as a whole, on the thread of its bus. It is opened before its first reading and again after each
/// failure, so that what was unplugged and is back is set up anew. Any exception means: no reading.
/// </summary>
/// <param name="config">Which device.</param>
/// <param name="bus">Devices with the same one are read one after the other.</param>
internal abstract class PolledDevice(DeviceOptions config, string bus)
{
    /// <summary>What it is called in sentences.</summary>
    internal string Name { get; } = config.ToString()!;

    internal string Bus { get; } = bus;

    /// <summary>Longest time a reading may take before the device counts as hung.</summary>
    internal virtual TimeSpan Timeout => TimeSpan.FromSeconds(1);

    /// <summary>Least and largest value that can be measured, before scale and offset.</summary>
    internal virtual (double Min, double Max) Range(int read) => (double.NegativeInfinity, double.PositiveInfinity);

    internal abstract void Open();

    /// <summary>Reads one value for each of the configured reads; NaN for one that is not valid (a wrong checksum, say).</summary>
    /// <returns>False if the device has no measurement yet.</returns>
    internal abstract bool Read(Span<double> values);

    /// <summary>Lets go of the device; called after a failure too.</summary>
    internal abstract void Close();
}
