using System.Globalization;
using Edge.Inference.Models;
using Edge.Runtime.Control;
using Edge.Runtime.Payloads;
using Edge.Sensors;
using Edge.Sensors.Gpio;
using Edge.Streams;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Configuration;

/// <summary>What computes a model.</summary>
internal enum EngineKind
{
    /// <summary>The int8 cell.</summary>
    Int8,

    /// <summary>The float model itself, on ONNX Runtime.</summary>
    Onnx,
}

/// <summary>One stream of edge.yaml: its model, its source, what is published of it, and how its readings are treated.</summary>
internal sealed record StreamConfig : StreamOptions
{
    // A clock of a recording that is a little off gives a model a period such as 299.981 s.
    private const double PeriodTolerance = 0.001;

    /// <summary>
    /// Path of a model file, <c>demo</c> for the bundled one, or empty for a stream that can only be recorded. That of a model that is
    /// still to be learned need not exist.
    /// </summary>
    public required string Model { get; init; }

    /// <summary>How it learns its model, or null if it does not.</summary>
    public LearnOptions? Learn { get; init; }

    /// <summary>What computes it.</summary>
    public EngineKind Engine { get; init; }

    /// <summary>Path of an ONNX model's manifest; null for the one next to it.</summary>
    public string? Manifest { get; init; }

    /// <summary>Path of the model that the saved state may come from: the same weights in another engine. Null for none.</summary>
    public string? StateFrom { get; init; }

    public required SourceOptions Source { get; init; }

    /// <summary>Which of its messages are published.</summary>
    public PublishOptions Publish { get; init; } = new();

    /// <summary>What its entities in Home Assistant see.</summary>
    public EntityOptions Entities { get; init; } = new();

    /// <summary>An output of the board that is high while an anomaly is open, or null.</summary>
    public int? AlarmPin { get; init; }

    /// <summary>Whether a new model can replace this one: it must be a file of edge-quantize, without a rollout.</summary>
    internal bool HasReplaceableModel => Engine == EngineKind.Int8 && Forecast.Horizon == 1 && Model is not "demo";

    /// <summary>What to say where <c>period</c> is not that of the model; null where it is.</summary>
    internal string? OtherPeriod(ModelManifest manifest) =>
        Period is not { TotalSeconds: var period } || Math.Abs((period / manifest.PeriodSeconds) - 1) <= PeriodTolerance
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"'period' is {period:0.######} s, and the model was trained on rows {manifest.PeriodSeconds:0.######} s apart. "
                    + $"Remove 'period', or train a model on rows {period:0.######} s apart");

    /// <summary>The engine that the file name of a model implies.</summary>
    internal static EngineKind EngineOf(string model) =>
        model.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase) ? EngineKind.Onnx : EngineKind.Int8;
}
