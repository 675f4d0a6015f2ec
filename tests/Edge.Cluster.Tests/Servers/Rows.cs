using System.Globalization;
using System.Text;

namespace Edge.Cluster.Tests.Servers;

/// <summary>Rows of a stream for the demo model: the same number and seed give the same rows.</summary>
internal static class Rows
{
    internal static readonly string[] Columns = ["temperature", "humidity", "light", "co2"];

    // From these on a row now and then has no light, and some rows are far off.
    private const int FaultFrom = 60;

    private static readonly DateTime Begin = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>Row <paramref name="index"/> of a stream: values in the order of <see cref="Columns"/>, NaN for a missing one.</summary>
    internal static (DateTime Time, double[] Values) Of(int stream, int index)
    {
        var noise = new Random((stream * 7919) + index);
        double phase = (index + (stream % 100)) / 40.0;
        double[] values =
        [
            Math.Round(24 + (2 * Math.Sin(phase)) + (0.1 * noise.NextDouble()), 3),
            Math.Round(55 + (4 * Math.Cos(phase)) + (0.3 * noise.NextDouble()), 3),
            Math.Round(400 + (80 * Math.Sin(phase / 2)) + (5 * noise.NextDouble()), 2),
            Math.Round(600 + (50 * Math.Cos(phase / 3)) + (3 * noise.NextDouble()), 2),
        ];
        if (index > FaultFrom && (index + stream) % 37 == 0)
        {
            values[2] = double.NaN;
        }

        if (index > FaultFrom && (index + stream) % 50 is >= 20 and < 24)
        {
            values[0] += 12;
        }

        // Now and then a tick is missing.
        return (Begin + (TimeSpan.FromMilliseconds(200) * (index + (index / 70))), values);
    }

    internal static byte[] Json(int stream, int index)
    {
        (DateTime time, double[] values) = Of(stream, index);
        var text = new StringBuilder("{\"time\":\"").Append(Text(time)).Append('"');
        for (int i = 0; i < Columns.Length; i++)
        {
            if (!double.IsNaN(values[i]))
            {
                text.Append(CultureInfo.InvariantCulture, $",\"{Columns[i]}\":{values[i]:R}");
            }
        }

        return Encoding.UTF8.GetBytes(text.Append('}').ToString());
    }

    /// <summary>The same rows as a recording.</summary>
    internal static string Csv(int stream, int count)
    {
        var text = new StringBuilder("time,").AppendJoin(',', Columns).Append('\n');
        for (int index = 0; index < count; index++)
        {
            (DateTime time, double[] values) = Of(stream, index);
            text.Append(Text(time)).Append(',')
                .AppendJoin(',', values.Select(value => double.IsNaN(value) ? "" : value.ToString("R", CultureInfo.InvariantCulture)))
                .Append('\n');
        }

        return text.ToString();
    }

    private static string Text(DateTime time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
