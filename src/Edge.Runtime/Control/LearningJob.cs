namespace Edge.Runtime.Control;

/// <summary>One learning: what to learn from which rows.</summary>
/// <param name="Stream">Name of the stream.</param>
/// <param name="Options">How.</param>
/// <param name="Name">Name of the model.</param>
/// <param name="Columns">Its columns and their units.</param>
/// <param name="Targets">Columns to forecast.</param>
/// <param name="Horizons">Ticks ahead.</param>
/// <param name="Period">From tick to tick.</param>
/// <param name="RowsFrom">Rows before this time are not read, UTC; null for all.</param>
/// <param name="AnomaliesFrom">
/// Anomalies from here on count as faults, UTC: those before come from a watch that knew little. Null for none.
/// </param>
/// <param name="ModelInUse">File of the model to compare with, or to learn a profile for; null if there is none.</param>
internal sealed record LearningJob(
    string Stream,
    LearnOptions Options,
    string Name,
    IReadOnlyList<(string Column, string Unit)> Columns,
    IReadOnlyList<string> Targets,
    IReadOnlyList<int> Horizons,
    TimeSpan Period,
    DateTime? RowsFrom,
    DateTime? AnomaliesFrom,
    string? ModelInUse);

/// <summary>Trains a model, or learns a profile for one.</summary>
/// <param name="job">What.</param>
/// <param name="cancel">Ends it, with an <see cref="OperationCanceledException"/>.</param>
/// <returns>The path of the model file.</returns>
/// <exception cref="Inference.InputException">There is none; the sentence says why.</exception>
internal delegate Task<string> TrainAction(LearningJob job, CancellationToken cancel);
