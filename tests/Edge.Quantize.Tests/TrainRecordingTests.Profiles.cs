using System.Globalization;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>What <c>profile</c> learns from recordings.</summary>
public sealed partial class TrainRecordingTests
{
    [Fact]
    public void A_profile_of_several_recordings_is_that_of_their_rows_together()
    {
        string[] lines = File.ReadAllLines(Recording(2, rows: 400));
        string manifest = _folder.Write("m.json", Manifest);
        string whole = _folder.Write("whole.csv", string.Join('\n', lines));
        string first = _folder.Write("first.csv", string.Join('\n', lines[..200]));
        string second = _folder.Write("second.csv", string.Join('\n', lines[200..].Prepend(lines[0])));
        CommandLine.Done("profile", manifest, "--calibration", whole, "-o", _folder.File("1.json"));
        string said = CommandLine.Done("profile", manifest, "--calibration", first, second, "-o", _folder.File("2.json"));
        Assert.Contains("a profile of 400 rows", said, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllText(_folder.File("1.json")), File.ReadAllText(_folder.File("2.json")));
        CommandLine.Refuses(["profile", manifest, "--calibration", first, second, "-o", second], "is an input");
    }

    [Fact]
    public void A_profile_of_recordings_that_differ_in_their_levels_says_so()
    {
        const string Sentence = "the recordings differ in their levels: of each stream, the first 400 rows say what is normal";
        string manifest = _folder.Write("m.json", Manifest);
        Assert.Contains(Sentence, Profile(apart: 1000, daysApart: 0), StringComparison.Ordinal);
        Assert.DoesNotContain(Sentence, Profile(apart: 0, daysApart: 0), StringComparison.Ordinal);

        // Made one after the other, the last one given first, they may be of one device; among so few rows a jump may be its own.
        Assert.DoesNotContain(Sentence, Profile(apart: 1000, daysApart: -20), StringComparison.Ordinal);

        string Profile(int apart, int daysApart)
        {
            string[] devices = [.. Enumerable.Range(0, 4).Select(at => Device(at, apart * at, daysApart * at))];
            return CommandLine.Done(["profile", manifest, "--calibration", .. devices, "-o", _folder.File("p.json")]);
        }

        string Device(int at, int level, int days)
        {
            DateTime begin = new DateTime(2026, 1, 1).AddDays(days);
            return _folder.Write($"{at}.csv", "time,c0,c1\n" + string.Concat(Enumerable.Range(0, 200).Select(row => string.Create(
                CultureInfo.InvariantCulture,
                $"{begin.AddHours(row):s}Z,{level + Math.Sin(row / 3.0):0.###},{Math.Cos(row / 3.0):0.###}\n"))));
        }
    }

    [Fact]
    public void A_profile_learns_nothing_of_rows_that_are_marked_as_a_fault()
    {
        string[] lines = File.ReadAllLines(Recording(2, rows: 400));
        string manifest = _folder.Write("m.json", Manifest);
        string calm = _folder.Write("calm.csv", string.Join('\n', lines[..301]));
        string marked = _folder.Write("marked.csv", string.Join('\n', lines.Select((line, at) => at == 0 ? $"{line},fault"
            : at <= 300 ? $"{line},0" : $"{line.Split(',')[0]},900,-900,1")));
        CommandLine.Done("profile", manifest, "--calibration", calm, "-o", _folder.File("1.json"));
        string said = CommandLine.Done("profile", manifest, "--calibration", marked, "-o", _folder.File("2.json"));
        Assert.Contains("not learned from: 100 rows marked as a fault in column 'fault'", said, StringComparison.Ordinal);
        Assert.Contains("a profile of 300 rows", said, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllText(_folder.File("1.json")), File.ReadAllText(_folder.File("2.json")));

        string few = _folder.Write("few.csv", string.Join('\n', lines.Select((line, at) => $"{line},{(at == 0 ? "fault" : at / 150)}")));
        CommandLine.Refuses(
            ["profile", manifest, "--calibration", few, "-o", _folder.File("3.json")], "at least 150 rows", "these are 149 rows of");
    }

    [Fact]
    public void A_profile_says_on_which_device_it_was_learned_and_leaves_the_weights_and_their_origin()
    {
        string model = RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors");
        string rows = _folder.Write("r.csv", "time,temperature,humidity,light,co2\n" + string.Concat(Enumerable.Range(0, 400).Select(
            row => $"{1767225600 + (row / 5)},{20 + (row % 7)},{50 + (row % 5)},4,{400 + (row % 11)}\n")));
        string profiled = _folder.File("p.safetensors");
        CommandLine.Done("profile", model, $"--calibration={rows}", $"--output={profiled}", "--learned-on=-shed");
        (EdgeModel before, EdgeModel after) = (EdgeModel.Load(model), EdgeModel.Load(profiled));
        JsonElement said = JsonDocument.Parse(after.Provenance).RootElement;
        Assert.Equal("-shed", said.GetProperty("profile_learned_on").GetString());
        Assert.EndsWith("Z", said.GetProperty("profile_learned_at").GetString(), StringComparison.Ordinal);
        Assert.All(
            JsonDocument.Parse(before.Provenance).RootElement.EnumerateObject(),
            each => Assert.Equal(each.Value.GetRawText(), said.GetProperty(each.Name).GetRawText()));
        Assert.False(before.Manifest.NormalProfile.Span.SequenceEqual(after.Manifest.NormalProfile.Span));
        Assert.Equal(before.ToBytes(), after.With(before.Manifest, before.Provenance).ToBytes());
    }

    [Fact]
    public void A_profile_follows_the_time_of_day_where_a_recording_has_times()
    {
        string manifest = _folder.Write(
            "m.json", """{"columns":["a"],"period_seconds":3600,"mean":[0],"std":[1],"outputs_named":["a[t+1]"]}""");
        string said = "";
        string timed = Profile("time", row => $"{new DateTime(2026, 9, 1).AddHours(row):yyyy-MM-dd HH:mm}");
        Assert.DoesNotContain("time of day", said, StringComparison.Ordinal);
        string zoned = Profile("time", row => $"{new DateTime(2026, 9, 1).AddHours(row + 2):yyyy-MM-ddTHH:mm}+02:00");
        string unknown = Profile("n", row => $"{row}");
        string unreadable = Profile("time", row => row == 200 ? "noon" : $"{new DateTime(2026, 9, 1).AddHours(row):yyyy-MM-dd HH:mm}");
        Assert.NotEqual(unknown, timed);
        Assert.Equal(timed, zoned);
        Assert.Equal(unknown, unreadable);
        Assert.Contains("line 202: ", said, StringComparison.Ordinal);
        Assert.Contains("So the detector learns nothing of the time of day.", said, StringComparison.Ordinal);

        string Profile(string column, Func<int, string> time)
        {
            string rows = _folder.Write("d.csv", $"{column},a\n" + string.Join('\n', Enumerable.Range(0, 400).Select(
                row => string.Create(
                    CultureInfo.InvariantCulture, $"{time(row)},{Math.Sin(row * Math.PI / 12) + (0.1 * (row % 5)):0.000}"))));
            said = CommandLine.Done("profile", manifest, "--calibration", rows, "-o", _folder.File("p.json"));
            return File.ReadAllText(_folder.File("p.json"));
        }
    }
}
