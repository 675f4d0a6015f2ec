using System.Globalization;
using System.Text;
using Edge.Sensors.Replay;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>Recordings that come out of Home Assistant: its history has the sensors below each other, and words for no value.</summary>
public sealed class HistoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("entity_id,state,last_changed", false)]
    [InlineData("Series,Value,Time", false)]
    [InlineData("metric,value,t", true)]
    public void Sensors_below_each_other_are_refused(string header, bool hasPeriod)
    {
        string[] train = ["train", History(header, "sensor.co2", "sensor.power"), "-o", _folder.File("m.safetensors")];
        CommandLine.Refuses(
            hasPeriod ? [.. train, "--period", "600"] : train,
            "several sensors below each other", "is 'sensor.co2' in line 2 and 'sensor.power' in line 202", "a column of its own");
    }

    [Fact]
    public void The_history_of_one_sensor_is_learned()
    {
        string said = CommandLine.Done(
            "train", History("entity_id,state,last_changed", "sensor.co2"), "-o", _folder.File("m.safetensors"), "--epochs", "1",
            "--cell", "gru", "--hidden", "4", "--horizons", "1");
        Assert.Contains("200 rows of 1 column, 600 s apart", said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_beside_several_columns_of_numbers_is_left_out_as_before()
    {
        string[] lines = File.ReadAllLines(History("sensor,a,time", "day", "night"));
        string[] wide = [.. lines.Select((line, i) => (i == 0 ? "b," : $"{i % 7},") + line)];
        wide = [.. wide.Take(201)];
        wide[100] = wide[100].Replace("day", "night", StringComparison.Ordinal);
        string said = CommandLine.Done(
            "train", _folder.Write("wide.csv", string.Join('\n', wide)), "-o", _folder.File("m.safetensors"), "--epochs", "1",
            "--cell", "gru", "--hidden", "4", "--horizons", "1");
        Assert.Contains("200 rows of 2 columns", said, StringComparison.Ordinal);
        Assert.Contains("left out: column 2 'sensor' holds text", said, StringComparison.Ordinal);
    }

    [Fact]
    public void One_row_is_called_too_few_and_not_a_missing_column() => CommandLine.Refuses(
        ["train", _folder.Write("one.csv", "time,a\n2026-01-01,1\n"), "-o", _folder.File("m.safetensors")],
        "fewer than two rows with different times");

    [Theory]
    [InlineData("unavailable", true)]
    [InlineData("Unknown", true)]
    [InlineData("broken", false)]
    public void A_profile_takes_the_words_for_no_value(string word, bool isTaken)
    {
        string[] lines = File.ReadAllLines(History("entity_id,state,last_changed", "sensor.co2"));
        string model = _folder.File("m.safetensors");
        CommandLine.Done(
            "train", _folder.Write("whole.csv", string.Join('\n', lines)), "-o", model, "--epochs", "1", "--cell", "gru", "--hidden", "4",
            "--horizons", "1");
        string[] cells = lines[50].Split(',');
        lines[50] = $"{cells[0]},{word},{cells[2]}";
        string[] profile =
        [
            "profile", model, "--calibration", _folder.Write("calm.csv", string.Join('\n', lines)), "-o", _folder.File("n.safetensors"),
        ];
        if (isTaken)
        {
            CommandLine.Done(profile);
        }
        else
        {
            CommandLine.Refuses(profile, $"line 51, column 'state': '{word}' is not a finite number");
        }
    }

    [Fact]
    public void A_label_is_not_taken_for_a_missing_value()
    {
        Assert.False(CellText.IsMissing("unknown"));
        Assert.True(CellText.HasNoValue("unknown"));
    }

    // 200 rows of each sensor, one sensor after the other, ten minutes apart.
    private string History(string header, params string[] sensors)
    {
        var text = new StringBuilder(header).Append('\n');
        foreach (string sensor in sensors)
        {
            for (int i = 0; i < 200; i++)
            {
                DateTime time = new DateTime(2026, 3, 1, 0, 0, 0, DateTimeKind.Utc).AddMinutes(10 * i);
                text.Append(
                    CultureInfo.InvariantCulture, $"{sensor},{500 + (100 * Math.Sin(i / 9.0)):0.0},{time:yyyy-MM-ddTHH:mm:ss.fffZ}\n");
            }
        }

        return _folder.Write("history.csv", text.ToString());
    }
}
