using System.Globalization;
using System.Text;
using System.Text.Json;
using Edge.Testing;
using Xunit.Abstractions;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// A model that learned in winter, in spring: a room's temperature, and a humidity that follows how far it is from the mean of the season.
/// Its table is in docs/train.md.
/// </summary>
public sealed class SeasonTests(ITestOutputHelper output) : IDisposable
{
    // Before this row, from 0 on, no forecast is corrected.
    private const int FirstCorrected = 113;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_model_of_the_winter_is_corrected_in_spring_and_not_in_winter()
    {
        File.WriteAllText(_folder.File("learned.csv"), Text(Rows(2880, mean: 5, seed: 3), day: 0));
        var error = new StringWriter();
        string[] train =
        [
            "train", _folder.File("learned.csv"), "-o", _folder.File("m.safetensors"), "--epochs", "1", "--hidden", "4", "--cell", "gru",
            "--dropout", "0",
        ];
        Assert.True(Edge.Quantize.Program.Run(train, TextWriter.Null, error) == 0, error.ToString());

        Dictionary<string, double[]> winter = await ErrorsAsync(Rows(1440, mean: 5, seed: 4), day: 20, isCorrected: false);
        Dictionary<string, double[]> spring = await ErrorsAsync(Rows(1440, mean: 18, seed: 5), day: 90, isCorrected: true);
        foreach ((string name, double[] rmse) in winter)
        {
            output.WriteLine($"{name}: winter {rmse[1]:0.00}, persistence {rmse[2]:0.00}; spring, first rows {spring[name][0]:0.00}, "
                + $"corrected {spring[name][1]:0.00}, persistence {spring[name][2]:0.00}");
            Assert.True(rmse[1] < rmse[2], name);
            Assert.True(spring[name][1] < spring[name][2], name);
        }

        Assert.True(spring["humidity, 1 ticks"][1] < 0.4 * spring["humidity, 1 ticks"][0]);
        Assert.True(spring["temperature, 36 ticks"][1] < 0.6 * spring["temperature, 36 ticks"][0]);
    }

    // Root mean squares of each forecast: before corrections can begin, later, and of persistence later.
    private async Task<Dictionary<string, double[]>> ErrorsAsync(double[][] rows, int day, bool isCorrected)
    {
        File.WriteAllText(_folder.File("r.csv"), Text(rows, day));
        using RuntimeProcess replay = RuntimeProcess.Start(
            "replay", "--model", _folder.File("m.safetensors"), "--data", _folder.File("r.csv"), "--output", _folder.File("r.jsonl"));
        Assert.Equal(0, await replay.ExitAsync());
        JsonElement[] messages = [.. File.ReadLines(_folder.File("r.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
        int corrected = messages.Where(message => message.TryGetProperty("corrected", out _))
            .Max(message => message.GetProperty("corrected").GetInt32());
        Assert.Equal(isCorrected, corrected > 0);

        var squares = new Dictionary<string, List<double>[]>();
        foreach (JsonElement message in messages.Where(message => message.TryGetProperty("horizon_seconds", out _)))
        {
            int row = message.GetProperty("seq").GetInt32() - 1;
            int[] ahead = [.. message.GetProperty("horizon_seconds").EnumerateArray().Select(each => (int)each.GetDouble() / 600)];
            foreach ((string name, int channel) in new[] { ("temperature", 0), ("humidity", 1) })
            {
                JsonElement values = message.GetProperty("channels").GetProperty(name).GetProperty("value");
                for (int k = 0; k < ahead.Length && row < rows.Length - ahead[^1]; k++)
                {
                    string key = $"{name}, {ahead[k]} ticks";
                    squares.TryAdd(key, [[], [], []]);
                    double actual = rows[row + ahead[k]][channel];
                    squares[key][row < FirstCorrected ? 0 : 1].Add(Math.Pow(actual - values[k].GetDouble(), 2));
                    squares[key][2].Add(Math.Pow(actual - rows[row][channel], 2));
                }
            }
        }

        return squares.ToDictionary(pair => pair.Key, pair => Array.ConvertAll(pair.Value, each => Math.Sqrt(each.Average())));
    }

    private static double[][] Rows(int count, double mean, int seed)
    {
        var random = new Random(seed);
        double weather = 0;
        return
        [
            .. Enumerable.Range(0, count).Select(row =>
            {
                weather = (0.97 * weather) + (0.25 * Normal());
                double temperature = mean + (4 * Math.Sin(2 * Math.PI * ((row / 144.0) - 0.375))) + weather;
                return new[] { temperature + (0.05 * Normal()), 60 - (1.5 * (temperature - mean)) + (0.5 * Normal()) };
            }),
        ];

        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    private static string Text(double[][] rows, int day)
    {
        DateTime begin = new DateTime(2026, 1, 5, 0, 0, 0, DateTimeKind.Utc).AddDays(day);
        var text = new StringBuilder("time,temperature,humidity\n");
        for (int row = 0; row < rows.Length; row++)
        {
            DateTime time = begin.AddMinutes(10 * row);
            text.AppendLine(string.Create(
                CultureInfo.InvariantCulture, $"{time:yyyy-MM-ddTHH:mm:ssZ},{rows[row][0]:0.00},{rows[row][1]:0.00}"));
        }

        return text.ToString();
    }
}
