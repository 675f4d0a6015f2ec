using System.Globalization;
using System.Text;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Benchmarks;

/// <summary>What the whole service is measured with: a recording of eight channels and a model (8, 64, 1) of them.</summary>
internal static class ServiceJob
{
    internal const int Channels = 8;

    private static readonly string[] Columns = [.. Enumerable.Range(0, Channels).Select(i => $"c{i}")];

    /// <summary>An int8 LSTM of 64 units, with random weights.</summary>
    internal static byte[] Model()
    {
        var manifest = new ModelManifest
        {
            Name = "bench",
            Columns = Columns,
            Units = [.. Enumerable.Repeat("", Channels)],
            PeriodSeconds = 1,
            Mean = new double[Channels],
            Std = [.. Enumerable.Repeat(1.0, Channels)],
            Outputs = [.. Enumerable.Range(0, Channels).Select(i => new ModelOutput(i, 1))],
        };
        return EdgeModel.Parse(RandomModels.Int8(1, Channels, 64, 1, Channels)).With(manifest).ToBytes();
    }

    /// <summary>So many rows of a CSV file.</summary>
    internal static string Readings(int rows)
    {
        var random = new Random(1);
        var text = new StringBuilder($"time,{string.Join(',', Columns)}\n");
        for (int row = 0; row < rows; row++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{row}");
            for (int i = 0; i < Channels; i++)
            {
                text.Append(CultureInfo.InvariantCulture, $",{Math.Sin(row / (20.0 + i)) + (0.1 * random.NextDouble()):0.####}");
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
