namespace Edge.Runtime.Control;

/// <summary>One learning: what to train from which rows.</summary>
/// <param name="Stream">Name of the stream.</param>
/// <param name="Options">How.</param>
/// <param name="Columns">Its columns and their units.</param>
/// <param name="Period">From tick to tick.</param>
/// <param name="RowsFrom">Rows before this time are not read, UTC; null for all.</param>
/// <param name="AnomaliesFrom">
/// Anomalies from here on count as faults, UTC: those before come from a watch that knew little. Null for none.
/// </param>
/// <param name="ModelInUse">File of the model to compare with, or null.</param>
internal sealed record LearningJob(
    string Stream,
    LearnOptions Options,
    IReadOnlyList<(string Column, string Unit)> Columns,
    TimeSpan Period,
    DateTime? RowsFrom,
    DateTime? AnomaliesFrom,
    string? ModelInUse);

/// <summary>Trains a model.</summary>
/// <param name="job">What.</param>
/// <param name="cancel">Ends it, with an <see cref="OperationCanceledException"/>.</param>
/// <returns>The path of the model file.</returns>
/// <exception cref="Inference.InputException">There is none; the sentence says why.</exception>
internal delegate Task<string> TrainAction(LearningJob job, CancellationToken cancel);
