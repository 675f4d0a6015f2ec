using Edge.Inference;
using Edge.Quantize.Onnx;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>Bad input: exit code 1, one sentence that says what and where, nothing written.</summary>
public sealed class RefusalTests : IDisposable
{
    private const string Ambient = "ambient-lstm32";
    private readonly TemporaryFolder _folder = new();

    private static string Onnx => SharedData.Model(Ambient, "step.onnx");

    private static string Manifest => SharedData.Model(Ambient, "model.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_missing_model_is_named() => CommandLine.Refuses(["inspect", "/no/such.onnx"], "'/no/such.onnx' does not exist");

    [Theory]
    [InlineData(0, 0x40, "is not valid JSON (line 1, byte 0)")]
    [InlineData(1, 0x40, "is not valid JSON (line 1, byte 1)")]
    [InlineData(-1, 0x80, "should have")]
    [InlineData(-8, 0x10, "is not valid JSON")]
    [InlineData(-7, 0x40, "should have")]
    public void A_broken_safetensors_header_is_called_what_it_is(int at, int bit, string sentence)
    {
        byte[] bytes = File.ReadAllBytes(RepositoryFile.Path("tests/Edge.Quantize.Tests/Exports/tiny_state.safetensors"));
        bytes[8 + at] ^= (byte)bit;
        File.WriteAllBytes(_folder.File("m"), bytes);
        string[] import = ["quantize", _folder.File("m"), "--calibration", "x.f32", "-o", _folder.File("q")];
        Assert.All([import, ["inspect", _folder.File("m")]], args =>
        {
            CommandLine.Refuses(args, "The safetensors header", sentence, "Copy or export it again.");
            Assert.DoesNotContain("ONNX", CommandLine.Run(args).Error, StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData("quantize")]
    [InlineData("infer", "m.onnx")]
    [InlineData("infer", "m.onnx", "--input", "x", "--output", "y", "--engine", "gpu")]
    [InlineData("nonsense")]
    [InlineData("inspect", "a", "b")]
    [InlineData("train", "a.csv", "-o", "m.safetensors", "--bugdet", "5m")]
    [InlineData("train", "a.csv", "-o", "m.safetensors", "--columns", "x", "--bogus")]
    public void Wrong_usage_exits_with_2_and_points_to_help(params string[] args)
    {
        (int code, string _, string error) = CommandLine.Run(args);
        Assert.Equal(2, code);
        Assert.Contains("--help", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Fact]
    public void An_output_that_is_an_input_is_refused_and_left_as_it_is()
    {
        string csv = _folder.Write("x.csv", "time,value\n2013-07-04T00:00:00Z,1\n2013-07-04T01:00:00Z,2\n");
        string link = _folder.File("link.csv");
        File.CreateSymbolicLink(link, csv);
        byte[] bytes = File.ReadAllBytes(csv);
        foreach (string[] args in new string[][]
        {
            ["train", csv, "-o", csv],
            ["train", csv, "-o", link],
            ["train", csv, "-o", _folder.File("m"), "--report", csv],
            ["quantize", "m.onnx", "--calibration", csv, "-o", csv],
            ["profile", "m.safetensors", "--calibration", csv, "-o", csv],
            ["step", csv, "-o", csv],
            ["train-text", csv, "-o", csv],
            ["evaluate", "m.onnx", "m.safetensors", "--data", csv, "--report", csv],
            ["trace", "m.safetensors", "--data", csv, "--report", csv],
            ["infer", "m.safetensors", "--input", csv, "--output", csv],
        })
        {
            CommandLine.Refuses(args, "is an input, and would be overwritten. Name another file for the output.");
            Assert.Equal(bytes, File.ReadAllBytes(csv));
        }
    }

    [Fact]
    public void A_file_that_cannot_take_its_name_is_removed_again()
    {
        string target = _folder.File("there");
        Directory.CreateDirectory(target);
        Assert.Throws<InputException>(() => FileBytes.Write(target, [1, 2, 3]));
        Assert.False(File.Exists(target + ".partial"));
    }

    [SharedDataTheory]
    [InlineData("2013-07-04 00:00:00,on", "line 2, column 'value': 'on'")]
    [InlineData("2013-07-04 00:00:00", "line 2, column 'value'")]
    [InlineData("2013-07-04 00:00:00,inf", "line 2, column 'value': 'inf'")]
    [InlineData("2013-07-04 00:00:00,12;5", "line 2, column 'value'")]
    public void A_bad_cell_of_the_calibration_is_named(string row, string sentence)
    {
        string csv = _folder.Write("x.csv", $"timestamp,value\n{row}\n2013-07-04 01:00:00,71.2\n2013-07-04 02:00:00,71.2\n");
        CommandLine.Refuses(["quantize", Onnx, "--manifest", Manifest, "--calibration", csv, "-o", _folder.File("m")], sentence);
        Assert.False(File.Exists(_folder.File("m")));
    }

    [Theory]
    [InlineData("weekday")]
    [InlineData("day,hour")]
    [InlineData("month")]
    public void Training_reads_a_calendar_of_days_weeks_and_years_only(string calendar)
    {
        string csv = _folder.Write("x.csv", "time,value\n2013-07-04T00:00:00Z,1\n2013-07-04T01:00:00Z,2\n");
        CommandLine.Refuses(
            ["train", csv, "-o", _folder.File("m"), "--calendar", calendar],
            $"--calendar: '{calendar.Split(',')[^1]}' is none of day, week and year.");
    }

    [SharedDataFact]
    public void A_missing_column_is_named()
    {
        string csv = _folder.Write("x.csv", "timestamp,temperature\n1,2\n");
        CommandLine.Refuses(
            ["quantize", Onnx, "--manifest", Manifest, "--calibration", csv, "-o", _folder.File("m")],
            "no column 'value'",
            "'temperature'");
    }

    [SharedDataFact]
    public void Empty_and_absent_readings_are_named()
    {
        CommandLine.Refuses(
            ["quantize", Onnx, "--manifest", Manifest, "--calibration", _folder.Write("e.csv", ""), "-o", _folder.File("m")],
            "are empty");
        CommandLine.Refuses(
            ["quantize", Onnx, "--manifest", Manifest, "--calibration", _folder.Write("h.csv", "value\n"), "-o", _folder.File("m")],
            "0 rows");
        CommandLine.Refuses(
            ["quantize", Onnx, "--manifest", Manifest, "--calibration", "/no/such.csv", "-o", _folder.File("m")],
            "/no/such.csv");
    }

    [SharedDataFact]
    public void A_manifest_that_does_not_fit_the_model_is_named() =>
        CommandLine.Refuses(
            [
                "quantize",
                Onnx,
                "--manifest",
                SharedData.Model("etth1-lstm64", "model.json"),
                "--calibration",
                SharedData.ReadingsOf(Ambient),
                "-o",
                _folder.File("m"),
            ],
            "names 7 columns", "the model has 1");

    [SharedDataFact]
    public void A_target_that_cannot_be_written_is_named() =>
        CommandLine.Refuses(
            ["quantize", Onnx, "--manifest", Manifest, "--calibration", SharedData.ReadingsOf(Ambient), "-o", "/no/such/folder/m"],
            "'/no/such/folder/m' cannot be written");

    [SharedDataFact]
    public void Infer_names_the_row_of_a_value_that_is_not_finite_and_a_file_that_does_not_fit()
    {
        File.WriteAllBytes(_folder.File("x"), [.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(float.NaN)]);
        CommandLine.Refuses(["infer", Onnx, "--input", _folder.File("x"), "--output", _folder.File("y")], "row 1, column 0 is NaN");
        File.WriteAllBytes(_folder.File("x"), [1, 2, 3]);
        CommandLine.Refuses(["infer", Onnx, "--input", _folder.File("x"), "--output", _folder.File("y")], "has 3 bytes");
        Assert.False(File.Exists(_folder.File("y")));
    }

    [SharedDataFact]
    public void An_engine_that_cannot_run_the_file_says_what_can() =>
        CommandLine.Refuses(["infer", Onnx, "--engine", "int8", "--input", "x", "--output", "y"], "Quantize it first");

    [SharedDataTheory]
    [InlineData("bad_truncated.onnx", "damaged")]
    [InlineData("bad_garbage.onnx", "ONNX")]
    [InlineData("bad_empty.onnx", "empty")]
    [InlineData("bad_hidden_size.onnx", "hidden_size")]
    [InlineData("bad_nan_weight.onnx", "NaN")]
    [InlineData("bad_external_escape.onnx", "outside the model's folder")]
    [InlineData("lstm_reverse.onnx", "direction 'reverse'")]
    [InlineData("lstm_bidirectional.onnx", "direction 'bidirectional'")]
    [InlineData("no_recurrent.onnx", "no recurrent node")]
    public void A_file_of_the_zoo_that_cannot_be_used_is_refused_with_the_reason(string file, string reason) =>
        CommandLine.Refuses(["inspect", SharedData.Zoo(file)], file, reason);

    [SharedDataFact]
    public void Every_truncation_of_a_model_is_refused_or_whole()
    {
        byte[] bytes = File.ReadAllBytes(Onnx);
        for (int length = 0; length < bytes.Length; length += length < 2000 ? 1 : 61)
        {
            ImportsOrRefuses(bytes[..length]);
        }
    }

    [SharedDataFact]
    public void Ten_thousand_damaged_models_are_refused_or_imported_and_nothing_else()
    {
        byte[] bytes = File.ReadAllBytes(Onnx);
        var random = new Random(1);
        for (int i = 0; i < 10_000; i++)
        {
            byte[] damaged = [.. bytes];
            for (int flips = random.Next(1, 8); flips > 0; flips--)
            {
                // Half of the damage among the first and last bytes, where the structure is.
                int at = random.Next(4) switch
                {
                    0 => random.Next(400),
                    1 => bytes.Length - 1 - random.Next(800),
                    _ => random.Next(bytes.Length),
                };
                damaged[at] = (byte)random.Next(256);
            }

            ImportsOrRefuses(damaged);
        }
    }

    private static void ImportsOrRefuses(byte[] bytes)
    {
        try
        {
            OnnxImporter.Import(bytes);
        }
        catch (InputException)
        {
            // The documented refusal.
        }
    }
}
