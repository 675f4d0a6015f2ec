using Edge.Inference;
using Edge.Sensors.I2c;
using Edge.Sensors.Polling;

namespace Edge.Sensors;

/// <summary>One reading of a device, to check whether it works.</summary>
/// <param name="Values">One value per read, scaled as configured; NaN if not valid; empty if there is a fault.</param>
/// <param name="Fault">Why there is no value, as a sentence, or null.</param>
internal sealed record SensorCheck(double[] Values, string? Fault)
{
    /// <summary>Reads the device of some channels once, within its time limit.</summary>
    internal static SensorCheck Read(DeviceOptions config, IReadOnlyList<ChannelOptions> channels, Devices devices)
    {
        if (config is I2cDeviceOptions i2c && devices.I2cProblem(i2c.Bus) is { } problem)
        {
            return new SensorCheck([], problem);
        }

        try
        {
            PolledDevice device = devices.Open(config, [.. channels.Select(channel => channel.Read)]);
            var reading = Task.Factory.StartNew(() => ReadOnce(device, channels.Count), TaskCreationOptions.LongRunning);
            if (!reading.Wait(device.Timeout * 2))
            {
                return new SensorCheck([], $"{device.Name} does not answer.");
            }

            double[] values = reading.Result;
            return new SensorCheck(
                [.. values.Select((value, i) => (value * channels[i].Scale) + channels[i].Offset)],
                values.Length == 0 ? $"{device.Name} has no measurement yet." : null);
        }
        catch (InputException e)
        {
            return new SensorCheck([], e.Message);
        }
        catch (AggregateException e)
        {
            return new SensorCheck([], $"{config} does not answer: {e.InnerException!.Message.TrimEnd('.')}.");
        }
    }

    private static double[] ReadOnce(PolledDevice device, int count)
    {
        var values = new double[count];
        try
        {
            device.Open();
            return device.Read(values) ? values : [];
        }
        finally
        {
            try
            {
                device.Close();
            }
            catch (Exception)
            {
                // Closing a device that is gone may fail; the first error matters more.
            }
        }
    }
}
