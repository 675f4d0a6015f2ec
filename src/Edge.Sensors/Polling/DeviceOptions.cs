namespace Edge.Sensors.Polling;

/// <summary>What a channel reads; equal options are one device. Its text is the device's name in sentences.</summary>
internal abstract record DeviceOptions
{
    /// <summary>Whether values arrive by themselves; else the device is polled.</summary>
    internal virtual bool IsPushed => false;
}
