using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// Forecasts, intervals and anomalies of five thousand rows, byte for byte what they were on another processor: CI runs this with AVX2,
/// without it, and without any vector instruction, and the program as published for a device.
/// </summary>
[Trait("Runs", "kernels")]
public sealed class SameEverywhereTests : IDisposable
{
    // SHA-256 of every payload; it changes with the bundled model, the detector and the payloads, never with the processor.
    private const string Expected = "adbf7fa50021f44d3cda929410c2be2f2b9ba11ea38055deb36e1047bd313791";

    // Thousandths of temperature, humidity, light and carbon dioxide.
    private static readonly int[] Level = [22_000, 84_000, 10_000, 785_000];
    private static readonly int[] Swing = [10, 20, 60, 1500];
    private static readonly int[] Scatter = [1, 2, 3, 20];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_payload_of_a_replay_is_the_same_on_every_processor()
    {
        string data = _folder.Write("x.csv", Rows());
        string events = _folder.File("events.jsonl");
        using (RuntimeProcess replay = RuntimeProcess.Start("replay", "--model", "demo", "--data", data, "--output", events))
        {
            Assert.True(await replay.ExitAsync() == 0, replay.Error);
        }

        string[] lines = await File.ReadAllLinesAsync(events);
        Assert.InRange(lines.Count(line => line.Contains("\"event\":\"opened\"", StringComparison.Ordinal)), 2, 20);
        Assert.InRange(lines.Length, 9_990, 10_100);
        string actual = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(events)));
        Assert.True(actual == Expected, $"The payloads have the SHA-256 {actual}.");
    }

    // Whole numbers only, so that the rows themselves are the same: a slow wave of triangles, noise of a linear congruential generator,
    // and a few faults.
    private static string Rows()
    {
        var text = new StringBuilder("time,temperature,humidity,light,co2\n");
        uint seed = 12345;
        for (int row = 0; row < 5000; row++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{row / 5}.{row % 5 * 2}");
            for (int channel = 0; channel < 4; channel++)
            {
                seed = (seed * 1664525) + 1013904223;
                int noise = (int)(seed >> 24) - 128;
                int wave = Math.Abs(((row + (channel * 200)) % 600) - 300) - 150;
                int fault = row is > 2000 and < 2100 && channel == 0 ? 8000 : row is > 3500 and < 3600 && channel == 3 ? 900_000 : 0;
                int level = Level[channel] + (wave * Swing[channel]) + (noise * Scatter[channel]) + fault;
                text.Append(CultureInfo.InvariantCulture, $",{level / 1000}.{Math.Abs(level % 1000):000}");
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
