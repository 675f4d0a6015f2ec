using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Learning;
using Edge.Sensors;
using Edge.Sensors.Replay;
using Edge.Streams.Detection;

namespace Edge.Quantize.Commands;

/// <summary><c>profile</c>: learns again what is normal for the columns of a model, and leaves the rest of the model as it is.</summary>
internal static class ProfileCommand
{
    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL")
        {
            Description = "An int8 model of edge-quantize; or the .json manifest beside a model that runs in ONNX Runtime.",
        };
        var calibration = new Option<string[]>("--calibration")
        {
            Description = "Readings without a fault, in the manifest's columns and physical units (.csv): one or more files. "
                + "All rows are used but those that a column 'fault', 'anomaly' or the like marks.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var target = new Option<string>("--output", "-o") { Description = "File for the model with its profile.", Required = true };
        var learnedOn = new Option<string?>("--learned-on")
        {
            Description = "Name of the device that the readings are of, kept in the file of an int8 model with the time.",
        };
        Option<bool> whileOpen = OpenInput.Option();
        var command = new Command("profile", "Learns what is normal from calm readings, and writes it into the model for the detector.")
        {
            model, calibration, target, learnedOn, whileOpen,
        };
        var timeFormat = new TimeFormat();
        timeFormat.AddTo(command);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(whileOpen))
            {
                OpenInput.EndWithIt();
            }

            string path = parsed.GetRequiredValue(model);
            string[] files = parsed.GetRequiredValue(calibration);
            RegularFile.RequireApart([parsed.GetRequiredValue(target)], files);
            bool isManifest = path.EndsWith(".json", StringComparison.OrdinalIgnoreCase);
            EdgeModel? loaded = isManifest ? null : EdgeModel.Load(path);
            ModelManifest manifest = loaded?.Manifest ?? ParseManifest(path);
            var readings = ReadingsFile.Joined(
            [
                .. files.Select(file => ReadingsFile.Load(
                    WithFaults(timeFormat.Of(parsed, file), manifest), manifest, withoutSentinels: true)),
            ]);
            int rows = readings.RowCount - readings.FaultRows;
            byte[] profile = readings.LearnNormal(0, readings.RowCount, manifest);
            if (profile.Length == 0)
            {
                throw new InputException(
                    $"A profile needs at least {NormalProfileLearner.RowsMin} rows and at most {NormalProfileLearner.ColumnsMax} columns; "
                        + $"these are {Quantity.Of(rows, "row")} of {readings.ColumnCount}.");
            }

            ModelManifest profiled = manifest.WithNormalProfile(profile);
            string? provenance = parsed.GetValue(learnedOn) is { } device ? Provenance(loaded?.Provenance ?? "{}", device) : null;
            FileBytes.Write(
                parsed.GetRequiredValue(target), loaded is null ? Json(profiled) : loaded.With(profiled, provenance).ToBytes());
            foreach (string note in readings.Notes)
            {
                output.WriteLine(note);
            }

            output.WriteLine($"{path} -> {parsed.GetRequiredValue(target)}: a profile of {rows} rows, {profile.Length} bytes");
            ReadingsFile.NoteGaps(rows, profiled, output);
            return 0;
        });
        return command;
    }

    private static byte[] Json(ModelManifest manifest)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            manifest.Write(json);
        }

        return stream.ToArray();
    }

    private static ReplayOptions WithFaults(ReplayOptions recording, ModelManifest manifest) => RawRows.Is(recording.File)
        ? recording
        : recording with { FlagColumn = RecordingColumns.FaultsOf(recording, [.. manifest.Columns]) };

    // What the file says of its weights stays.
    private static string Provenance(string origin, string device)
    {
        JsonObject said = JsonNode.Parse(origin)!.AsObject();
        said["profile_learned_on"] = device;
        said["profile_learned_at"] = DateTime.UtcNow.ToString(Timestamp.Format, CultureInfo.InvariantCulture);
        return said.ToJsonString();
    }

    private static ModelManifest ParseManifest(string path)
    {
        try
        {
            return ModelManifest.Parse(FileBytes.Read(path, "Manifest", 16 << 20));
        }
        catch (ModelFormatException e)
        {
            throw new InputException($"'{path}': {e.Message}", e);
        }
    }
}
