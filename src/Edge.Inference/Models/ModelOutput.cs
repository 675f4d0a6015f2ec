namespace Edge.Inference.Models;

/// <summary>What an output of a model is.</summary>
public enum OutputKind
{
    /// <summary>A column some ticks ahead: <c>COLUMN[t+N]</c>.</summary>
    Forecast,

    /// <summary>A quantile of a column some ticks ahead: <c>COLUMN[t+N]:0.9</c>.</summary>
    Quantile,

    /// <summary>A column at the same tick, as the model sees it: <c>COLUMN[t]</c>.</summary>
    Reconstruction,

    /// <summary>A quantity with a name of its own, such as a remaining life: a soft sensor.</summary>
    Value,

    /// <summary>The probability of one class out of several.</summary>
    Class,
}

/// <summary>One output of a model: the column it forecasts and how many ticks ahead, or something else with a name of its own.</summary>
/// <param name="Column">Index into <see cref="ModelManifest.Columns"/>; -1 if it is of none.</param>
/// <param name="TicksAhead">1..100000; 0 for a reconstruction, or if it is of no column.</param>
/// <param name="Name">Its name if it is of no column, else null.</param>
public readonly record struct ModelOutput(int Column, int TicksAhead, string? Name = null)
{
    /// <summary>The quantile, greater than 0 and less than 1; 0 if it is none.</summary>
    public double Quantile { get; init; }

    /// <summary>The class whose probability it is, or null.</summary>
    public string? Class { get; init; }

    /// <summary>Unit of a value, or null where none is known.</summary>
    public string? Unit { get; init; }

    /// <summary>What a value of 0 stands for, in its unit.</summary>
    public double Mean { get; init; }

    /// <summary>What a step of 1 stands for, in its unit; 0 for 1.</summary>
    public double Deviation { get; init; }

    /// <summary>What it is.</summary>
    public OutputKind Kind =>
        Class is not null ? OutputKind.Class
        : Column < 0 ? OutputKind.Value
        : TicksAhead == 0 ? OutputKind.Reconstruction
        : Quantile > 0 ? OutputKind.Quantile
        : OutputKind.Forecast;

    /// <summary>Whether it forecasts a column.</summary>
    public bool IsForecast => Kind == OutputKind.Forecast;
}
