using System.Globalization;
using System.Text.Json;

namespace Edge.Inference.Models;

public sealed partial class ModelManifest
{
    /// <summary>Reads a manifest, checking every entry the tools use. Unknown keys are ignored.</summary>
    /// <param name="json">The manifest's bytes, UTF-8.</param>
    /// <exception cref="ModelFormatException">An entry is missing or is invalid; the message names it.</exception>
    public static ModelManifest Parse(ReadOnlyMemory<byte> json)
    {
        ReadOnlySpan<byte> mark = [0xEF, 0xBB, 0xBF];
        try
        {
            using JsonDocument document = JsonDocument.Parse(
                json.Span.StartsWith(mark) ? json[3..] : json,
                new JsonDocumentOptions { MaxDepth = 16, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return Parse(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new ModelFormatException(
                $"The manifest is not valid JSON at line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}.", e);
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFormatException("The manifest holds text that is not valid Unicode.", e);
        }
    }

    /// <summary>Reads a manifest from an element of a larger document.</summary>
    internal static ModelManifest Parse(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException("The manifest is not a JSON object.");
        }

        string[] columns = Strings(root, "columns") ?? throw Missing("columns", "the names of the input columns in the model's order");
        if (columns.Length == 0
            || columns.Length > CountMax
            || columns.Distinct().Count() != columns.Length
            || columns.Any(string.IsNullOrWhiteSpace))
        {
            throw new ModelFormatException($"Manifest entry 'columns' must name 1 to {CountMax} different columns.");
        }

        string[] units = Strings(root, "units") ?? new string[columns.Length].Select(_ => "").ToArray();
        RequireCount("units", units.Length, columns.Length);
        double[] mean = Numbers(root, "mean") ?? throw Missing("mean", "the mean of each column over the training rows");
        double[] std = Numbers(root, "std") ?? throw Missing("std", "the standard deviation of each column over the training rows");
        RequireCount("mean", mean.Length, columns.Length);
        RequireCount("std", std.Length, columns.Length);
        int flat = Array.FindIndex(std, value => value <= 0);
        if (flat >= 0)
        {
            throw new ModelFormatException($"Manifest entry 'std' is {std[flat]} for column '{columns[flat]}'; it must be greater than 0.");
        }

        ModelOutput[] outputs = ParseOutputs(root, columns);
        double[]? rmse = Numbers(root, "output_rmse_normalised");
        if (rmse is not null)
        {
            RequireCount("output_rmse_normalised", rmse.Length, outputs.Length, "output");
            if (rmse.Any(value => value < 0))
            {
                throw new ModelFormatException("Manifest entry 'output_rmse_normalised' holds a negative error.");
            }
        }

        double?[]? min = Limits(root, "min", columns.Length);
        double?[]? max = Limits(root, "max", columns.Length);
        for (int i = 0; i < columns.Length; i++)
        {
            if (min?[i] >= max?[i])
            {
                throw new ModelFormatException(
                    $"Manifest entries 'min' and 'max' of column '{columns[i]}' are {min[i]} and {max[i]}; the first must be smaller.");
            }
        }

        return new ModelManifest
        {
            Name = root.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String
                ? name.GetString()!
                : "model",
            Columns = columns,
            Units = units,
            PeriodSeconds = Period(root),
            Mean = mean,
            Std = std,
            Outputs = outputs,
            Calendar = ParseCalendar(root),
            TrainRows = Rows(root, "train_rows"),
            TestRows = Rows(root, "test_rows"),
            Min = min,
            Max = max,
            OutputRmse = rmse,
            Baselines = ParseBaselines(root, outputs.Length),
            NormalProfile = Profile(root),
        };
    }

    private static Dictionary<string, IReadOnlyList<double>> ParseBaselines(JsonElement root, int outputs)
    {
        const string Key = "baseline_rmse_normalised";
        const string FormerPersistence = "last value";
        var baselines = new Dictionary<string, IReadOnlyList<double>>();
        if (!root.TryGetProperty(Key, out JsonElement element))
        {
            return baselines;
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException($"Manifest entry '{Key}' must be an object with a list of errors for each name.");
        }

        foreach (JsonProperty named in element.EnumerateObject())
        {
            double?[] errors = Limits(element, named.Name, outputs, "output")
                ?? throw new ModelFormatException($"Manifest entry '{Key}' must be an object with a list of errors for each name.");
            baselines[named.Name == FormerPersistence ? Persistence : named.Name] = [.. errors.Select(error => error ?? double.NaN)];
        }

        return baselines;
    }

    private static CalendarInput[] ParseCalendar(JsonElement root)
    {
        string[] names = Strings(root, "calendar") ?? [];
        string[] known = [.. Enum.GetValues<CalendarInput>().Select(ModelReader.Name)];
        return names.Distinct().Count() == names.Length && names.All(known.Contains)
            ? [.. names.Select(name => (CalendarInput)Array.IndexOf(known, name))]
            : throw new ModelFormatException(
                $"Manifest entry 'calendar' is [{string.Join(", ", names)}]; it may hold each of {string.Join(", ", known)} once.");
    }

    private static byte[] Profile(JsonElement root)
    {
        if (!root.TryGetProperty("normal_profile", out JsonElement element))
        {
            return [];
        }

        return element.ValueKind == JsonValueKind.String && element.TryGetBytesFromBase64(out byte[]? bytes)
            && bytes.Length <= NormalProfileBytesMax
            ? bytes
            : throw new ModelFormatException(
                $"Manifest entry 'normal_profile' is not Base64 of at most {NormalProfileBytesMax >> 20} MiB.");
    }

    private static double Period(JsonElement root)
    {
        if (!root.TryGetProperty("period_seconds", out JsonElement element))
        {
            throw Missing("period_seconds", "the seconds from one row to the next");
        }

        if (element.ValueKind != JsonValueKind.Number
            || !element.TryGetDouble(out double seconds)
            || !(seconds is >= 0.0001 and <= 31_536_000))
        {
            throw new ModelFormatException("Manifest entry 'period_seconds' must be a number from 0.0001 to 31536000 (a year).");
        }

        return seconds;
    }

    private static string[]? Strings(JsonElement root, string key)
    {
        if (!root.TryGetProperty(key, out JsonElement array))
        {
            return null;
        }

        if (array.ValueKind != JsonValueKind.Array || array.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
        {
            throw new ModelFormatException($"Manifest entry '{key}' must be a list of strings.");
        }

        return array.EnumerateArray().Select(item => item.GetString()!).ToArray();
    }

    private static double[]? Numbers(JsonElement root, string key)
    {
        if (!root.TryGetProperty(key, out JsonElement array))
        {
            return null;
        }

        if (array.ValueKind != JsonValueKind.Array
            || array.EnumerateArray().Any(
                item => item.ValueKind != JsonValueKind.Number || !item.TryGetDouble(out double value) || !float.IsFinite((float)value)))
        {
            throw new ModelFormatException($"Manifest entry '{key}' must be a list of finite numbers.");
        }

        return array.EnumerateArray().Select(item => item.GetDouble()).ToArray();
    }

    // Physical limits: a number or null for each column.
    private static double?[]? Limits(JsonElement root, string key, int count, string of = "column")
    {
        if (!root.TryGetProperty(key, out JsonElement array) || array.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        if (array.ValueKind != JsonValueKind.Array || array.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.Null
            && (item.ValueKind != JsonValueKind.Number || !item.TryGetDouble(out double value) || !float.IsFinite((float)value))))
        {
            throw new ModelFormatException($"Manifest entry '{key}' must be a list with a finite number or null for each column.");
        }

        RequireCount(key, array.GetArrayLength(), count, of);
        return array.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Null ? (double?)null : item.GetDouble()).ToArray();
    }

    private static (int Begin, int End)? Rows(JsonElement root, string key)
    {
        double[]? pair = Numbers(root, key);
        if (pair is null)
        {
            return null;
        }

        if (pair.Length != 2
            || pair[0] < 0
            || pair[1] <= pair[0]
            || pair[1] > int.MaxValue
            || pair.Any(value => value != Math.Floor(value)))
        {
            throw new ModelFormatException($"Manifest entry '{key}' must be [first row, row after the last].");
        }

        return ((int)pair[0], (int)pair[1]);
    }

    private static void RequireCount(string key, int actual, int expected, string of = "column")
    {
        if (actual != expected)
        {
            throw new ModelFormatException($"Manifest entry '{key}' has {Quantity.Of(actual, "value")} for {Quantity.Of(expected, of)}.");
        }
    }

    private static ModelFormatException Missing(string key, string meaning) =>
        new($"The manifest has no '{key}' ({meaning}). Add it to the JSON file next to the model.");
}
