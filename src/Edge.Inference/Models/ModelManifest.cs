using System.Globalization;
using System.Text.Json;

namespace Edge.Inference.Models;

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

    /// <summary>
    /// Whether there is a model: false for a stream that is still to learn one. Its mean is 0 and its standard deviation 1, whatever the
    /// columns are.
    /// </summary>
    public bool IsTrained { get; init; } = true;

    /// <summary>What of the time of a tick the model reads, after its columns.</summary>
    public IReadOnlyList<CalendarInput> Calendar { get; init; } = [];

    /// <summary>Inputs of the model: its columns, and those of the calendar.</summary>
    public int InputCount => Columns.Count + CalendarInputs.Count(Calendar);

    /// <summary>The inputs for a sentence: <c>7 columns and 4 inputs of its calendar</c>.</summary>
    internal string InputsInWords => Calendar.Count == 0
        ? $"{Quantity.Of(Columns.Count, "column")}"
        : $"{Quantity.Of(Columns.Count, "column")} and {Quantity.Of(InputCount - Columns.Count, "input")} of its calendar";

    /// <summary>First and one-past-last row of the training data, or null.</summary>
    public (int Begin, int End)? TrainRows { get; init; }

    /// <summary>First and one-past-last row of the held-out data, or null.</summary>
    public (int Begin, int End)? TestRows { get; init; }

    /// <summary>Smallest value each column can have, in its unit; null where nothing is known.</summary>
    public IReadOnlyList<double?>? Min { get; init; }

    /// <summary>Largest value each column can have, in its unit; null where nothing is known.</summary>
    public IReadOnlyList<double?>? Max { get; init; }

    /// <summary>Name of the simplest forecast: the column stays as it is.</summary>
    internal const string Persistence = "persistence";

    /// <summary>Root mean square error of each output on held-out rows, in units of its column's standard deviation, or null.</summary>
    public IReadOnlyList<double>? OutputRmse { get; init; }

    /// <summary>
    /// The same errors of simple forecasts by their names ("persistence", "ridge, 24 rows"), NaN where one cannot say anything; empty where
    /// they were not measured.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyList<double>> Baselines { get; init; } = new Dictionary<string, IReadOnlyList<double>>();

    /// <summary>
    /// What is normal for the columns, as the detector of Edge.Streams reads it; empty where nothing is known. At most
    /// <see cref="NormalProfileBytesMax"/> bytes.
    /// </summary>
    public ReadOnlyMemory<byte> NormalProfile { get; init; }

    /// <summary>Whether every output forecasts one of the columns.</summary>
    public bool IsForecast => Outputs.All(output => output.IsForecast);

    /// <summary>
    /// Outputs that stand for a column some ticks ahead: its forecast or, where there is none, the quantile nearest to the median.
    /// </summary>
    public IReadOnlyList<int> ForecastOutputs =>
        [.. Enumerable.Range(0, Outputs.Count)
            .Where(k => Outputs[k].Kind is OutputKind.Forecast or OutputKind.Quantile)
            .GroupBy(k => (Outputs[k].Column, Outputs[k].TicksAhead))
            .Select(group => group.MinBy(k => Outputs[k].IsForecast ? -1 : Math.Abs(Outputs[k].Quantile - 0.5)))
            .Order()];

    /// <summary>
    /// The outermost quantiles of the column and horizon of a forecast, which are its interval; -1 where the model has none on that side.
    /// </summary>
    public (int Low, int High) IntervalOutputs(int output)
    {
        ModelOutput of = Outputs[output];
        int[] quantiles =
        [
            .. Enumerable.Range(0, Outputs.Count)
                .Where(k => k != output && Outputs[k].Kind == OutputKind.Quantile && Outputs[k].Column == of.Column
                    && Outputs[k].TicksAhead == of.TicksAhead)
                .OrderBy(k => Outputs[k].Quantile),
        ];
        return (
            quantiles.Where(k => Outputs[k].Quantile < 0.5).FirstOrDefault(-1),
            quantiles.Where(k => Outputs[k].Quantile > 0.5).LastOrDefault(-1));
    }

    /// <summary>The name of an output as the manifest writes it: <c>HUFL[t+1]</c>.</summary>
    public string OutputName(int output)
    {
        ModelOutput named = Outputs[output];
        return named.Kind switch
        {
            OutputKind.Value => named.Name!,
            OutputKind.Class => $"{named.Name}:{named.Class}",
            OutputKind.Reconstruction => $"{Columns[named.Column]}[t]",
            OutputKind.Quantile =>
                string.Create(CultureInfo.InvariantCulture, $"{Columns[named.Column]}[t+{named.TicksAhead}]:{named.Quantile}"),
            _ => $"{Columns[named.Column]}[t+{named.TicksAhead}]",
        };
    }

    /// <summary>Unit of an output: its own, or that of its column; "" where none is known.</summary>
    public string OutputUnit(int output) => Outputs[output].Column >= 0 ? Units[Outputs[output].Column] : Outputs[output].Unit ?? "";

    /// <summary>What the model computes for an output, in the output's unit.</summary>
    public double DenormalizeOutput(int output, double value)
    {
        ModelOutput named = Outputs[output];
        return named.Column >= 0 ? Denormalize(named.Column, value)
            : named.Deviation == 0 ? value
            : (value * named.Deviation) + named.Mean;
    }

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

    /// <summary>This manifest with the measured errors of simple forecasts.</summary>
    public ModelManifest WithBaselines(IReadOnlyDictionary<string, IReadOnlyList<double>> baselines) =>
        With(Outputs, OutputRmse, NormalProfile, baselines);

    // What rounds to 0.0 % is equal.
    internal const double EqualShare = 0.0005;

    /// <summary>
    /// Outputs whose error is not smaller than that of every simple forecast, by more than what rounds to 0.0 %, with the name of the
    /// best one; empty where nothing was measured.
    /// </summary>
    public IReadOnlyList<(int Output, string Baseline)> Lost =>
        OutputRmse is null ? [] :
        [
            .. Enumerable.Range(0, Outputs.Count)
                .Select(k => (Output: k, Best: Baselines.Where(each => !double.IsNaN(each.Value[k])).MinBy(each => each.Value[k])))
                .Where(each => each.Best.Value is { } errors && OutputRmse[each.Output] > errors[each.Output] * (1 - EqualShare))
                .Select(each => (each.Output, each.Best.Key)),
        ];

    /// <summary>This manifest with other outputs and their errors.</summary>
    public ModelManifest WithOutputs(IReadOnlyList<ModelOutput> outputs, IReadOnlyList<double>? rmse) =>
        With(outputs, rmse, NormalProfile, new Dictionary<string, IReadOnlyList<double>>());

    /// <summary>This manifest with what is normal for its columns.</summary>
    public ModelManifest WithNormalProfile(ReadOnlyMemory<byte> profile) => With(Outputs, OutputRmse, profile, Baselines);

    private ModelManifest With(
        IReadOnlyList<ModelOutput> outputs, IReadOnlyList<double>? rmse, ReadOnlyMemory<byte> profile,
        IReadOnlyDictionary<string, IReadOnlyList<double>> baselines) => new()
        {
            Name = Name,
            Columns = Columns,
            Units = Units,
            PeriodSeconds = PeriodSeconds,
            Mean = Mean,
            Std = Std,
            Outputs = outputs,
            IsTrained = IsTrained,
            Calendar = Calendar,
            TrainRows = TrainRows,
            TestRows = TestRows,
            Min = Min,
            Max = Max,
            OutputRmse = rmse,
            Baselines = baselines,
            NormalProfile = profile,
            SymbolCount = SymbolCount,
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
        WriteOutputs(json);
        if (Calendar.Count > 0)
        {
            WriteStrings(json, "calendar", Calendar.Select(ModelReader.Name));
        }

        WriteRows(json, "train_rows", TrainRows);
        WriteRows(json, "test_rows", TestRows);
        WriteLimits(json, "min", Min);
        WriteLimits(json, "max", Max);
        if (OutputRmse is not null)
        {
            WriteNumbers(json, "output_rmse_normalised", OutputRmse);
        }

        WriteBaselines(json);
        if (!NormalProfile.IsEmpty)
        {
            json.WriteBase64String("normal_profile", NormalProfile.Span);
        }

        json.WriteEndObject();
    }

    // null is not a number.
    private void WriteBaselines(Utf8JsonWriter json)
    {
        if (Baselines.Count == 0)
        {
            return;
        }

        json.WriteStartObject("baseline_rmse_normalised");
        foreach ((string name, IReadOnlyList<double> errors) in Baselines)
        {
            WriteLimits(json, name, [.. errors.Select(error => double.IsNaN(error) ? (double?)null : error)]);
        }

        json.WriteEndObject();
    }

    // Classes of one name are one entry.
    private void WriteOutputs(Utf8JsonWriter json)
    {
        json.WriteStartArray("outputs_named");
        for (int k = 0; k < Outputs.Count; k++)
        {
            ModelOutput output = Outputs[k];
            if (output.Kind == OutputKind.Class)
            {
                json.WriteStartObject();
                json.WriteStartArray(output.Name!);
                json.WriteStringValue(output.Class);
                for (; k + 1 < Outputs.Count && Outputs[k + 1].Class is { } next && Outputs[k + 1].Name == output.Name; k++)
                {
                    json.WriteStringValue(next);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }
            else if (output.Kind == OutputKind.Value && (output.Unit is not null || output.Deviation != 0))
            {
                json.WriteStartObject();
                if (output.Deviation == 0)
                {
                    json.WriteString(output.Name!, output.Unit);
                }
                else
                {
                    json.WriteStartObject(output.Name!);
                    json.WriteString("unit", output.Unit ?? "");
                    json.WriteNumber("mean", output.Mean);
                    json.WriteNumber("std", output.Deviation);
                    json.WriteEndObject();
                }

                json.WriteEndObject();
            }
            else
            {
                json.WriteStringValue(OutputName(k));
            }
        }

        json.WriteEndArray();
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
