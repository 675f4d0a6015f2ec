using System.Text.Json;

namespace Edge.Inference.Models;

/// <summary>One output of a model: the column it forecasts and how many ticks ahead, or something else with a name of its own.</summary>
/// <param name="Column">Index into <see cref="ModelManifest.Columns"/>; -1 if it forecasts none.</param>
/// <param name="TicksAhead">1..100000; 0 if it forecasts none.</param>
/// <param name="Name">Its name if it forecasts no column, else null.</param>
public readonly record struct ModelOutput(int Column, int TicksAhead, string? Name = null)
{
    /// <summary>Whether it forecasts a column.</summary>
    public bool IsForecast => Column >= 0;
}

/// <summary>
/// Description of a model by its training script: the columns it reads and in what unit, their mean and standard deviation,
/// the period of a tick, and what each output forecasts. Read from the JSON beside an ONNX file and kept in the model file.
/// </summary>
public sealed partial class ModelManifest
{
    /// <summary>Most columns or outputs.</summary>
    public const int CountMax = 4096;

    /// <summary>Largest <see cref="NormalProfile"/>.</summary>
    public const int NormalProfileBytesMax = 4 << 20;

    /// <summary>The model's name.</summary>
    public required string Name { get; init; }

    /// <summary>Input columns, in the model's order.</summary>
    public required IReadOnlyList<string> Columns { get; init; }

    /// <summary>Unit of each column; empty where none is known.</summary>
    public required IReadOnlyList<string> Units { get; init; }

    /// <summary>Seconds from one tick to the next.</summary>
    public required double PeriodSeconds { get; init; }

    /// <summary>Mean of each column, in its unit: normalized = (value - mean) / std.</summary>
    public required IReadOnlyList<double> Mean { get; init; }

    /// <summary>Standard deviation of each column, in its unit, greater than 0.</summary>
    public required IReadOnlyList<double> Std { get; init; }

    /// <summary>What each output forecasts, in the model's order.</summary>
    public required IReadOnlyList<ModelOutput> Outputs { get; init; }

    /// <summary>First and one-past-last row of the training data, or null.</summary>
    public (int Begin, int End)? TrainRows { get; init; }

    /// <summary>First and one-past-last row of the held-out data, or null.</summary>
    public (int Begin, int End)? TestRows { get; init; }

    /// <summary>Smallest value each column can have, in its unit; null where nothing is known.</summary>
    public IReadOnlyList<double?>? Min { get; init; }

    /// <summary>Largest value each column can have, in its unit; null where nothing is known.</summary>
    public IReadOnlyList<double?>? Max { get; init; }

    /// <summary>Root mean square error of each output on held-out rows, in units of its column's standard deviation, or null.</summary>
    public IReadOnlyList<double>? OutputRmse { get; init; }

    /// <summary>
    /// What is normal for the columns, as the detector of Edge.Streams reads it; empty where nothing is known. At most
    /// <see cref="NormalProfileBytesMax"/> bytes.
    /// </summary>
    public ReadOnlyMemory<byte> NormalProfile { get; init; }

    /// <summary>Whether every output forecasts one of the columns.</summary>
    public bool IsForecast => Outputs.All(output => output.IsForecast);

    /// <summary>The name of an output as the manifest writes it: <c>HUFL[t+1]</c>.</summary>
    public string OutputName(int output) =>
        Outputs[output].Name ?? $"{Columns[Outputs[output].Column]}[t+{Outputs[output].TicksAhead}]";

    /// <summary>The physical limits of a column in normalized units, where both are known.</summary>
    internal (float Lower, float Upper)? Limits(int column) =>
        Min?[column] is { } min && Max?[column] is { } max ? (Normalize(column, min), Normalize(column, max)) : null;

    /// <summary>A manifest for a model that has none: columns x0, x1, … in the model's own units, outputs y0, y1, …</summary>
    internal static ModelManifest Plain(string name, int inputs, int outputs) => new()
    {
        Name = name,
        Columns = Enumerable.Range(0, inputs).Select(i => $"x{i}").ToArray(),
        Units = Enumerable.Repeat("", inputs).ToArray(),
        PeriodSeconds = 1,
        Mean = new double[inputs],
        Std = Enumerable.Repeat(1.0, inputs).ToArray(),
        Outputs = Enumerable.Range(0, outputs).Select(k => new ModelOutput(-1, 0, $"y{k}")).ToArray(),
    };

    /// <summary>A physical value in units of standard deviations from the mean.</summary>
    public float Normalize(int column, double value) => (float)((value - Mean[column]) / Std[column]);

    /// <summary>The inverse of <see cref="Normalize"/>.</summary>
    public double Denormalize(int column, double value) => (value * Std[column]) + Mean[column];

    /// <summary>This manifest with the measured errors of its model.</summary>
    public ModelManifest WithOutputRmse(IReadOnlyList<double> rmse) => WithOutputs(Outputs, rmse);

    /// <summary>This manifest with other outputs and their errors.</summary>
    public ModelManifest WithOutputs(IReadOnlyList<ModelOutput> outputs, IReadOnlyList<double>? rmse) =>
        With(outputs, rmse, NormalProfile);

    /// <summary>This manifest with what is normal for its columns.</summary>
    public ModelManifest WithNormalProfile(ReadOnlyMemory<byte> profile) => With(Outputs, OutputRmse, profile);

    private ModelManifest With(IReadOnlyList<ModelOutput> outputs, IReadOnlyList<double>? rmse, ReadOnlyMemory<byte> profile) => new()
    {
        Name = Name,
        Columns = Columns,
        Units = Units,
        PeriodSeconds = PeriodSeconds,
        Mean = Mean,
        Std = Std,
        Outputs = outputs,
        TrainRows = TrainRows,
        TestRows = TestRows,
        Min = Min,
        Max = Max,
        OutputRmse = rmse,
        NormalProfile = profile,
    };

    /// <summary>Writes the manifest as one JSON object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("name", Name);
        WriteStrings(json, "columns", Columns);
        WriteStrings(json, "units", Units);
        json.WriteNumber("period_seconds", PeriodSeconds);
        WriteNumbers(json, "mean", Mean);
        WriteNumbers(json, "std", Std);
        WriteStrings(json, "outputs_named", Enumerable.Range(0, Outputs.Count).Select(OutputName));
        WriteRows(json, "train_rows", TrainRows);
        WriteRows(json, "test_rows", TestRows);
        WriteLimits(json, "min", Min);
        WriteLimits(json, "max", Max);
        if (OutputRmse is not null)
        {
            WriteNumbers(json, "output_rmse_normalised", OutputRmse);
        }

        if (!NormalProfile.IsEmpty)
        {
            json.WriteBase64String("normal_profile", NormalProfile.Span);
        }

        json.WriteEndObject();
    }

    private static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, IEnumerable<double> values)
    {
        json.WriteStartArray(name);
        foreach (double value in values)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }

    private static void WriteLimits(Utf8JsonWriter json, string name, IReadOnlyList<double?>? limits)
    {
        if (limits is null)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (double? limit in limits)
        {
            if (limit is { } value)
            {
                json.WriteNumberValue(value);
            }
            else
            {
                json.WriteNullValue();
            }
        }

        json.WriteEndArray();
    }

    private static void WriteRows(Utf8JsonWriter json, string name, (int Begin, int End)? rows)
    {
        if (rows is { } range)
        {
            WriteNumbers(json, name, [range.Begin, range.End]);
        }
    }
}
